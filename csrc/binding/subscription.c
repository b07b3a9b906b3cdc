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
#include "types.h"

/* "whsec_" and the base64 of the longest key, with its zero. */
#define KEY_TEXT_SIZE (6 + 4 * ((WHS_KEY_BYTES_MAX + 2) / 3) + 1)

static struct subscription_object *
object_of(PyObject *self)
{
    return (struct subscription_object *)self;
}

static const struct whs_subscription *
value_of(PyObject *self)
{
    return object_of(self)->subscription;
}

/* Takes the subscription's reference (NULL: an exception is set already), and one to
 * `catalog` of its own. */
static PyObject *
wrap(PyTypeObject *type, struct whs_subscription *subscription, PyObject *catalog,
     enum whs_key_change key_change, const struct whs_warnings *warnings)
{
    if (!subscription)
        return NULL;
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
                            NULL};
    PyObject **f = a->fields.given;
    return PyArg_ParseTupleAndKeywords(
        args, kwargs, "|$OOOOOOOOOOOOpOpO", names, &f[FIELD_RESOURCE],
        &f[FIELD_MODIFICATION_TYPE], &f[FIELD_EXPIRES], &f[FIELD_NOTIFICATION_URL],
        &f[FIELD_NOTIFICATION_MESSAGES], &f[FIELD_CONNECTION_TYPE],
        &f[FIELD_BRAND_CODE], &f[FIELD_INTEGRITY_KEY], &f[FIELD_MAX_RETRIES],
        &f[FIELD_DELIVERY], &a->catalog, &a->now, &a->dev, &a->ports, &a->sockets,
        &a->integrity_header);
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
    if (rules_read(state, &rules, catalog, a->now, a->dev, a->ports, a->sockets,
                   a->integrity_header) &&
        fields_read(state, &a->fields))
        self = wrap((PyTypeObject *)state->subscription_type,
                    fields_build(state, &a->fields, &rules, &warnings), rules.catalog,
                    key_change_of(a, otherwise), &warnings);
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

/* The draft's only way to take a key is as text. */
static struct whs_slice
write_key(struct whs_slice key, char text[KEY_TEXT_SIZE])
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
        .integrity_key = write_key(from->key, key),
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

/* --- From its JSON document. --- */

static bool
document_slice(struct state *state, PyObject *object, struct whs_slice *out)
{
    if (PyBytes_Check(object))
        return bytes_slice(object, "text", out);
    if (PyUnicode_Check(object))
        return text_slice(state, object, "", out);
    PyErr_SetString(PyExc_TypeError, "text must be a str or bytes");
    return false;
}

/* A server-made field of `current`, which need not have it; borrowed from `kept`, for
 * the mapping may have made it just now. NULL: it has none, or an exception is set. */
static PyObject *
current_field(PyObject *current, const char *name, PyObject *kept)
{
    PyObject *value = PyMapping_GetItemString(current, name);
    if (!value && PyErr_ExceptionMatches(PyExc_KeyError))
        PyErr_Clear();
    if (value && PyList_Append(kept, value) < 0)
        Py_CLEAR(value);
    Py_XDECREF(value);
    return value;
}

static bool
read_identity(struct state *state, PyObject *current, PyObject *kept,
              struct whs_subscription_identity *out)
{
    *out = (struct whs_subscription_identity){0};
    if (!current || current == Py_None)
        return true;
    const struct {
        const char *name;
        struct whs_slice *out;
    } texts[] = {{"id", &out->id},
                 {"owner", &out->owner},
                 {"status", &out->status},
                 {"createdAt", &out->created_at},
                 {"updatedAt", &out->updated_at}};
    out->known = true;
    PyObject *has_key = current_field(current, "hasIntegrityKey", kept);
    int has = has_key ? PyObject_IsTrue(has_key) : 0;
    out->has_integrity_key = has == 1;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (PyErr_Occurred())
            return false;
        PyObject *value = current_field(current, texts[i].name, kept);
        if (value && !optional_text_slice(state, value, texts[i].name, texts[i].out))
            return false;
    }
    return !PyErr_Occurred();
}

