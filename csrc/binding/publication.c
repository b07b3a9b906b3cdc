/* SPDX-License-Identifier: MIT
 *
 * Many events at once, from what a publisher gives to what is stored. The usual ones
 * are checked here; what is not usual, or wrong, is left to webhooksub.publishing,
 * which says why.
 */
#include "catalog.h"
#include "clock.h"
#include "convert.h"
#include "engine_events.h"
#include "events.h"
#include "json.h"
#include "types.h"

struct preparation {
    struct state *state;
    const struct whs_catalog *catalog;
    PyObject *one_by_one; /* makes a NewEvent of the item with an index, or None */
    long long now_ms;
    Py_ssize_t data_max;
    struct whs_random_supply supply;
    struct whs_random random;
};

static bool
read_data(const struct preparation *preparation, PyObject *data, struct whs_slice *out)
{
    char *ptr;
    Py_ssize_t len;
    if (data == Py_None)
        return true;
    if (!PyBytes_CheckExact(data) || PyBytes_AsStringAndSize(data, &ptr, &len) < 0)
        return false;
    *out = (struct whs_slice){ptr, (size_t)len};
    return len <= preparation->data_max &&
           whs_json_check(*out, WHS_JSON_DEPTH_MAX, NULL) == WHS_OK;
}

static bool
borrow_text(PyObject *object, struct whs_slice *out)
{
    Py_ssize_t len;
    if (!PyUnicode_CheckExact(object))
        return false;
    out->ptr = PyUnicode_AsUTF8AndSize(object, &len);
    out->len = (size_t)len;
    return out->ptr != NULL;
}

/* False, perhaps with an exception: it is not usual. All is borrowed from the item. */
static bool
read_item(const struct preparation *preparation, PyObject *item, struct whs_event *out,
          struct whs_slice *path)
{
    struct whs_slice action;
    struct whs_entity entity;
    Py_ssize_t len = PyTuple_CheckExact(item) ? PyTuple_Size(item) : 0;
    if (len < 2 || len > 3 || !borrow_text(PyTuple_GetItem(item, 0), path) ||
        !borrow_text(PyTuple_GetItem(item, 1), &action))
        return false;
    out->action = whs_action_parse(action);
    /* A subscription's word is read in any case, a publisher's is not. */
    if (!out->action || out->action == WHS_ACTION_ANY ||
        !whs_slice_equal(action, whs_slice_of(whs_action_name(out->action))) ||
        whs_catalog_locate_event(preparation->catalog, path, 1, &entity, NULL) !=
            WHS_OK)
        return false;
    out->root_len = entity.root.len;
    out->path_count = 1;
    return read_data(preparation, len == 3 ? PyTuple_GetItem(item, 2) : Py_None,
                     &out->data);
}

/* *out stays NULL where the item is wrong, which is told by whoever was asked. False
 * with an exception set. */
static bool
ask_for_item(const struct preparation *preparation, Py_ssize_t at,
             struct whs_event **out)
{
    PyObject *row = PyObject_CallFunction(preparation->one_by_one, "n", at);
    if (row && row != Py_None)
        *out = event_from_new(preparation->state, row);
    bool fine = row && (row == Py_None || *out);
    Py_XDECREF(row);
    return fine;
}

static bool
prepare_item(struct preparation *preparation, PyObject *item, Py_ssize_t at,
             struct whs_event **out)
{
    struct whs_event wanted = {0};
    struct whs_slice path;
    *out = NULL;
    if (!read_item(preparation, item, &wanted, &path)) {
        PyErr_Clear();
        return ask_for_item(preparation, at, out);
    }
    whs_uuid7(preparation->now_ms, &preparation->random, wanted.id);
    *out = whs_event_create(&wanted, &path);
    if (!*out)
        PyErr_NoMemory();
    return *out != NULL;
}

static PyObject *
prepare_items(struct preparation *preparation, PyObject *items, PyObject *row_type)
{
    Py_ssize_t count = PyTuple_Size(items);
    struct events_object *events =
        events_new(preparation->state->new_events_type, row_type, count);
    for (Py_ssize_t i = 0; events && i < count; i++) {
        struct whs_event *event;
        if (!prepare_item(preparation, PyTuple_GetItem(items, i), i, &event))
            Py_CLEAR(events);
        else if (event)
            events_append(events, event);
    }
    return (PyObject *)events;
}

