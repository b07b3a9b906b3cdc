/* SPDX-License-Identifier: MIT */
#include "engine_sockets.h"

#include "convert.h"
#include "errors.h"

static struct engine_object *
object_of(PyObject *self)
{
    return (struct engine_object *)self;
}

/* False with Forked set: in a child its locks may be held by nobody. */
static bool
check_process(PyObject *self)
{
    if (whs_engine_forked(object_of(self)->engine))
        raise_status(state_of(self), WHS_FORKED, NULL, NULL);
    return !PyErr_Occurred();
}

PyObject *
events_object(const struct whs_host_request *requests)
{
    PyObject *list = PyList_New(0);
    for (const struct whs_host_request *r = requests; list && r; r = r->next) {
        PyObject *row = Py_BuildValue("(KNNy#)", (unsigned long long)r->ticket,
                                      text_object(r->origin), text_object(r->event),
                                      r->body.ptr, (Py_ssize_t)r->body.len);
        if (!row || PyList_Append(list, row) < 0)
            Py_CLEAR(list);
        Py_XDECREF(row);
    }
    return list;
}

PyObject *
engine_answer_event(PyObject *self, PyObject *args)
{
    unsigned long long ticket;
    int outcome;
    if (!PyArg_ParseTuple(args, "Ki", &ticket, &outcome) || !check_process(self))
        return NULL;
    if (outcome < WHS_OUTCOME_SUCCESS || outcome > WHS_OUTCOME_NOT_CONNECTED) {
        PyErr_SetString(PyExc_ValueError, "outcome is none");
        return NULL;
    }
    return PyBool_FromLong(
        whs_host_answer(object_of(self)->host, ticket, (enum whs_outcome)outcome));
}

PyObject *
engine_wake_events(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    if (!whs_engine_forked(object_of(self)->engine))
        whs_host_wake(object_of(self)->host);
    Py_RETURN_NONE;
}

/* A closed engine starts nothing: there it is nothing to reopen. */
PyObject *
engine_reopen(PyObject *self, PyObject *origin)
{
    struct whs_slice name;
    if (!text_slice(state_of(self), origin, "origin", &name))
        return NULL;
    enum whs_status status = whs_engine_reopen(object_of(self)->engine, name);
    if (status != WHS_OK && status != WHS_CLOSED)
        return raise_status(state_of(self), status, NULL, NULL);
    Py_RETURN_NONE;
}
