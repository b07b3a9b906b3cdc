/* SPDX-License-Identifier: MIT
 *
 * Several events as one Python object: those that are to be stored (NewEvents) and
 * those that are (Events). An event of them is the core's, and costs Python a pointer;
 * its row is made when somebody looks.
 */
#include "events.h"

#include <string.h>

#include "alloc.h"
#include "convert.h"
#include "engine_events.h"
#include "types.h"

#define PREFETCH_AHEAD 8

static struct events_object *
events_of(PyObject *self)
{
    return (struct events_object *)self;
}

struct events_object *
events_new(PyObject *type, PyObject *row_type, Py_ssize_t room)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    struct events_object *self =
        (struct events_object *)allocate((PyTypeObject *)type, 0);
    if (!self)
        return NULL;
    self->row_type = Py_XNewRef(row_type);
    if (room == 0)
        return self;
    self->items = whs_calloc((size_t)room, sizeof(struct whs_event *));
    if (self->items)
        return self;
    Py_DECREF((PyObject *)self);
    PyErr_NoMemory();
    return NULL;
}

void
events_append(struct events_object *events, struct whs_event *event)
{
    events->items[events->count++] = event;
    events->data_bytes += event->data.len;
}

/* Most have not been looked at for long: the processor asks for those behind. */
static void
Events_dealloc(PyObject *object)
{
    struct events_object *self = events_of(object);
    for (Py_ssize_t i = 0; i < self->count; i++) {
        if (i + PREFETCH_AHEAD < self->count)
            __builtin_prefetch(self->items[i + PREFETCH_AHEAD], 1);
        whs_event_unref(self->items[i]);
    }
    whs_free(self->items);
    Py_XDECREF(self->row_type);
    free_object(object);
}

/* --- Rows. --- */

/* Rows may live as long as their events do, and hold nothing that could lead back to
 * them: the collector need not walk through a million of them again and again. */
static PyObject *
untracked(PyObject *tuple)
{
    if (tuple)
        PyObject_GC_UnTrack(tuple);
    return tuple;
}

static PyObject *
bytes_object(struct whs_slice bytes)
{
    if (!bytes.ptr)
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize(bytes.ptr, (Py_ssize_t)bytes.len);
}

static PyObject *
id_object(const struct whs_event *event)
{
    return PyBytes_FromStringAndSize((const char *)event->id, WHS_UUID_BYTES);
}

static PyObject *
paths_object(const struct whs_event *event)
{
    PyObject *paths[WHS_EVENT_PATHS_MAX];
    for (size_t i = 0; i < event->path_count; i++)
        paths[i] = text_object(event->paths[i]);
    Py_ssize_t count = (Py_ssize_t)event->path_count;
    return untracked(filled_tuple(PyTuple_New(count), paths, count));
}

static PyObject *
root_object(const struct whs_event *event)
{
    if (event->root_len == 0)
        Py_RETURN_NONE;
    return text_object((struct whs_slice){event->paths[0].ptr, event->root_len});
}

PyObject *
event_row(const struct whs_event *event)
{
    PyObject *fields[] = {
        PyLong_FromLongLong(event->seq),
        id_object(event),
        PyLong_FromLong(event->action),
        paths_object(event),
        text_object(event->open_id),
        bytes_object(event->data),
        PyLong_FromLongLong(event->published_at_ms),
        PyLong_FromLongLong(event->revision),
        Py_NewRef(Py_None),
        root_object(event),
    };
    const Py_ssize_t count = sizeof(fields) / sizeof(fields[0]);
    return untracked(filled_tuple(PyTuple_New(count), fields, count));
}

/* A webhooksub.store.base.NewEvent, without a key. */
static PyObject *
new_event_row(PyTypeObject *type, const struct whs_event *event)
{
    PyObject *fields[] = {
        id_object(event),
        root_object(event),
        PyLong_FromLong(event->action),
        paths_object(event),
        text_object(event->open_id),
        bytes_object(event->data),
        Py_NewRef(Py_None),
        Py_NewRef(Py_None),
    };
    const Py_ssize_t count = sizeof(fields) / sizeof(fields[0]);
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    return untracked(filled_tuple(allocate(type, count), fields, count));
}

/* --- Both are sequences. --- */

static Py_ssize_t
Events_length(PyObject *self)
{
    return events_of(self)->count;
}

static PyObject *
Events_item(PyObject *object, Py_ssize_t at)
{
    struct events_object *self = events_of(object);
    if (at < 0 || at >= self->count) {
        PyErr_SetString(PyExc_IndexError, "no such event");
        return NULL;
    }
    return self->row_type
               ? new_event_row((PyTypeObject *)self->row_type, self->items[at])
               : event_row(self->items[at]);
}

