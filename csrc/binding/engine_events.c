/* SPDX-License-Identifier: MIT */
#include "engine_events.h"

#include <stdlib.h>

#include "alloc.h"
#include "convert.h"

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
    FIELDS
};

/* All but the paths. Everything is borrowed from the tuple. */
static bool
read_fields(struct state *state, PyObject *tuple, struct whs_event *out)
{
    /* What follows is the store's. */
    if (!PyTuple_Check(tuple) || PyTuple_Size(tuple) < FIELDS) {
        PyErr_SetString(PyExc_TypeError, "an event is a tuple of nine fields or more");
        return false;
    }
    out->seq = PyLong_AsLongLong(PyTuple_GetItem(tuple, FIELD_SEQ));
    long action = PyLong_AsLong(PyTuple_GetItem(tuple, FIELD_ACTION));
    out->published_at_ms =
        PyLong_AsLongLong(PyTuple_GetItem(tuple, FIELD_PUBLISHED_AT));
    out->revision = PyLong_AsLongLong(PyTuple_GetItem(tuple, FIELD_REVISION));
    if (PyErr_Occurred())
        return false;
    out->action = (enum whs_action)action;
    return uuid_from(PyTuple_GetItem(tuple, FIELD_ID), "id", out->id) &&
           optional_text_slice(state, PyTuple_GetItem(tuple, FIELD_OPEN_ID), "open_id",
                               &out->open_id) &&
           optional_bytes_slice(PyTuple_GetItem(tuple, FIELD_DATA), "data", &out->data);
}

struct whs_event *
event_from(struct state *state, PyObject *tuple, PyObject **settled)
{
    struct whs_event from = {0}, *event = NULL;
    struct texts given;
    if (!read_fields(state, tuple, &from))
        return NULL;
    if (texts_from(state, PyTuple_GetItem(tuple, FIELD_PATHS), "paths", &given)) {
        from.path_count = given.len;
        event = whs_event_create(&from, given.items);
        if (!event)
            PyErr_NoMemory();
        else if (settled)
            *settled = PyTuple_GetItem(tuple, FIELD_SETTLED);
    }
    Py_XDECREF(given.owner);
    return event;
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
