/* SPDX-License-Identifier: MIT */
#include "convert.h"

#include <string.h>

#include "errors.h"

bool
text_slice(struct state *state, PyObject *object, const char *field,
           struct whs_slice *out)
{
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be a str", field);
        return false;
    }
    Py_ssize_t len;
    out->ptr = PyUnicode_AsUTF8AndSize(object, &len);
    if (!out->ptr) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear();
            raise_invalid(state, field, "encoding", "must be valid Unicode");
        }
        return false;
    }
    out->len = (size_t)len;
    return true;
}

bool
optional_text_slice(struct state *state, PyObject *object, const char *field,
                    struct whs_slice *out)
{
    *out = (struct whs_slice){0};
    return object == NULL || object == Py_None || text_slice(state, object, field, out);
}

bool
bytes_slice(PyObject *object, const char *field, struct whs_slice *out)
{
    char *ptr;
    Py_ssize_t len;
    if (!PyBytes_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be bytes", field);
        return false;
    }
    if (PyBytes_AsStringAndSize(object, &ptr, &len) < 0)
        return false;
    *out = (struct whs_slice){ptr, (size_t)len};
    return true;
}

bool
optional_bytes_slice(PyObject *object, const char *field, struct whs_slice *out)
{
    *out = (struct whs_slice){0};
    return object == NULL || object == Py_None || bytes_slice(object, field, out);
}

bool
uuid_from(PyObject *object, const char *field, uint8_t out[WHS_UUID_BYTES])
{
    struct whs_slice bytes;
    if (!bytes_slice(object, field, &bytes))
        return false;
    if (bytes.len != WHS_UUID_BYTES) {
        PyErr_Format(PyExc_ValueError, "%s must be %d bytes", field, WHS_UUID_BYTES);
        return false;
    }
    memcpy(out, bytes.ptr, WHS_UUID_BYTES);
    return true;
}

bool
action_from(struct state *state, PyObject *object, bool any, enum whs_action *out)
{
    struct whs_slice text;
    if (!text_slice(state, object, "action", &text))
        return false;
    *out = whs_action_parse(text);
    if (*out && (any || *out != WHS_ACTION_ANY))
        return true;
    raise_invalid(state, "action", "enum",
                  any ? "must be create, update, delete or any"
                      : "must be create, update or delete");
    return false;
}

bool
keys_from(PyObject *object, struct whs_keys *out)
{
    out->len = 0;
    /* Another sequence could make its items anew, and the slices borrow them. */
    if (!PyList_CheckExact(object) && !PyTuple_CheckExact(object)) {
        PyErr_SetString(PyExc_TypeError, "keys must be a list or a tuple of bytes");
        return false;
    }
    Py_ssize_t count = PySequence_Size(object);
    if (count > WHS_KEYS_MAX) {
        PyErr_Format(PyExc_ValueError, "at most %d keys", WHS_KEYS_MAX);
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *key = PySequence_GetItem(object, i);
        bool fine = key && bytes_slice(key, "a key", &out->items[i]);
        /* The sequence still holds it. */
        Py_XDECREF(key);
        if (!fine)
            return false;
        out->len++;
    }
    return true;
}

bool
texts_from(struct state *state, PyObject *object, const char *field, struct texts *out)
{
    out->len = 0;
    if (PyUnicode_Check(object) || PyBytes_Check(object)) {
        out->owner = NULL;
        PyErr_Format(PyExc_TypeError, "%s must be a sequence of str", field);
        return false;
    }
    out->owner = PySequence_Tuple(object);
    if (!out->owner)
        return false;
    Py_ssize_t count = PyTuple_Size(out->owner);
    if (count < 1 || count > WHS_EVENT_PATHS_MAX) {
        raise_invalid(state, field, "range", "must be 1 to 16 paths");
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        if (!text_slice(state, PyTuple_GetItem(out->owner, i), field,
                        &out->items[out->len++]))
            return false;
    return true;
}

bool
moment_from(struct state *state, PyObject *object, int64_t *out_ms)
{
    PyObject *since = PyNumber_Subtract(object, state->epoch);
    PyObject *count = since ? PyNumber_FloorDivide(since, state->millisecond) : NULL;
    *out_ms = count ? PyLong_AsLongLong(count) : 0;
    Py_XDECREF(count);
    Py_XDECREF(since);
    return !PyErr_Occurred();
}

PyObject *
moment_object(struct state *state, int64_t ms)
{
    PyObject *count = PyLong_FromLongLong(ms);
    PyObject *since = count ? PyNumber_Multiply(count, state->millisecond) : NULL;
    PyObject *moment = since ? PyNumber_Add(state->epoch, since) : NULL;
    Py_XDECREF(since);
    Py_XDECREF(count);
    return moment;
}

PyObject *
text_object(struct whs_slice text)
{
    if (!text.ptr)
        Py_RETURN_NONE;
    return PyUnicode_FromStringAndSize(text.ptr, (Py_ssize_t)text.len);
}

PyObject *
text_or_none(const char *text)
{
    if (!text[0])
        Py_RETURN_NONE;
    return PyUnicode_FromString(text);
}

PyObject *
secret_object(struct state *state, const void *bytes, size_t len)
{
    return PyObject_CallFunction(state->secret_bytes, "y#", (const char *)bytes,
                                 (Py_ssize_t)len);
}

PyObject *
filled_tuple(PyObject *tuple, PyObject **fields, Py_ssize_t count)
{
    bool fine = tuple != NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        fine = fine && fields[i];
        /* Steals the field, also when it fails. */
        if (fine)
            fine = PyTuple_SetItem(tuple, i, fields[i]) == 0;
        else
            Py_XDECREF(fields[i]);
    }
    if (!fine)
        Py_CLEAR(tuple);
    return tuple;
}

bool
append_item(PyObject *list, PyObject *item)
{
    bool fine = item && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return fine;
}
