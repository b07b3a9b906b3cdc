/* SPDX-License-Identifier: MIT */
#include "engine_events.h"

#include <stdlib.h>

#include "alloc.h"
#include "convert.h"

struct whs_event *
event_from(struct state *state, PyObject *tuple, PyObject **settled)
{
    long long seq, published_at, revision;
    int action;
    PyObject *id, *paths, *open_id, *data, *seqs;
    struct whs_event from = {0}, *event = NULL;
    struct texts given = {0};
    if (!PyTuple_Check(tuple)) {
        PyErr_SetString(PyExc_TypeError, "an event is a tuple");
        return NULL;
    }
    if (!PyArg_ParseTuple(tuple, "LOiOOOLLO;an event has nine fields", &seq, &id,
                          &action, &paths, &open_id, &data, &published_at, &revision,
                          &seqs) ||
        !uuid_from(id, "id", from.id) ||
        !optional_text_slice(state, open_id, "open_id", &from.open_id) ||
        !optional_bytes_slice(data, "data", &from.data))
        return NULL;
    if (texts_from(state, paths, "paths", &given)) {
        from.seq = seq;
        from.action = (enum whs_action)action;
        from.published_at_ms = published_at;
        from.revision = revision;
        from.path_count = given.len;
        event = whs_event_create(&from, given.items);
        if (!event)
            PyErr_NoMemory();
        else if (settled)
            *settled = seqs;
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
