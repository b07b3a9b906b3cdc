/* SPDX-License-Identifier: MIT
 *
 * Many events at once: the usual ones are checked and made to rows here. What is not
 * usual, or wrong, is left to webhooksub.publishing, which says why.
 */
#include "catalog.h"
#include "clock.h"
#include "convert.h"
#include "json.h"
#include "types.h"

/* Fields of webhooksub.store.base.NewEvent. */
enum field {
    FIELD_ID,
    FIELD_ROOT,
    FIELD_ACTION,
    FIELD_PATHS,
    FIELD_OPEN_ID,
    FIELD_DATA,
    FIELD_KEY,
    FIELD_FINGERPRINT,
    FIELDS
};

struct preparation {
    const struct whs_catalog *catalog;
    PyTypeObject *type;
    allocfunc allocate;
    long long now_ms;
    Py_ssize_t data_max;
    struct whs_random_supply supply;
    struct whs_random random;
    PyObject *root; /* of the event before, whose root is often the same */
    struct whs_slice root_text;
};

/* What an item says; all borrowed. */
struct wanted {
    PyObject *path;
    PyObject *data;
    struct whs_slice root;
    enum whs_action action;
};

static bool
read_data(const struct preparation *preparation, PyObject *data)
{
    char *ptr;
    Py_ssize_t len;
    if (data == Py_None)
        return true;
    if (!PyBytes_CheckExact(data) || PyBytes_AsStringAndSize(data, &ptr, &len) < 0)
        return false;
    return len <= preparation->data_max &&
           whs_json_check((struct whs_slice){ptr, (size_t)len}, WHS_JSON_DEPTH_MAX,
                          NULL) == WHS_OK;
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

/* False, perhaps with an exception: it is not usual. */
static bool
read_item(const struct preparation *preparation, PyObject *item, struct wanted *out)
{
    struct whs_slice path, action;
    struct whs_entity entity;
    Py_ssize_t len = PyTuple_CheckExact(item) ? PyTuple_Size(item) : 0;
    if (len < 2 || len > 3)
        return false;
    out->path = PyTuple_GetItem(item, 0);
    out->data = len == 3 ? PyTuple_GetItem(item, 2) : Py_None;
    if (!borrow_text(out->path, &path) ||
        !borrow_text(PyTuple_GetItem(item, 1), &action))
        return false;
    out->action = whs_action_parse(action);
    /* A subscription's word is read in any case, a publisher's is not. */
    if (!out->action || out->action == WHS_ACTION_ANY ||
        !whs_slice_equal(action, whs_slice_of(whs_action_name(out->action))) ||
        whs_catalog_locate_event(preparation->catalog, &path, 1, &entity, NULL) !=
            WHS_OK)
        return false;
    out->root = entity.root;
    return read_data(preparation, out->data);
}

/* The text stands in an item's path, which outlives the preparation. */
static PyObject *
root_object(struct preparation *preparation, struct whs_slice text)
{
    if (!preparation->root || !whs_slice_equal(preparation->root_text, text)) {
        Py_XDECREF(preparation->root);
        preparation->root = text_object(text);
        preparation->root_text = text;
    }
    return Py_XNewRef(preparation->root);
}

static PyObject *
id_object(struct preparation *preparation)
{
    uint8_t id[WHS_UUID_BYTES];
    whs_uuid7(preparation->now_ms, &preparation->random, id);
    return PyBytes_FromStringAndSize((const char *)id, WHS_UUID_BYTES);
}

/* Rows live as long as their events do, and hold nothing that could lead back to them:
 * the collector need not walk through a million of them again and again. */
static PyObject *
untracked(PyObject *tuple)
{
    if (tuple)
        PyObject_GC_UnTrack(tuple);
    return tuple;
}

static PyObject *
row_object(struct preparation *preparation, const struct wanted *wanted)
{
    PyObject *fields[FIELDS] = {
        [FIELD_ID] = id_object(preparation),
        [FIELD_ROOT] = root_object(preparation, wanted->root),
        [FIELD_ACTION] = PyLong_FromLong(wanted->action),
        [FIELD_PATHS] = untracked(PyTuple_Pack(1, wanted->path)),
        [FIELD_OPEN_ID] = Py_NewRef(Py_None),
        [FIELD_DATA] = Py_NewRef(wanted->data),
        [FIELD_KEY] = Py_NewRef(Py_None),
        [FIELD_FINGERPRINT] = Py_NewRef(Py_None),
    };
    return filled_tuple(preparation->allocate(preparation->type, FIELDS), fields,
                        FIELDS);
}

/* None where it is not usual. */
static PyObject *
prepare_item(struct preparation *preparation, PyObject *item)
{
    struct wanted wanted;
    if (read_item(preparation, item, &wanted))
        return untracked(row_object(preparation, &wanted));
    PyErr_Clear();
    return Py_NewRef(Py_None);
}

static PyObject *
prepare_items(struct preparation *preparation, PyObject *items)
{
    Py_ssize_t count = PyTuple_Size(items);
    PyObject *rows = PyList_New(count), *unusual = PyList_New(0);
    bool fine = rows && unusual;
    for (Py_ssize_t i = 0; fine && i < count; i++) {
        PyObject *row = prepare_item(preparation, PyTuple_GetItem(items, i));
        fine = row != NULL &&
               (row != Py_None || append_item(unusual, PyLong_FromSsize_t(i)));
        if (row && PyList_SetItem(rows, i, row) < 0)
            fine = false;
    }
    PyObject *answer = fine ? PyTuple_Pack(2, rows, unusual) : NULL;
    Py_XDECREF(rows);
    Py_XDECREF(unusual);
    return answer;
}

static PyObject *
prepare_events(PyObject *module, PyObject *args)
{
    struct state *state = state_of_module(module);
    struct preparation preparation = {0};
    PyObject *catalog, *items, *type;
    if (!PyArg_ParseTuple(args, "OO!O!Ln:prepare_events", &catalog, &PyTuple_Type,
                          &items, &PyType_Type, &type, &preparation.now_ms,
                          &preparation.data_max) ||
        !check_type(catalog, state->catalog_type, "Catalog"))
        return NULL;
    if (!PyType_IsSubtype((PyTypeObject *)type, &PyTuple_Type)) {
        PyErr_SetString(PyExc_TypeError, "row_type must be a tuple");
        return NULL;
    }
    preparation.catalog = ((struct catalog_object *)catalog)->catalog;
    preparation.type = (PyTypeObject *)type;
    preparation.allocate = (allocfunc)PyType_GetSlot(preparation.type, Py_tp_alloc);
    preparation.random = whs_random_supply_init(&preparation.supply);
    PyObject *answer = prepare_items(&preparation, items);
    Py_XDECREF(preparation.root);
    return answer;
}

/* --- Rows that were given their numbers. --- */

/* The fields of a row that the engine is given, by their places in the event's tuple.
 */
static const int handed[] = {
    [1] = FIELD_ID,      [2] = FIELD_ACTION, [3] = FIELD_PATHS,
    [4] = FIELD_OPEN_ID, [5] = FIELD_DATA,
};
enum { HANDED_FIRST = 1, HANDED_LAST = 5, NUMBERED_ROOT = 9, NUMBERED_FIELDS };

/* `times` are published, revision, settled; borrowed. The root comes last. */
static PyObject *
numbered_object(PyObject *row, PyObject *seq, PyObject *const times[3])
{
    PyObject *tuple = seq ? PyTuple_New(NUMBERED_FIELDS) : NULL;
    if (!tuple) {
        Py_XDECREF(seq);
        return NULL;
    }
    PyTuple_SetItem(tuple, 0, seq);
    for (int i = HANDED_FIRST; i <= HANDED_LAST; i++)
        PyTuple_SetItem(tuple, i, Py_NewRef(PyTuple_GetItem(row, handed[i])));
    for (int i = 0; i < 3; i++)
        PyTuple_SetItem(tuple, HANDED_LAST + 1 + i, Py_NewRef(times[i]));
    PyTuple_SetItem(tuple, NUMBERED_ROOT, Py_NewRef(PyTuple_GetItem(row, FIELD_ROOT)));
    return untracked(tuple);
}

static PyObject *
number_rows(PyObject *rows, long long first, PyObject *const times[3])
{
    Py_ssize_t count = PyList_Size(rows);
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *row = PyList_GetItem(rows, i), *tuple = NULL;
        if (PyTuple_Check(row) && PyTuple_Size(row) == FIELDS)
            tuple = numbered_object(row, PyLong_FromLongLong(first + i), times);
        else
            PyErr_SetString(PyExc_TypeError, "a row is a NewEvent");
        if (!tuple || PyList_SetItem(list, i, tuple) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *
number_events(PyObject *module, PyObject *args)
{
    PyObject *rows, *published_at, *revision;
    long long first;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!LO!O!:number_events", &PyList_Type, &rows, &first,
                          &PyLong_Type, &published_at, &PyLong_Type, &revision))
        return NULL;
    return number_rows(rows, first, (PyObject *[]){published_at, revision, Py_None});
}

static PyMethodDef functions[] = {
    {"number_events", number_events, METH_VARARGS,
     "number_events($module, rows, first_seq, published_at, revision, /)\n--\n\n"
     "The tuples that Engine.push takes, each with its root behind, for rows that were "
     "stored under numbers from `first_seq` on."},
    {"prepare_events", prepare_events, METH_VARARGS,
     "prepare_events($module, catalog, items, row_type, now_ms, data_max, /)\n--\n\n"
     "(rows of `row_type` for (path, action[, data]) items, indices of the items left "
     "to be done one by one, whose row is None)."},
    {0},
};

bool
publication_setup(PyObject *module)
{
    return PyModule_AddFunctions(module, functions) == 0;
}
