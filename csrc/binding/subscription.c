/* SPDX-License-Identifier: MIT
 *
 * Subscription: the checked value that a customer wrote. Immutable; its key can be
 * given and compared, never seen.
 */
#include "subscription.h"

#include <string.h>

#include "convert.h"
#include "crypto.h"
#include "errors.h"
#include "subscription_fields.h"
#include "subscription_object.h"

PyObject *
subscription_wrap(struct state *state, struct whs_subscription *subscription,
                  PyObject *catalog, enum whs_key_change key_change,
                  const struct whs_warnings *warnings)
{
    if (!subscription)
        return NULL;
    PyTypeObject *type = (PyTypeObject *)state->subscription_type;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = allocate(type, 0);
    if (!self) {
        whs_subscription_unref(subscription);
        return NULL;
    }
    struct subscription_object *made = object_of(self);
    made->subscription = subscription;
    Py_INCREF(catalog);
    made->catalog = catalog;
    made->key_change = key_change;
    made->warnings = *warnings;
    return self;
}

static void
Subscription_dealloc(PyObject *self)
{
    whs_subscription_unref(object_of(self)->subscription);
    Py_XDECREF(object_of(self)->catalog);
    free_object(self);
}

/* --- From its fields. --- */

struct arguments {
    struct fields fields;
    PyObject *catalog, *now, *ports, *integrity_header;
    int dev, sockets;
    long long max_lifetime_ms;
};

static bool
parse_arguments(PyObject *args, PyObject *kwargs, struct arguments *a)
{
    static char *names[] = {"resource",
                            "modification_type",
                            "expires",
                            "notification_url",
                            "notification_messages",
                            "connection_type",
                            "brand_code",
                            "integrity_key",
                            "max_retries",
                            "delivery",
                            "catalog",
                            "now",
                            "dev",
                            "ports",
                            "sockets",
                            "integrity_header",
                            "max_lifetime_ms",
                            NULL};
    PyObject **f = a->fields.given;
    return PyArg_ParseTupleAndKeywords(
        args, kwargs, "|$OOOOOOOOOOOOpOpOL", names, &f[FIELD_RESOURCE],
        &f[FIELD_MODIFICATION_TYPE], &f[FIELD_EXPIRES], &f[FIELD_NOTIFICATION_URL],
        &f[FIELD_NOTIFICATION_MESSAGES], &f[FIELD_CONNECTION_TYPE],
        &f[FIELD_BRAND_CODE], &f[FIELD_INTEGRITY_KEY], &f[FIELD_MAX_RETRIES],
        &f[FIELD_DELIVERY], &a->catalog, &a->now, &a->dev, &a->ports, &a->sockets,
        &a->integrity_header, &a->max_lifetime_ms);
}

static enum whs_key_change
key_change_of(const struct arguments *a, enum whs_key_change otherwise)
{
    if (!a->fields.given[FIELD_INTEGRITY_KEY])
        return otherwise;
    return a->fields.draft.integrity_key.len > 0 ? WHS_KEY_SET : WHS_KEY_CLEARED;
}

static PyObject *
build(struct state *state, struct arguments *a, PyObject *catalog,
      enum whs_key_change otherwise)
{
    struct rules rules;
    struct whs_warnings warnings = {0};
    PyObject *self = NULL;
    bool read = rules_read(state, &rules, catalog, a->now, a->dev, a->ports, a->sockets,
                           a->integrity_header);
    rules.core.max_lifetime_ms = a->max_lifetime_ms;
    if (read && fields_read(state, &a->fields))
        self =
            subscription_wrap(state, fields_build(state, &a->fields, &rules, &warnings),
                              rules.catalog, key_change_of(a, otherwise), &warnings);
    rules_fini(&rules);
    fields_fini(&a->fields);
    return self;
}

static PyObject *
Subscription_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    struct arguments a = {0};
    if (!parse_arguments(args, kwargs, &a))
        return NULL;
    return build(state_of_type(type), &a, a.catalog, WHS_KEY_ABSENT);
}

struct whs_slice
subscription_write_key(struct whs_slice key, char text[KEY_TEXT_SIZE])
{
    if (!key.ptr)
        return (struct whs_slice){0};
    memcpy(text, "whsec_", 6);
    whs_base64_encode((const uint8_t *)key.ptr, key.len, text + 6);
    return whs_slice_of(text);
}

/* A draft that says again what `from` says; `delivery` and `key` are its memory. */
static void
draft_again(const struct whs_subscription *from, struct whs_buf *delivery,
            char key[KEY_TEXT_SIZE], struct whs_subscription_draft *out)
{
    whs_subscription_append_delivery(delivery, from);
    *out = (struct whs_subscription_draft){
        .modification_type = whs_slice_of(whs_action_name(from->action)),
        .connection_type = from->channel == WHS_CHANNEL_SOCKET ? WHS_SLICE("SOCKET")
                                                               : WHS_SLICE("HTTP"),
        .notification_url = from->url,
        .notification_messages = from->socket_event,
        .resource = from->resource,
        .expiration_date_time = from->expires_text,
        .brand_code = from->brand_code,
        .integrity_key = subscription_write_key(from->key, key),
        .has_max_retries = from->max_retries != WHS_MAX_RETRIES_DEFAULT,
        .max_retries = from->max_retries,
        .delivery = whs_buf_slice(delivery),
    };
}

static PyObject *
Subscription_replace(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct arguments a = {0};
    struct whs_buf delivery = {0};
    char key[KEY_TEXT_SIZE];
    if (!parse_arguments(args, kwargs, &a))
        return NULL;
    draft_again(value_of(self), &delivery, key, &a.fields.draft);
    PyObject *made = delivery.failed
                         ? PyErr_NoMemory()
                         : build(state_of(self), &a,
                                 a.catalog ? a.catalog : object_of(self)->catalog,
                                 object_of(self)->key_change);
    whs_wipe(key, sizeof(key));
    whs_buf_fini(&delivery);
    return made;
}