static PyObject *
parse(struct state *state, struct whs_slice text, const struct rules *rules,
      const struct whs_subscription_identity *identity)
{
    struct whs_subscription *made = NULL;
    struct whs_field_errors errors = {0};
    struct whs_warnings warnings = {0};
    enum whs_key_change key_change = WHS_KEY_ABSENT;
    enum whs_status status = whs_subscription_parse(text, &rules->core, identity, &made,
                                                    &key_change, &errors, &warnings);
    if (status == WHS_INVALID)
        raise_field_errors(state, &errors);
    else if (status != WHS_OK)
        raise_status(state, status, "", NULL);
    whs_field_errors_fini(&errors);
    return wrap((PyTypeObject *)state->subscription_type, made, rules->catalog,
                key_change, &warnings);
}

static PyObject *
Subscription_from_json(PyObject *class, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"text", "catalog", "now",     "current",
                            "dev",  "ports",   "sockets", "integrity_header",
                            NULL};
    struct state *state = state_of_type((PyTypeObject *)class);
    PyObject *object, *catalog = NULL, *now = NULL, *current = NULL, *ports = NULL;
    PyObject *header = NULL;
    PyObject *kept, *self = NULL;
    int dev = 0, sockets = 0;
    struct whs_slice text;
    struct rules rules;
    struct whs_subscription_identity identity;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OOOpOpO", names, &object,
                                     &catalog, &now, &current, &dev, &ports, &sockets,
                                     &header) ||
        !document_slice(state, object, &text) || !(kept = PyList_New(0)))
        return NULL;
    if (rules_read(state, &rules, catalog, now, dev, ports, sockets, header) &&
        read_identity(state, current, kept, &identity))
        self = parse(state, text, &rules, &identity);
    rules_fini(&rules);
    Py_DECREF(kept);
    return self;
}

/* --- From the store. --- */

/* One that was judged before: its date may have passed and its port be closed now. */
static const struct whs_subscription_rules stored_rules = {
    .url = {.dev = true},
    .now_ms = INT64_MIN,
    .sockets = true,
};

static PyObject *
build_restored(struct state *state, const struct whs_subscription_draft *draft,
               PyObject *catalog)
{
    struct whs_subscription_rules rules = stored_rules;
    struct whs_subscription *made = NULL;
    struct whs_field_errors errors = {0};
    struct whs_warnings warnings = {0};
    rules.catalog = ((struct catalog_object *)catalog)->catalog;
    enum whs_status status =
        whs_subscription_build(draft, &rules, &made, &errors, NULL);
    if (status == WHS_INVALID)
        raise_field_errors(state, &errors);
    else if (status != WHS_OK)
        raise_status(state, status, "", NULL);
    whs_field_errors_fini(&errors);
    return wrap((PyTypeObject *)state->subscription_type, made, catalog, WHS_KEY_ABSENT,
                &warnings);
}

static PyObject *
Subscription_restore(PyObject *class, PyObject *args)
{
    struct state *state = state_of_type((PyTypeObject *)class);
    PyObject *resource, *url, *event, *expires, *brand, *retries, *options, *key,
        *catalog, *self = NULL;
    int action, channel;
    struct whs_subscription_draft draft = {0};
    struct whs_slice key_bytes;
    char key_text[KEY_TEXT_SIZE];
    if (!PyArg_ParseTuple(args, "(OiiOOOOOOO)O:_restore", &resource, &action, &channel,
                          &url, &event, &expires, &brand, &retries, &options, &key,
                          &catalog) ||
        !check_type(catalog, state->catalog_type, "Catalog") ||
        !text_slice(state, resource, "resource", &draft.resource) ||
        !optional_text_slice(state, url, "notificationUrl", &draft.notification_url) ||
        !optional_text_slice(state, event, "notificationMessages",
                             &draft.notification_messages) ||
        !text_slice(state, expires, "expirationDateTime",
                    &draft.expiration_date_time) ||
        !optional_text_slice(state, brand, "brandCode", &draft.brand_code) ||
        !text_slice(state, options, "delivery", &draft.delivery) ||
        !optional_bytes_slice(key, "integrityKey", &key_bytes))
        return NULL;
    if (key_bytes.len > WHS_KEY_BYTES_MAX)
        return raise_invalid(state, "integrityKey", "size",
                             "must be at most 256 bytes");
    draft.modification_type = whs_slice_of(whs_action_name((enum whs_action)action));
    draft.connection_type =
        channel == WHS_CHANNEL_SOCKET ? WHS_SLICE("SOCKET") : WHS_SLICE("HTTP");
    draft.has_max_retries = retries != Py_None;
    draft.max_retries = draft.has_max_retries ? PyFloat_AsDouble(retries) : 0;
    draft.integrity_key = write_key(key_bytes, key_text);
    if (!PyErr_Occurred())
        self = build_restored(state, &draft, catalog);
    whs_wipe(key_text, sizeof(key_text));
    return self;
}

