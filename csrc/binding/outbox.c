/* SPDX-License-Identifier: MIT
 *
 * The outbox of a store in memory as a mapping of seq to row, each made when it is
 * looked at.
 */
#include "outbox.h"

#include "events.h"
#include "seqs.h"
#include "types.h"

struct outbox_object {
    PyObject_HEAD struct whs_outbox outbox;
#ifdef Py_GIL_DISABLED
    PyMutex mutex; /* of it */
#endif
};

/* Around every look at what it holds: elsewhere the GIL does it. */
#ifdef Py_GIL_DISABLED
#define LOCK_OUTBOX(object) PyMutex_Lock(&((struct outbox_object *)(object))->mutex)
#define UNLOCK_OUTBOX(object) PyMutex_Unlock(&((struct outbox_object *)(object))->mutex)
#else
#define LOCK_OUTBOX(object) ((void)(object))
#define UNLOCK_OUTBOX(object) ((void)(object))
#endif

static struct whs_outbox *
outbox_of(PyObject *self)
{
    return &((struct outbox_object *)self)->outbox;
}

static void
Outbox_dealloc(PyObject *self)
{
    whs_outbox_fini(outbox_of(self));
    free_object(self);
}

/* --- What comes and goes. --- */

static bool
add_all(struct whs_outbox *outbox, const struct events_object *events)
{
    if (!whs_outbox_reserve(outbox, (size_t)events->count))
        return false;
    for (Py_ssize_t i = 0; i < events->count; i++)
        whs_outbox_add(outbox, events->items[i]);
    return true;
}

static PyObject *
Outbox_add(PyObject *self, PyObject *events)
{
    if (!check_type(events, state_of(self)->events_type, "Events"))
        return NULL;
    LOCK_OUTBOX(self);
    bool fine = add_all(outbox_of(self), (struct events_object *)events);
    UNLOCK_OUTBOX(self);
    if (!fine)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static void
take_one(PyObject *self, int64_t seq, struct events_object *taken)
{
    LOCK_OUTBOX(self);
    struct whs_event *event = whs_outbox_take(outbox_of(self), seq);
    UNLOCK_OUTBOX(self);
    if (event)
        events_append(taken, event);
}

static bool
take_row(PyObject *self, PyObject *row, struct events_object *taken)
{
    long long seq;
    if (!PyTuple_Check(row)) {
        PyErr_SetString(PyExc_TypeError, "must be a sequence of (seq,)");
        return false;
    }
    if (!PyArg_ParseTuple(row, "L", &seq))
        return false;
    take_one(self, seq, taken);
    return true;
}

static bool
take_at(PyObject *self, PyObject *done, Py_ssize_t at, struct events_object *taken)
{
    if (Py_TYPE(done) == (PyTypeObject *)state_of(self)->seqs_type) {
        take_one(self, ((struct seqs_object *)done)->items[at], taken);
        return true;
    }
    PyObject *row = PySequence_GetItem(done, at);
    bool fine = row && take_row(self, row, taken);
    Py_XDECREF(row);
    return fine;
}

static PyObject *
Outbox_take(PyObject *self, PyObject *done)
{
    Py_ssize_t count = PySequence_Size(done);
    struct events_object *taken =
        count < 0 ? NULL : events_new(state_of(self)->events_type, NULL, count);
    for (Py_ssize_t i = 0; taken && i < count; i++)
        if (!take_at(self, done, i, taken))
            Py_CLEAR(taken);
    return (PyObject *)taken;
}

/* --- Looking. --- */

static Py_ssize_t
Outbox_length(PyObject *self)
{
    LOCK_OUTBOX(self);
    size_t count = outbox_of(self)->count;
    UNLOCK_OUTBOX(self);
    return (Py_ssize_t)count;
}

/* Owned; NULL without one, perhaps with an exception set. */
static struct whs_event *
find_event(PyObject *self, PyObject *key)
{
    long long seq = PyLong_AsLongLong(key);
    if (PyErr_Occurred())
        return NULL;
    LOCK_OUTBOX(self);
    struct whs_event *event = whs_outbox_find(outbox_of(self), seq);
    if (event)
        whs_event_ref(event);
    UNLOCK_OUTBOX(self);
    return event;
}

static int
Outbox_contains(PyObject *self, PyObject *key)
{
    struct whs_event *event = find_event(self, key);
    whs_event_unref(event);
    return PyErr_Occurred() ? -1 : event != NULL;
}

static PyObject *
Outbox_subscript(PyObject *self, PyObject *key)
{
    struct whs_event *event = find_event(self, key);
    if (!event) {
        if (!PyErr_Occurred())
            PyErr_SetObject(PyExc_KeyError, key);
        return NULL;
    }
    PyObject *row = event_row(event);
    whs_event_unref(event);
    return row;
}

/* False with an exception set. */
static bool
find_all(PyObject *self, PyObject *seqs, long long max_bytes,
         struct events_object *found)
{
    Py_ssize_t count = PyList_Size(seqs);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *key = PyList_GetItem(seqs, i);
        struct whs_event *event = find_event(self, key);
        if (!event && !PyErr_Occurred())
            PyErr_SetObject(PyExc_KeyError, key);
        if (!event)
            return false;
        max_bytes -= (long long)event->data.len;
        if (max_bytes < 0 && i > 0) {
            whs_event_unref(event);
            break;
        }
        events_append(found, event);
    }
    return true;
}

