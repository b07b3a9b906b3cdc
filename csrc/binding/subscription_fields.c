/* SPDX-License-Identifier: MIT */
#include "subscription_fields.h"

#include <string.h>

#include "convert.h"
#include "errors.h"

/* --- Rules. --- */

static bool
read_ports(struct rules *rules, PyObject *ports)
{
    Py_ssize_t count = ports ? PySequence_Size(ports) : 0;
    if (count < 0)
        return false;
    if (count > PORTS_MAX) {
        PyErr_Format(PyExc_ValueError, "at most %d ports", PORTS_MAX);
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = PySequence_GetItem(ports, i);
        long port = item ? PyLong_AsLong(item) : -1;
        Py_XDECREF(item);
        if (!PyErr_Occurred() && (port < 1 || port > UINT16_MAX))
            PyErr_SetString(PyExc_ValueError, "a port is 1 to 65535");
        if (PyErr_Occurred())
            return false;
        rules->ports[i] = (uint16_t)port;
    }
    rules->core.url.ports = rules->ports;
    rules->core.url.port_count = (size_t)count;
    return true;
}

bool
rules_read(struct state *state, struct rules *out, PyObject *catalog, PyObject *now,
           int dev, PyObject *ports, int sockets, PyObject *integrity_header)
{
    memset(out, 0, sizeof(*out));
    out->core.url.dev = dev != 0;
    out->core.sockets = sockets != 0;
    if (!now || now == Py_None)
        out->core.now_ms = whs_clock_system.wall_ms(whs_clock_system.ctx);
    else if (!moment_from(state, now, &out->core.now_ms))
        return false;
    if (!read_ports(out, ports))
        return false;
    if (integrity_header &&
        !optional_text_slice(state, integrity_header, "integrity_header",
                             &out->core.integrity_header))
        return false;
    out->catalog = catalog_or_default(state, catalog);
    if (!out->catalog)
        return false;
    out->core.catalog = ((struct catalog_object *)out->catalog)->catalog;
    return true;
}

void
rules_fini(struct rules *rules)
{
    Py_CLEAR(rules->catalog);
}

/* --- Fields. --- */

static void
add_mistake(struct fields *fields, const char *name, const char *code,
            const char *message)
{
    whs_field_errors_add(&fields->errors, whs_slice_of(name), code, "%s", message);
}

/* Takes a text into the draft. A text that is no Unicode is a mistake of its field. */
static void
take_text(struct fields *fields, PyObject *object, const char *name,
          struct whs_slice *out)
{
    *out = (struct whs_slice){0};
    if (object == Py_None)
        return;
    if (!PyUnicode_Check(object)) {
        add_mistake(fields, name, "type", "must be a string");
        return;
    }
    Py_ssize_t len;
    const char *ptr = PyUnicode_AsUTF8AndSize(object, &len);
    if (ptr) {
        *out = (struct whs_slice){ptr, (size_t)len};
    } else {
        PyErr_Clear();
        add_mistake(fields, name, "encoding", "must be valid Unicode");
    }
}

/* A datetime is written as RFC 3339 would; without a zone it will not be one. */
static bool
take_expires(struct fields *fields, PyObject *object)
{
    PyObject *write = PyObject_GetAttrString(object, "isoformat");
    if (write) {
        object = fields->kept[0] = PyObject_CallObject(write, NULL);
        Py_DECREF(write);
        if (!object)
            return false;
    } else if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
    } else {
        return false;
    }
    take_text(fields, object, "expirationDateTime",
              &fields->draft.expiration_date_time);
    return true;
}

static void
take_max_retries(struct fields *fields, PyObject *object)
{
    fields->draft.has_max_retries = false;
    if (object == Py_None)
        return;
    if (PyBool_Check(object) || !(PyLong_Check(object) || PyFloat_Check(object))) {
        add_mistake(fields, "maxRetries", "type", "must be a number");
        return;
    }
    fields->draft.max_retries = PyFloat_AsDouble(object);
    fields->draft.has_max_retries = true;
    if (PyErr_Occurred()) {
        PyErr_Clear(); /* an int beyond every double: out of range it is */
        fields->draft.max_retries = -1;
    }
}

