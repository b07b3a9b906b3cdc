/* SPDX-License-Identifier: MIT */
#include "errors.h"

static PyObject *
make_field_error(struct state *state, const char *field, const char *code,
                 const char *message)
{
    return PyObject_CallFunction(state->field_error, "sss", field, code, message);
}

static PyObject *
raise_errors(struct state *state, PyObject *list)
{
    PyObject *exception =
        PyObject_CallFunctionObjArgs(state->validation_error, list, NULL);
    if (exception)
        PyErr_SetObject(state->validation_error, exception);
    Py_XDECREF(exception);
    return NULL;
}

PyObject *
raise_invalid(struct state *state, const char *field, const char *code,
              const char *message)
{
    PyObject *error = make_field_error(state, field, code, message);
    PyObject *list = error ? PyTuple_Pack(1, error) : NULL;
    if (list)
        raise_errors(state, list);
    Py_XDECREF(list);
    Py_XDECREF(error);
    return NULL;
}

PyObject *
raise_field_errors(struct state *state, const struct whs_field_errors *errors)
{
    if (errors->no_memory)
        return PyErr_NoMemory();
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < errors->len; i++) {
        const struct whs_field_error *e = &errors->items[i];
        PyObject *item = make_field_error(state, e->field, e->code, e->message);
        if (!item || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    if (list)
        raise_errors(state, list);
    Py_XDECREF(list);
    return NULL;
}

PyObject *
raise_status(struct state *state, enum whs_status status, const char *field,
             const struct whs_error *err)
{
    const char *message = err && err->status == status && err->message[0]
                              ? err->message
                              : whs_status_message(status);
    PyObject *type = PyExc_RuntimeError;
    switch (status) {
    case WHS_NO_MEMORY:
        return PyErr_NoMemory();
    case WHS_INVALID:
        return raise_invalid(state, field ? field : "", "format", message);
    case WHS_UNKNOWN_RESOURCE:
        type = state->unknown_resource;
        break;
    case WHS_NOT_FOUND:
        type = state->not_found;
        break;
    case WHS_FULL:
        type = state->outbox_full;
        break;
    case WHS_CLOSED:
        type = state->closed;
        break;
    case WHS_TIMEOUT:
        type = PyExc_TimeoutError;
        break;
    case WHS_FORKED:
        type = state->forked;
        break;
    case WHS_UNVERIFIED:
        type = state->verification_error;
        break;
    case WHS_CONFIGURATION:
        type = state->configuration_error;
        break;
    case WHS_SYSTEM:
        type = PyExc_OSError;
        break;
    case WHS_OK:
        break;
    }
    PyErr_SetString(type, message);
    return NULL;
}
