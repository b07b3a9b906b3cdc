/* SPDX-License-Identifier: MIT
 *
 * A Subscription to and from the store's columns, which are also its pickle.
 */
#include "convert.h"
#include "crypto.h"
#include "errors.h"
#include "subscription_object.h"

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
    return subscription_wrap(state, made, catalog, WHS_KEY_ABSENT, &warnings);
}

PyObject *
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
    draft.integrity_key = subscription_write_key(key_bytes, key_text);
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

PyObject *
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

/* For the store's secret table, and nobody else. */
PyObject *
Subscription_key(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    struct whs_slice key = value_of(self)->key;
    if (!key.ptr)
        Py_RETURN_NONE;
    return secret_object(state_of(self), key.ptr, key.len);
}

PyObject *
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
