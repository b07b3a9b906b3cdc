/* SPDX-License-Identifier: MIT */
#include "engine_events.h"

#include <stdlib.h>

#include "alloc.h"
#include "convert.h"

/* Places in the tuple that Engine.push takes. */
enum field {
    FIELD_SEQ,
    FIELD_ID,
    FIELD_ACTION,
    FIELD_PATHS,
    FIELD_OPEN_ID,
    FIELD_DATA,
    FIELD_PUBLISHED_AT,
    FIELD_REVISION,
    FIELD_SETTLED,
    FIELDS,
    FIELD_ROOT = FIELDS /* there or not */
};

/* Places in a NewEvent, whose key follows. */
enum new_field {
    NEW_FIELD_ID,
    NEW_FIELD_ROOT,
    NEW_FIELD_ACTION,
    NEW_FIELD_PATHS,
    NEW_FIELD_OPEN_ID,
    NEW_FIELD_DATA,
    NEW_FIELD_KEY,
    NEW_FIELD_FINGERPRINT,
    NEW_FIELDS
};

/* What both tuples have; all borrowed. `root` may be NULL. */
struct parts {
    PyObject *id, *action, *paths, *open_id, *data, *root;
};

static bool
read_root(struct state *state, PyObject *root, struct whs_slice path,
          struct whs_event *out)
{
    struct whs_slice text;
    if (!optional_text_slice(state, root, "root", &text))
        return false;
    out->root_len = text.len;
    if (text.len <= path.len &&
        whs_slice_equal(text, (struct whs_slice){path.ptr, text.len}))
        return true;
    PyErr_SetString(PyExc_ValueError, "root must be what the first path starts with");
    return false;
}

/* Into `from`, which has the numbers; its copy. */
static struct whs_event *
create_event(struct state *state, struct whs_event *from, const struct parts *parts)
{
    struct whs_event *event = NULL;
    struct texts given;
    from->action = (enum whs_action)PyLong_AsLong(parts->action);
    if (PyErr_Occurred() || !uuid_from(parts->id, "id", from->id) ||
        !optional_text_slice(state, parts->open_id, "open_id", &from->open_id) ||
        !optional_bytes_slice(parts->data, "data", &from->data))
        return NULL;
    if (texts_from(state, parts->paths, "paths", &given) &&
        read_root(state, parts->root, given.items[0], from)) {
        from->path_count = given.len;
        event = whs_event_create(from, given.items);
        if (!event)
            PyErr_NoMemory();
    }
    Py_XDECREF(given.owner);
    return event;
}

struct whs_event *
event_from(struct state *state, PyObject *tuple, PyObject **settled)
{
    Py_ssize_t size = PyTuple_Check(tuple) ? PyTuple_Size(tuple) : 0;
    if (size < FIELDS) {
        PyErr_SetString(PyExc_TypeError, "an event is a tuple of nine fields or more");
        return NULL;
    }
    const struct parts parts = {
        .id = PyTuple_GetItem(tuple, FIELD_ID),
        .action = PyTuple_GetItem(tuple, FIELD_ACTION),
        .paths = PyTuple_GetItem(tuple, FIELD_PATHS),
        .open_id = PyTuple_GetItem(tuple, FIELD_OPEN_ID),
        .data = PyTuple_GetItem(tuple, FIELD_DATA),
        .root = size > FIELD_ROOT ? PyTuple_GetItem(tuple, FIELD_ROOT) : NULL,
    };
    struct whs_event from = {
        .seq = PyLong_AsLongLong(PyTuple_GetItem(tuple, FIELD_SEQ)),
        .published_at_ms =
            PyLong_AsLongLong(PyTuple_GetItem(tuple, FIELD_PUBLISHED_AT)),
        .revision = PyLong_AsLongLong(PyTuple_GetItem(tuple, FIELD_REVISION)),
    };
    if (settled)
        *settled = PyTuple_GetItem(tuple, FIELD_SETTLED);
    return create_event(state, &from, &parts);
}

struct whs_event *
event_from_new(struct state *state, PyObject *row)
{
    if (!PyTuple_Check(row) || PyTuple_Size(row) != NEW_FIELDS) {
        PyErr_SetString(PyExc_TypeError, "a row is a NewEvent");
        return NULL;
    }
    const struct parts parts = {
        .id = PyTuple_GetItem(row, NEW_FIELD_ID),
        .action = PyTuple_GetItem(row, NEW_FIELD_ACTION),
        .paths = PyTuple_GetItem(row, NEW_FIELD_PATHS),
        .open_id = PyTuple_GetItem(row, NEW_FIELD_OPEN_ID),
        .data = PyTuple_GetItem(row, NEW_FIELD_DATA),
        .root = PyTuple_GetItem(row, NEW_FIELD_ROOT),
    };
    struct whs_event from = {0};
    return create_event(state, &from, &parts);
}

static int
compare_seqs(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

bool
seqs_from(PyObject *object, int64_t **out, size_t *count)
{
    *out = NULL;
    *count = 0;
    Py_ssize_t len = object == Py_None ? 0 : PySequence_Size(object);
    if (len <= 0)
        return len == 0;
    int64_t *seqs = whs_calloc((size_t)len, sizeof(*seqs));
    if (!seqs) {
        PyErr_NoMemory();
        return false;
    }
    for (Py_ssize_t i = 0; i < len && !PyErr_Occurred(); i++) {
        PyObject *item = PySequence_GetItem(object, i);
        seqs[i] = item ? PyLong_AsLongLong(item) : 0;
        Py_XDECREF(item);
    }
    if (PyErr_Occurred()) {
        whs_free(seqs);
        return false;
    }
    qsort(seqs, (size_t)len, sizeof(*seqs), compare_seqs);
    *out = seqs;
    *count = (size_t)len;
    return true;
}