/* A dict of a mapping, whose own exceptions stay what they are. NULL without one: it is
 * no mapping. */
static PyObject *
plain_dict(PyObject *object)
{
    PyObject *keys = PyObject_GetAttrString(object, "keys");
    if (!keys) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError))
            PyErr_Clear();
        return NULL;
    }
    Py_DECREF(keys);
    PyObject *plain = PyDict_New();
    if (plain && PyDict_Update(plain, object) < 0)
        Py_CLEAR(plain);
    return plain;
}

/* A mapping as JSON. What json.dumps refuses is a mistake of the field. */
static bool
take_delivery(struct state *state, struct fields *fields, PyObject *object)
{
    fields->draft.delivery = (struct whs_slice){0};
    if (object == Py_None)
        return true;
    PyObject *plain = plain_dict(object);
    if (!plain && PyErr_Occurred())
        return false;
    if (plain)
        fields->kept[1] = PyObject_CallFunctionObjArgs(state->json_dumps, plain, NULL);
    Py_XDECREF(plain);
    if (fields->kept[1]) {
        take_text(fields, fields->kept[1], "delivery", &fields->draft.delivery);
        return true;
    }
    /* How deep json.dumps goes differs with the Python; past it the mistake is the one
     * that the core finds in what does get written. */
    bool deep = plain && PyErr_ExceptionMatches(PyExc_RecursionError);
    if (plain && !deep && !PyErr_ExceptionMatches(PyExc_TypeError) &&
        !PyErr_ExceptionMatches(PyExc_ValueError))
        return false;
    PyErr_Clear();
    add_mistake(fields, "delivery", deep ? "json" : "type",
                deep ? "nested too deep" : "must be a mapping that JSON can hold");
    return true;
}

bool
fields_read(struct state *state, struct fields *fields)
{
    struct whs_subscription_draft *draft = &fields->draft;
    const struct {
        enum field field;
        const char *name;
        struct whs_slice *out;
    } texts[] = {
        {FIELD_RESOURCE, "resource", &draft->resource},
        {FIELD_MODIFICATION_TYPE, "modificationType", &draft->modification_type},
        {FIELD_NOTIFICATION_URL, "notificationUrl", &draft->notification_url},
        {FIELD_NOTIFICATION_MESSAGES, "notificationMessages",
         &draft->notification_messages},
        {FIELD_CONNECTION_TYPE, "connectionType", &draft->connection_type},
        {FIELD_BRAND_CODE, "brandCode", &draft->brand_code},
        {FIELD_INTEGRITY_KEY, "integrityKey", &draft->integrity_key},
    };
    PyObject *const *given = fields->given;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (given[texts[i].field])
            take_text(fields, given[texts[i].field], texts[i].name, texts[i].out);
    if (given[FIELD_EXPIRES] && !take_expires(fields, given[FIELD_EXPIRES]))
        return false;
    if (given[FIELD_MAX_RETRIES])
        take_max_retries(fields, given[FIELD_MAX_RETRIES]);
    return !given[FIELD_DELIVERY] ||
           take_delivery(state, fields, given[FIELD_DELIVERY]);
}

struct whs_subscription *
fields_build(struct state *state, struct fields *fields, const struct rules *rules,
             struct whs_warnings *warnings)
{
    struct whs_subscription *made = NULL;
    size_t told = fields->errors.len;
    enum whs_status status = whs_subscription_build(&fields->draft, &rules->core, &made,
                                                    &fields->errors, warnings);
    if (told > 0)
        whs_field_errors_drop_required(&fields->errors, told);
    if (status == WHS_INVALID)
        raise_field_errors(state, &fields->errors);
    else if (status != WHS_OK)
        raise_status(state, status, "", NULL);
    return made;
}

void
fields_fini(struct fields *fields)
{
    whs_field_errors_fini(&fields->errors);
    Py_CLEAR(fields->kept[0]);
    Py_CLEAR(fields->kept[1]);
}
