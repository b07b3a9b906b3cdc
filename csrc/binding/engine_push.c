/* SPDX-License-Identifier: MIT */
#include "engine_push.h"

#include <limits.h>

#include "alloc.h"
#include "engine_events.h"
#include "errors.h"
#include "events.h"

/* What push() answers instead of a number of matches. */
#define PUSHED_UNRESOLVED (-1)
#define PUSHED_FULL (-2)

static struct whs_engine *
engine_of(PyObject *self)
{
    return ((struct engine_object *)self)->engine;
}

/* The number of matches, or what else push() answers; INT_MIN with an exception set. */
static long
push_event(PyObject *self, struct whs_event *event, const int64_t *settled,
           size_t settled_count)
{
    size_t matches = 0;
    struct whs_error err = {0};
    enum whs_status status =
        whs_engine_push(engine_of(self), event, settled, settled_count, &matches, &err);
    if (status == WHS_OK)
        return (long)matches;
    if (status == WHS_UNKNOWN_RESOURCE || status == WHS_INVALID)
        return PUSHED_UNRESOLVED;
    if (status == WHS_FULL || status == WHS_CLOSED || status == WHS_NO_MEMORY)
        return PUSHED_FULL;
    raise_status(state_of(self), status, "event", &err);
    return INT_MIN;
}

static long
push_row(PyObject *self, PyObject *row)
{
    PyObject *settled_object;
    int64_t *settled;
    size_t settled_count;
    struct whs_event *event = event_from(state_of(self), row, &settled_object);
    if (!event)
        return INT_MIN;
    long answer = INT_MIN;
    if (seqs_from(settled_object, &settled, &settled_count)) {
        answer = push_event(self, event, settled, settled_count);
        whs_free(settled);
    }
    whs_event_unref(event);
    return answer;
}

static long
push_at(PyObject *self, PyObject *events, Py_ssize_t at)
{
    if (Py_TYPE(events) == (PyTypeObject *)state_of(self)->events_type)
        return push_event(self, ((struct events_object *)events)->items[at], NULL, 0);
    PyObject *row = PySequence_GetItem(events, at);
    long answer = row ? push_row(self, row) : INT_MIN;
    Py_XDECREF(row);
    return answer;
}

PyObject *
engine_push(PyObject *self, PyObject *events)
{
    Py_ssize_t count = PySequence_Size(events);
    PyObject *answers = count < 0 ? NULL : PyList_New(count);
    for (Py_ssize_t i = 0; answers && i < count; i++) {
        long answer = push_at(self, events, i);
        PyObject *number = answer == INT_MIN ? NULL : PyLong_FromLong(answer);
        if (!number || PyList_SetItem(answers, i, number) < 0)
            Py_CLEAR(answers);
    }
    return answers;
}

/* 1 and 0: taken or not; negative with an exception set. */
static int
push_due(PyObject *self, PyObject *row)
{
    PyObject *tuple;
    long long subscription_seq;
    int attempts;
    struct whs_error err = {0};
    if (!PyTuple_Check(row) ||
        !PyArg_ParseTuple(row, "OLi", &tuple, &subscription_seq, &attempts)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "a due delivery is a tuple of three");
        return -1;
    }
    struct whs_event *event = event_from(state_of(self), tuple, NULL);
    if (!event)
        return -1;
    enum whs_status status =
        whs_engine_push_due(engine_of(self), event, subscription_seq, attempts, &err);
    whs_event_unref(event);
    if (status == WHS_OK)
        return 1;
    if (status == WHS_NOT_FOUND || status == WHS_FULL || status == WHS_CLOSED ||
        status == WHS_NO_MEMORY)
        return 0;
    raise_status(state_of(self), status, NULL, &err);
    return -1;
}

PyObject *
engine_push_due(PyObject *self, PyObject *rows)
{
    Py_ssize_t count = PySequence_Size(rows);
    PyObject *answers = count < 0 ? NULL : PyList_New(count);
    for (Py_ssize_t i = 0; answers && i < count; i++) {
        PyObject *row = PySequence_GetItem(rows, i);
        int taken = row ? push_due(self, row) : -1;
        Py_XDECREF(row);
        if (taken < 0 || PyList_SetItem(answers, i, PyBool_FromLong(taken)) < 0)
            Py_CLEAR(answers);
    }
    return answers;
}
