/* SPDX-License-Identifier: MIT
 *
 * Subscription.from_json: the document, and the fields that the service makes.
 */
#include "convert.h"
#include "errors.h"
#include "subscription_fields.h"
#include "subscription_object.h"

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
                 {"statusReason", &out->status_reason},
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
    return subscription_wrap(state, made, rules->catalog, key_change, &warnings);
}

PyObject *
Subscription_from_json(PyObject *class, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"text",
                            "catalog",
                            "now",
                            "current",
                            "dev",
                            "ports",
                            "sockets",
                            "integrity_header",
                            "max_lifetime_ms",
                            NULL};
    struct state *state = state_of_type((PyTypeObject *)class);
    PyObject *object, *catalog = NULL, *now = NULL, *current = NULL, *ports = NULL;
    PyObject *header = NULL;
    PyObject *kept, *self = NULL;
    int dev = 0, sockets = 0;
    long long lifetime = 0;
    struct whs_slice text;
    struct rules rules;
    struct whs_subscription_identity identity;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OOOpOpOL", names, &object,
                                     &catalog, &now, &current, &dev, &ports, &sockets,
                                     &header, &lifetime) ||
        !document_slice(state, object, &text) || !(kept = PyList_New(0)))
        return NULL;
    bool read = rules_read(state, &rules, catalog, now, dev, ports, sockets, header);
    rules.core.max_lifetime_ms = lifetime;
    if (read && read_identity(state, current, kept, &identity))
        self = parse(state, text, &rules, &identity);
    rules_fini(&rules);
    Py_DECREF(kept);
    return self;
}
