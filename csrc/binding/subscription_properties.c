/* SPDX-License-Identifier: MIT
 *
 * What can be read of a Subscription.
 */
#include "convert.h"
#include "errors.h"
#include "subscription_object.h"

static PyObject *
Subscription_delivery(PyObject *self, void *closure)
{
    (void)closure;
    struct whs_buf buf = {0};
    whs_subscription_append_delivery(&buf, value_of(self));
    PyObject *text = buf.failed ? PyErr_NoMemory() : text_object(whs_buf_slice(&buf));
    PyObject *made =
        text ? PyObject_CallFunctionObjArgs(state_of(self)->json_loads, text, NULL)
             : NULL;
    Py_XDECREF(text);
    whs_buf_fini(&buf);
    return made;
}

#define TEXT_PROPERTY(name, field)                                                     \
    static PyObject *Subscription_##name(PyObject *self, void *closure)                \
    {                                                                                  \
        (void)closure;                                                                 \
        return text_object(value_of(self)->field);                                     \
    }
TEXT_PROPERTY(resource, resource)
TEXT_PROPERTY(root, root)
TEXT_PROPERTY(notification_url, url)
TEXT_PROPERTY(notification_messages, socket_event)
TEXT_PROPERTY(origin, origin)
TEXT_PROPERTY(expires_text, expires_text)
TEXT_PROPERTY(brand_code, brand_code)

static PyObject *
Subscription_modification_type(PyObject *self, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(whs_action_name(value_of(self)->action));
}

static PyObject *
Subscription_connection_type(PyObject *self, void *closure)
{
    (void)closure;
    bool socket = value_of(self)->channel == WHS_CHANNEL_SOCKET;
    return PyUnicode_FromString(socket ? "SOCKET" : "HTTP");
}

static PyObject *
Subscription_expires(PyObject *self, void *closure)
{
    (void)closure;
    return moment_object(state_of(self), value_of(self)->expires_at_ms);
}

static PyObject *
Subscription_expires_at_ms(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromLongLong(value_of(self)->expires_at_ms);
}

static PyObject *
Subscription_max_retries(PyObject *self, void *closure)
{
    (void)closure;
    int most = value_of(self)->max_retries;
    if (most == WHS_MAX_RETRIES_DEFAULT)
        Py_RETURN_NONE;
    return PyLong_FromLong(most);
}

static PyObject *
Subscription_has_integrity_key(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(value_of(self)->key.ptr != NULL);
}

static PyObject *
Subscription_key_change(PyObject *self, void *closure)
{
    (void)closure;
    static const char *const words[] = {"absent", "cleared", "set"};
    return PyUnicode_FromString(words[object_of(self)->key_change]);
}

static PyObject *
Subscription_warnings(PyObject *self, void *closure)
{
    (void)closure;
    const struct whs_warnings *warnings = &object_of(self)->warnings;
    PyObject *tuple = PyTuple_New((Py_ssize_t)warnings->len);
    for (size_t i = 0; tuple && i < warnings->len; i++) {
        PyObject *text = PyUnicode_FromString(warnings->items[i]);
        if (!text || PyTuple_SetItem(tuple, (Py_ssize_t)i, text) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

#define PROPERTY(name)                                                                 \
    {                                                                                  \
#name, Subscription_##name, NULL, NULL, NULL                                   \
    }

PyGetSetDef subscription_properties[] = {
    PROPERTY(resource),
    PROPERTY(root),
    PROPERTY(modification_type),
    PROPERTY(connection_type),
    PROPERTY(notification_url),
    PROPERTY(notification_messages),
    PROPERTY(origin),
    PROPERTY(expires),
    PROPERTY(expires_text),
    PROPERTY(expires_at_ms),
    PROPERTY(brand_code),
    PROPERTY(max_retries),
    PROPERTY(delivery),
    PROPERTY(has_integrity_key),
    PROPERTY(key_change),
    PROPERTY(warnings),
    {0},
};