/* Its columns as _restore takes them, but for the key. */
static PyObject *
columns_object(PyObject *self)
{
    const struct whs_subscription *s = value_of(self);
    struct whs_buf options = {0};
    whs_subscription_append_delivery(&options, s);
    PyObject *columns = NULL;
    PyObject *retries = s->max_retries == WHS_MAX_RETRIES_DEFAULT
                            ? Py_NewRef(Py_None)
                            : PyLong_FromLong(s->max_retries);
    if (options.failed)
        PyErr_NoMemory();
    else
        columns = Py_BuildValue(
            "(NiiNNNNNNO)", text_object(s->resource), (int)s->action, (int)s->channel,
            text_object(s->url), text_object(s->socket_event),
            text_object(s->expires_text), text_object(s->brand_code), retries,
            text_object(whs_buf_slice(&options)), Py_None);
    whs_buf_fini(&options);
    return columns;
}

static PyObject *
Subscription_reduce(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    PyObject *restore = PyObject_GetAttrString((PyObject *)Py_TYPE(self), "_restore");
    PyObject *columns = restore ? columns_object(self) : NULL;
    if (!columns) {
        Py_XDECREF(restore);
        return NULL;
    }
    return Py_BuildValue("(N(NO))", restore, columns, object_of(self)->catalog);
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

/* For the store's secret table, and nobody else. */
static PyObject *
Subscription_key(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    struct whs_slice key = value_of(self)->key;
    if (!key.ptr)
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize(key.ptr, (Py_ssize_t)key.len);
}

static PyObject *
Subscription_with_key(PyObject *self, PyObject *key)
{
    struct state *state = state_of(self);
    PyObject *columns = columns_object(self);
    Py_INCREF(key);
    if (!columns || PyTuple_SetItem(columns, 9, key) < 0) {
        Py_XDECREF(columns);
        return NULL;
    }
    PyObject *made = PyObject_CallMethod(state->subscription_type, "_restore", "NO",
                                         columns, object_of(self)->catalog);
    return made;
}

#define KEYWORDS(function)                                                             \
    (PyCFunction)(void (*)(void)) function, METH_VARARGS | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"from_json", (PyCFunction)(void (*)(void))Subscription_from_json,
     METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     "from_json($type, /, text, *, catalog=None, now=None, current=None, dev=False, "
     "ports=(), sockets=False, integrity_header=None)\n--\n\n"
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
    {"__reduce__", Subscription_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nPickles without the key."},
    {"__copy__", Subscription_copy, METH_NOARGS, "__copy__($self, /)\n--\n\n"},
    {"__deepcopy__", Subscription_copy, METH_O, "__deepcopy__($self, memo, /)\n--\n\n"},
    {0},
};

#define PROPERTY(name)                                                                 \
    {                                                                                  \
#name, Subscription_##name, NULL, NULL, NULL                                   \
    }

static PyGetSetDef properties[] = {
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

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Subscription(*, resource, modification_type, expires, notification_url=None, "
     "notification_messages=None, connection_type=None, brand_code=None, "
     "integrity_key=None, max_retries=None, delivery=None, catalog=None, now=None, "
     "dev=False, ports=(), sockets=False, integrity_header=None)\n--\n\n"
     "What a customer asks for: immutable, checked, without identity.\n\n"
     "Raises ValidationError with every mistake at once. Never shows its key."},
    {Py_tp_new, Subscription_new},
    {Py_tp_dealloc, Subscription_dealloc},
    {Py_tp_repr, Subscription_repr},
    {Py_tp_hash, Subscription_hash},
    {Py_tp_richcompare, Subscription_richcompare},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
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