static PyObject *
Outbox_find(PyObject *self, PyObject *args)
{
    PyObject *seqs;
    long long max_bytes;
    if (!PyArg_ParseTuple(args, "O!L:find", &PyList_Type, &seqs, &max_bytes))
        return NULL;
    struct events_object *found =
        events_new(state_of(self)->events_type, NULL, PyList_Size(seqs));
    if (found && !find_all(self, seqs, max_bytes, found))
        Py_CLEAR(found);
    return (PyObject *)found;
}

static PyObject *
Outbox_events(PyObject *self, PyObject *ignored)
{
    const struct whs_outbox *outbox = outbox_of(self);
    (void)ignored;
    LOCK_OUTBOX(self);
    struct events_object *all =
        events_new(state_of(self)->events_type, NULL, (Py_ssize_t)outbox->count);
    for (size_t i = outbox->start; all && i < outbox->end; i++)
        if (outbox->entries[i].event)
            events_append(all, whs_event_ref(outbox->entries[i].event));
    UNLOCK_OUTBOX(self);
    return (PyObject *)all;
}

/* Over the seqs of now: what comes or leaves meanwhile changes nothing. */
static PyObject *
Outbox_iter(PyObject *self)
{
    PyObject *all = Outbox_events(self, NULL);
    PyObject *seqs = all ? PyObject_CallMethod(all, "seqs", NULL) : NULL;
    PyObject *iterator = seqs ? PyObject_GetIter(seqs) : NULL;
    Py_XDECREF(all);
    Py_XDECREF(seqs);
    return iterator;
}

static PyObject *
get_data_bytes(PyObject *self, void *closure)
{
    (void)closure;
    LOCK_OUTBOX(self);
    size_t bytes = outbox_of(self)->data_bytes;
    UNLOCK_OUTBOX(self);
    return PyLong_FromSize_t(bytes);
}

static PyObject *
get_oldest(PyObject *self, void *closure)
{
    const struct whs_outbox *outbox = outbox_of(self);
    struct whs_event *event = NULL;
    (void)closure;
    LOCK_OUTBOX(self);
    if (outbox->count > 0)
        event = whs_event_ref(outbox->entries[outbox->start].event);
    UNLOCK_OUTBOX(self);
    if (!event)
        Py_RETURN_NONE;
    PyObject *row = event_row(event);
    whs_event_unref(event);
    return row;
}

static PyObject *
Outbox_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Outbox", names))
        return NULL;
    return ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
}

static PyGetSetDef getters[] = {
    {"data_bytes", get_data_bytes, NULL, "Bytes of the data of all.", NULL},
    {"oldest", get_oldest, NULL, "The row of the first, or None.", NULL},
    {0},
};

static PyMethodDef methods[] = {
    {"add", Outbox_add, METH_O,
     "add($self, events, /)\n--\n\nEvents numbered above all before."},
    {"take", Outbox_take, METH_O,
     "take($self, done, /)\n--\n\n"
     "Out of here: a sequence of (seq,). Answers those that were here."},
    {"find", Outbox_find, METH_VARARGS,
     "find($self, seqs, max_bytes, /)\n--\n\n"
     "The events with these numbers, to so many bytes of data but at least one."},
    {"events", Outbox_events, METH_NOARGS,
     "events($self, /)\n--\n\nAll of now, the oldest first."},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Outbox()\n--\n\nEvents that are to be fanned out, by seq: a mapping to "
     "their rows, the oldest first."},
    {Py_tp_new, Outbox_new},
    {Py_tp_dealloc, Outbox_dealloc},
    {Py_tp_iter, Outbox_iter},
    {Py_sq_contains, Outbox_contains},
    {Py_mp_length, Outbox_length},
    {Py_mp_subscript, Outbox_subscript},
    {Py_tp_getset, getters},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "webhooksub._core.Outbox",
    .basicsize = sizeof(struct outbox_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

bool
outbox_setup(PyObject *module)
{
    return add_type(module, &spec, &state_of_module(module)->outbox_type);
}