/* Nobody can change it, so a copy is itself: made by __reduce__ it would lack the key.
 */
static PyObject *
Subscription_copy(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return Py_NewRef(self);
}

/* --- To Python. --- */

static PyObject *
Subscription_to_json(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    struct whs_buf buf = {0};
    whs_subscription_append_json(&buf, value_of(self));
    PyObject *text = buf.failed ? PyErr_NoMemory() : text_object(whs_buf_slice(&buf));
    whs_buf_fini(&buf);
    return text;
}

/* A query often holds a token: it is not shown. Before 3.12 a format knows no "%.*s".
 */
static PyObject *
shown_url(struct whs_slice url)
{
    const char *query = url.ptr ? memchr(url.ptr, '?', url.len) : NULL;
    if (!query)
        return text_object(url);
    PyObject *start =
        text_object((struct whs_slice){url.ptr, (size_t)(query - url.ptr)});
    PyObject *shown = start ? PyUnicode_FromFormat("%U?%s", start, "…") : NULL;
    Py_XDECREF(start);
    return shown;
}

static PyObject *
Subscription_repr(PyObject *self)
{
    const struct whs_subscription *s = value_of(self);
    PyObject *resource = text_object(s->resource), *url = shown_url(s->url);
    PyObject *event = text_object(s->socket_event),
             *expires = text_object(s->expires_text);
    PyObject *repr = NULL;
    if (resource && url && event && expires)
        repr = PyUnicode_FromFormat(
            "Subscription(resource=%R, modification_type='%s', %s=%R, expires=%R%s)",
            resource, whs_action_name(s->action),
            s->channel == WHS_CHANNEL_SOCKET ? "notification_messages"
                                             : "notification_url",
            s->channel == WHS_CHANNEL_SOCKET ? event : url, expires,
            s->key.ptr ? ", integrity_key='***'" : "");
    Py_XDECREF(resource);
    Py_XDECREF(url);
    Py_XDECREF(event);
    Py_XDECREF(expires);
    return repr;
}

static PyObject *
Subscription_richcompare(PyObject *self, PyObject *other, int op)
{
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(self) != Py_TYPE(other))
        Py_RETURN_NOTIMPLEMENTED;
    bool equal = whs_subscription_equal(value_of(self), value_of(other));
    return PyBool_FromLong(equal == (op == Py_EQ));
}

/* Not of the key: a hash is printed more easily than it is compared. */
static Py_hash_t
Subscription_hash(PyObject *self)
{
    PyObject *text = Subscription_to_json(self, NULL);
    Py_hash_t hash = text ? PyObject_Hash(text) : -1;
    Py_XDECREF(text);
    return hash;
}

#define KEYWORDS(function)                                                             \
    (PyCFunction)(void (*)(void)) function, METH_VARARGS | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"from_json", (PyCFunction)(void (*)(void))Subscription_from_json,
     METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     "from_json($type, /, text, *, catalog=None, now=None, current=None, dev=False, "
     "ports=(), sockets=False, integrity_header=None, max_lifetime_ms=0)\n--\n\n"
     "From its JSON document; `current` are the server-made fields of the subscription "
     "that it replaces. Raises ValidationError with every mistake."},
    {"_restore", Subscription_restore, METH_VARARGS | METH_CLASS,
     "_restore($type, fields, catalog, /)\n--\n\nFrom the store's columns."},
    {"to_json", Subscription_to_json, METH_NOARGS,
     "to_json($self, /)\n--\n\nThe document without the key."},
    {"replace", KEYWORDS(Subscription_replace),
     "replace($self, /, **changes)\n--\n\n"
     "Another value with some fields changed, by the constructor's names; checked "
     "anew."},
    {"_key", Subscription_key, METH_NOARGS, "_key($self, /)\n--\n\n"},
    {"_with_key", Subscription_with_key, METH_O, "_with_key($self, key, /)\n--\n\n"},
    {"_repr_html_", object_html, METH_NOARGS,
     "_repr_html_($self, /)\n--\n\nHow a notebook shows it."},
    {"__reduce__", Subscription_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nPickles without the key."},
    {"__copy__", Subscription_copy, METH_NOARGS, "__copy__($self, /)\n--\n\n"},
    {"__deepcopy__", Subscription_copy, METH_O, "__deepcopy__($self, memo, /)\n--\n\n"},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Subscription(*, resource, modification_type, expires, notification_url=None, "
     "notification_messages=None, connection_type=None, brand_code=None, "
     "integrity_key=None, max_retries=None, delivery=None, catalog=None, now=None, "
     "dev=False, ports=(), sockets=False, integrity_header=None, "
     "max_lifetime_ms=0)\n--\n\n"
     "What a customer asks for: immutable, checked, without identity.\n\n"
     "Raises ValidationError with every mistake at once. Never shows its key."},
    {Py_tp_new, Subscription_new},
    {Py_tp_dealloc, Subscription_dealloc},
    {Py_tp_repr, Subscription_repr},
    {Py_tp_hash, Subscription_hash},
    {Py_tp_richcompare, Subscription_richcompare},
    {Py_tp_methods, methods},
    {Py_tp_getset, subscription_properties},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "webhooksub._core.Subscription",
    .basicsize = sizeof(struct subscription_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

bool
subscription_setup(PyObject *module)
{
    return add_type(module, &spec, &state_of_module(module)->subscription_type);
}