static PyObject *
prepare_events(PyObject *module, PyObject *args)
{
    struct state *state = state_of_module(module);
    struct preparation preparation = {.state = state};
    PyObject *catalog, *items, *type;
    if (!PyArg_ParseTuple(args, "OO!O!OLn:prepare_events", &catalog, &PyTuple_Type,
                          &items, &PyType_Type, &type, &preparation.one_by_one,
                          &preparation.now_ms, &preparation.data_max) ||
        !check_type(catalog, state->catalog_type, "Catalog"))
        return NULL;
    if (!PyType_IsSubtype((PyTypeObject *)type, &PyTuple_Type)) {
        PyErr_SetString(PyExc_TypeError, "row_type must be a tuple");
        return NULL;
    }
    preparation.catalog = ((struct catalog_object *)catalog)->catalog;
    preparation.random = whs_random_supply_init(&preparation.supply);
    return prepare_items(&preparation, items, type);
}

/* --- Events that were given their numbers. --- */

/* Owned; NULL with an exception set. */
static struct whs_event *
new_event_at(struct state *state, PyObject *rows, Py_ssize_t at)
{
    if (Py_TYPE(rows) == (PyTypeObject *)state->new_events_type)
        return whs_event_ref(((struct events_object *)rows)->items[at]);
    PyObject *row = PySequence_GetItem(rows, at);
    struct whs_event *event = row ? event_from_new(state, row) : NULL;
    Py_XDECREF(row);
    return event;
}

static PyObject *
number_events(PyObject *module, PyObject *args)
{
    struct state *state = state_of_module(module);
    PyObject *rows;
    long long first, published_at, revision;
    if (!PyArg_ParseTuple(args, "OLLL:number_events", &rows, &first, &published_at,
                          &revision))
        return NULL;
    Py_ssize_t count = PySequence_Size(rows);
    struct events_object *events =
        count < 0 ? NULL : events_new(state->events_type, NULL, count);
    for (Py_ssize_t i = 0; events && i < count; i++) {
        struct whs_event *event = new_event_at(state, rows, i), *numbered = NULL;
        if (event) {
            numbered = whs_event_number(event, first + i, published_at, revision);
            if (!numbered)
                PyErr_NoMemory();
            whs_event_unref(event);
        }
        if (numbered)
            events_append(events, numbered);
        else
            Py_CLEAR(events);
    }
    return (PyObject *)events;
}

static PyObject *
join_events(PyObject *module, PyObject *args)
{
    struct state *state = state_of_module(module);
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0; i < PyTuple_Size(args); i++) {
        PyObject *part = PyTuple_GetItem(args, i);
        if (!check_type(part, state->events_type, "Events"))
            return NULL;
        count += ((struct events_object *)part)->count;
    }
    struct events_object *all = events_new(state->events_type, NULL, count);
    for (Py_ssize_t i = 0; all && i < PyTuple_Size(args); i++) {
        struct events_object *part = (struct events_object *)PyTuple_GetItem(args, i);
        for (Py_ssize_t n = 0; n < part->count; n++)
            events_append(all, whs_event_ref(part->items[n]));
    }
    return (PyObject *)all;
}

static PyMethodDef functions[] = {
    {"join_events", join_events, METH_VARARGS,
     "join_events($module, /, *parts)\n--\n\nOne Events of several, in order."},
    {"number_events", number_events, METH_VARARGS,
     "number_events($module, rows, first_seq, published_at, revision, /)\n--\n\n"
     "The Events of rows that were stored under numbers from `first_seq` on."},
    {"prepare_events", prepare_events, METH_VARARGS,
     "prepare_events($module, catalog, items, row_type, one_by_one, now_ms, data_max, "
     "/)\n--\n\n"
     "The NewEvents of (path, action[, data]) items. What another item is, is asked of "
     "`one_by_one`, by its index."},
    {0},
};

bool
publication_setup(PyObject *module)
{
    return PyModule_AddFunctions(module, functions) == 0;
}