/* Of the same kind, with the same events. */
static PyObject *
slice_of(PyObject *object, PyObject *slice)
{
    struct events_object *self = events_of(object);
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(slice, &start, &stop, &step) < 0)
        return NULL;
    Py_ssize_t count = PySlice_AdjustIndices(self->count, &start, &stop, step);
    struct events_object *part =
        events_new((PyObject *)Py_TYPE(object), self->row_type, count);
    for (Py_ssize_t i = 0; part && i < count; i++)
        events_append(part, whs_event_ref(self->items[start + i * step]));
    return (PyObject *)part;
}

static PyObject *
Events_subscript(PyObject *self, PyObject *key)
{
    if (PySlice_Check(key))
        return slice_of(self, key);
    Py_ssize_t at = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (at == -1 && PyErr_Occurred())
        return NULL;
    return Events_item(self, at < 0 ? at + events_of(self)->count : at);
}

static PyObject *
get_data_bytes(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(events_of(self)->data_bytes);
}

/* --- What only those with numbers are asked. --- */

static PyObject *
get_revision(PyObject *object, void *closure)
{
    struct events_object *self = events_of(object);
    int64_t revision = 0;
    (void)closure;
    for (Py_ssize_t i = 0; i < self->count; i++)
        if (self->items[i]->revision > revision)
            revision = self->items[i]->revision;
    return PyLong_FromLongLong(revision);
}

static PyObject *
Events_seqs(PyObject *object, PyObject *ignored)
{
    struct events_object *self = events_of(object);
    PyObject *seqs = PyList_New(self->count);
    (void)ignored;
    for (Py_ssize_t i = 0; seqs && i < self->count; i++) {
        PyObject *seq = PyLong_FromLongLong(self->items[i]->seq);
        if (!seq || PyList_SetItem(seqs, i, seq) < 0)
            Py_CLEAR(seqs);
    }
    return seqs;
}

static PyObject *
Events_find(PyObject *object, PyObject *wanted)
{
    struct events_object *self = events_of(object);
    uint8_t id[WHS_UUID_BYTES];
    if (!uuid_from(wanted, "id", id))
        return NULL;
    for (Py_ssize_t i = 0; i < self->count; i++)
        if (memcmp(self->items[i]->id, id, sizeof(id)) == 0)
            return event_row(self->items[i]);
    Py_RETURN_NONE;
}

static PyObject *
events_from_rows(struct state *state, PyObject *rows)
{
    Py_ssize_t count = PySequence_Size(rows);
    struct events_object *self =
        count < 0 ? NULL : events_new(state->events_type, NULL, count);
    for (Py_ssize_t i = 0; self && i < count; i++) {
        PyObject *row = PySequence_GetItem(rows, i);
        struct whs_event *event = row ? event_from(state, row, NULL) : NULL;
        Py_XDECREF(row);
        if (event)
            events_append(self, event);
        else
            Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static PyObject *
Events_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", NULL};
    PyObject *rows;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Events", names, &rows))
        return NULL;
    return events_from_rows(state_of_type(type), rows);
}

static PyGetSetDef new_getters[] = {
    {"data_bytes", get_data_bytes, NULL, "Bytes of the data of all.", NULL},
    {0},
};

static PyGetSetDef getters[] = {
    {"data_bytes", get_data_bytes, NULL, "Bytes of the data of all.", NULL},
    {"revision", get_revision, NULL, "Of subscriptions: the highest of all.", NULL},
    {0},
};

static PyMethodDef methods[] = {
    {"seqs", Events_seqs, METH_NOARGS, "seqs($self, /)\n--\n\nTheir numbers."},
    {"find", Events_find, METH_O,
     "find($self, id, /)\n--\n\nThe row of the event with this id, or None."},
    {0},
};

static PyType_Slot new_slots[] = {
    {Py_tp_doc, "Events that are to be stored: a sequence of NewEvent, each made when "
                "it is looked at."},
    {Py_tp_dealloc, Events_dealloc},
    {Py_sq_length, Events_length},
    {Py_sq_item, Events_item},
    {Py_mp_length, Events_length},
    {Py_mp_subscript, Events_subscript},
    {Py_tp_getset, new_getters},
    {0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Events(rows, /)\n--\n\nStored events: a sequence of the rows that "
                "Engine.push takes, each with its root behind, made when it is looked "
                "at."},
    {Py_tp_new, Events_new},
    {Py_tp_dealloc, Events_dealloc},
    {Py_sq_length, Events_length},
    {Py_sq_item, Events_item},
    {Py_mp_length, Events_length},
    {Py_mp_subscript, Events_subscript},
    {Py_tp_getset, getters},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec new_spec = {
    .name = "webhooksub._core.NewEvents",
    .basicsize = sizeof(struct events_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = new_slots,
};

static PyType_Spec spec = {
    .name = "webhooksub._core.Events",
    .basicsize = sizeof(struct events_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

bool
events_setup(PyObject *module)
{
    struct state *state = state_of_module(module);
    return add_type(module, &new_spec, &state->new_events_type) &&
           add_type(module, &spec, &state->events_type);
}
