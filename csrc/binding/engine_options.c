/* SPDX-License-Identifier: MIT */
#include "engine_options.h"

#include <stdio.h>
#include <string.h>

#include "convert.h"
#include "delivery_options.h"
#include "errors.h"

/* Everything wrong, in one text. */
struct reading {
    struct state *state;
    struct engine_options *out;
    struct whs_buf wrong;
};

static void
refuse(struct reading *r, const char *name, const char *why)
{
    if (r->wrong.len > 0)
        whs_buf_append(&r->wrong, "; ", 2);
    whs_buf_append_slice(&r->wrong, whs_slice_of(name));
    whs_buf_append_char(&r->wrong, ' ');
    whs_buf_append_slice(&r->wrong, whs_slice_of(why));
}

/* --- Numbers. --- */

struct number {
    const char *name;
    size_t offset;
    enum { IN_ENGINE, IN_CURL, IN_HOST } part;
    enum { INT64, UNSIGNED, INT } type;
    long long least;
};

#define ENGINE(name, type, least)                                                      \
    {                                                                                  \
#name, offsetof(struct whs_engine_config, limits.name), IN_ENGINE, type, least \
    }
#define RETRY(key, name, type, least)                                                  \
    {                                                                                  \
        key, offsetof(struct whs_engine_config, retry.name), IN_ENGINE, type, least    \
    }
#define CURL(name, type, least)                                                        \
    {                                                                                  \
#name, offsetof(struct whs_curl_config, name), IN_CURL, type, least            \
    }

static const struct number numbers[] = {
    ENGINE(queue_deliveries_max, INT64, 1),
    ENGINE(queue_bytes_max, INT64, 1),
    ENGINE(in_flight_max, INT64, 1),
    ENGINE(in_flight_per_origin, INT64, 1),
    ENGINE(in_flight_reserved_per_origin, INT64, 0),
    ENGINE(in_flight_per_subscription, INT64, 1),
    ENGINE(report_slots, INT64, 1),
    ENGINE(spill_after_ms, INT64, 0),
    ENGINE(breaker_failures, INT64, 1),
    ENGINE(breaker_open_ms, INT64, 1),
    RETRY("retry_max_retries", max_retries, INT, 0),
    RETRY("retry_after_max_ms", retry_after_max_ms, INT64, 0),
    RETRY("disable_after_ms", disable_after_ms, INT64, 0),
    RETRY("socket_absent_ms", absent_ms, INT64, 1),
    CURL(connect_timeout_ms, INT64, 1),
    CURL(total_timeout_ms, INT64, 1),
    CURL(body_timeout_ms, INT64, 1),
    CURL(connections_max, UNSIGNED, 1),
    CURL(connections_idle_max, UNSIGNED, 1),
    CURL(resolves_max, UNSIGNED, 1),
    {"socket_ack_ms", offsetof(struct whs_host_config, answer_timeout_ms), IN_HOST,
     INT64, 1},
};

/* A whole number from `least` to `most`. */
static bool
whole_number(PyObject *value, long long least, long long most, long long *out)
{
    if (!PyLong_Check(value) || PyBool_Check(value))
        return false;
    *out = PyLong_AsLongLong(value);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        return false;
    }
    return *out >= least && *out <= most;
}

static void
write_number(struct engine_options *out, const struct number *number, long long value)
{
    char *base = number->part == IN_ENGINE ? (char *)&out->engine
                 : number->part == IN_CURL ? (char *)&out->curl
                                           : (char *)&out->host;
    void *place = base + number->offset;
    if (number->type == INT64)
        *(int64_t *)place = value;
    else if (number->type == UNSIGNED)
        *(unsigned *)place = (unsigned)value;
    else
        *(int *)place = (int)value;
}

static bool
read_number(struct reading *r, const char *name, PyObject *value)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const struct number *number = &numbers[i];
        if (strcmp(number->name, name) != 0)
            continue;
        long long given, most = number->type == INT64 ? INT64_MAX / 4 : INT32_MAX;
        if (whole_number(value, number->least, most, &given))
            write_number(r->out, number, given);
        else
            refuse(r, name,
                   number->least ? "must be a whole number above 0"
                                 : "must be a whole number, not negative");
        return true;
    }
    return false;
}

/* --- What is no plain number. Each answers NULL, or what is wrong. --- */

static const char *
read_steps(struct reading *r, PyObject *value)
{
    struct whs_retry_policy *policy = &r->out->engine.retry;
    Py_ssize_t count = PySequence_Size(value);
    if (count < 1 || count > WHS_RETRY_STEPS_MAX) {
        PyErr_Clear();
        return "must be 1 to 32 delays";
    }
    policy->step_count = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        long long step = 0;
        PyObject *item = PySequence_GetItem(value, i);
        bool fine = item && whole_number(item, 0, INT64_MAX / 4, &step);
        Py_XDECREF(item);
        if (!fine) {
            PyErr_Clear();
            return "must be whole milliseconds, not negative";
        }
        policy->steps_ms[policy->step_count++] = step;
    }
    return NULL;
}

static const char *
read_jitter(struct reading *r, PyObject *value)
{
    double jitter = PyFloat_AsDouble(value);
    if (PyErr_Occurred() || !(jitter >= 0 && jitter < 1)) {
        PyErr_Clear();
        return "must be a number from 0 to below 1";
    }
    r->out->engine.retry.jitter = jitter;
    return NULL;
}

/* How many ranges were read into `out`; negative: one is none, or they are too many. */
static Py_ssize_t
read_ranges(struct reading *r, PyObject *value, struct whs_cidr *out, Py_ssize_t most,
            enum whs_status (*parse)(struct whs_slice, struct whs_cidr *,
                                     struct whs_error *))
{
    Py_ssize_t count = PyUnicode_Check(value) ? -1 : PySequence_Size(value);
    bool fine = count >= 0 && count <= most;
    for (Py_ssize_t i = 0; fine && i < count; i++) {
        struct whs_slice text;
        PyObject *item = PySequence_GetItem(value, i);
        fine = item && text_slice(r->state, item, "ranges", &text) &&
               parse(text, &out[i], NULL) == WHS_OK;
        Py_XDECREF(item);
    }
    PyErr_Clear();
    return fine ? count : -1;
}

static const char *
read_allow(struct reading *r, PyObject *value)
{
    struct whs_guard *guard = &r->out->curl.guard;
    Py_ssize_t count =
        read_ranges(r, value, guard->allow, WHS_GUARD_ALLOW_MAX, whs_cidr_parse);
    if (count < 0)
        return "must hold at most 64 CIDRs such as 10.1.2.0/24 or fd00::/8";
    guard->allow_count = (size_t)count;
    return NULL;
}

static const char *
read_deny(struct reading *r, PyObject *value)
{
    struct whs_guard *guard = &r->out->curl.guard;
    Py_ssize_t count =
        read_ranges(r, value, guard->deny, WHS_GUARD_DENY_MAX, whs_cidr_parse);
    if (count < 0)
        return "must hold at most 64 CIDRs such as 198.51.100.7/32";
    guard->deny_count = (size_t)count;
    return NULL;
}

static const char *
read_nat64(struct reading *r, PyObject *value)
{
    struct whs_guard *guard = &r->out->curl.guard;
    Py_ssize_t count =
        read_ranges(r, value, guard->nat64, WHS_GUARD_NAT64_MAX, whs_nat64_parse);
    if (count < 0)
        return "must hold at most 4 NAT64 prefixes such as 64:ff9b::/96";
    guard->nat64_count = (size_t)count;
    return NULL;
}

static const char *
read_header(struct reading *r, PyObject *value)
{
    struct whs_slice name;
    char *out = r->out->engine.integrity_header;
    size_t size = sizeof(r->out->engine.integrity_header);
    bool fine = text_slice(r->state, value, "integrity_header", &name) &&
                name.len < size &&
                (whs_slice_equal_nocase(name, WHS_SLICE("integrityHash")) ||
                 whs_header_name_is_free(name)) &&
                /* libcurl's own, which a subscription may set otherwise. */
                !whs_slice_equal_nocase(name, WHS_SLICE("Accept"));
    if (!fine) {
        PyErr_Clear();
        return "must be an HTTP field name that no other header has";
    }
    memcpy(out, name.ptr, name.len);
    out[name.len] = '\0';
    return NULL;
}

static const char *
read_origin(struct reading *r, PyObject *value)
{
    struct whs_slice text;
    char *out = r->out->engine.request_origin;
    if (!text_slice(r->state, value, "handshake_origin", &text) || text.len == 0 ||
        text.len >= sizeof(r->out->engine.request_origin) ||
        whs_slice_has_control(text)) {
        PyErr_Clear();
        return "must be a DNS name";
    }
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return NULL;
}

static const char *
read_encoding(struct reading *r, PyObject *value)
{
    struct whs_slice text;
    if (!text_slice(r->state, value, "integrity_encoding", &text)) {
        PyErr_Clear();
        text = (struct whs_slice){0};
    }
    if (whs_slice_equal(text, WHS_SLICE("hex")))
        r->out->engine.integrity_encoding = WHS_ENCODING_HEX;
    else if (whs_slice_equal(text, WHS_SLICE("base64")))
        r->out->engine.integrity_encoding = WHS_ENCODING_BASE64;
    else
        return "must be hex or base64";
    return NULL;
}

static const char *
read_flag(PyObject *value, bool *out)
{
    if (!PyBool_Check(value))
        return "must be true or false";
    *out = value == Py_True;
    return NULL;
}

static const char *
read_disable_on_gone(struct reading *r, PyObject *value)
{
    return read_flag(value, &r->out->engine.retry.disable_on_gone);
}

static const char *
read_spill(struct reading *r, PyObject *value)
{
    return read_flag(value, &r->out->engine.spill);
}

static const char *
read_sockets(struct reading *r, PyObject *value)
{
    return read_flag(value, &r->out->host.serves);
}

static const char *
read_traceparent(struct reading *r, PyObject *value)
{
    return read_flag(value, &r->out->engine.traceparent);
}

static const char *
read_dev(struct reading *r, PyObject *value)
{
    return read_flag(value, &r->out->curl.guard.dev);
}

/* Python's Config has read it; here it only has to fit. */
static const char *
read_proxy(struct reading *r, PyObject *value)
{
    struct whs_slice text;
    bool fine = text_slice(r->state, value, "proxy", &text) && text.len > 7 &&
                text.len < sizeof(r->out->curl.proxy) &&
                memcmp(text.ptr, "http://", 7) == 0 && !whs_slice_has_control(text);
    if (!fine) {
        PyErr_Clear();
        return "must be http://host:port";
    }
    memcpy(r->out->curl.proxy, text.ptr, text.len);
    r->out->curl.proxy[text.len] = '\0';
    return NULL;
}

static const char *
read_path(PyObject *value, PyObject **out)
{
    if (value != Py_None && !PyUnicode_FSConverter(value, out)) {
        PyErr_Clear();
        return "must be a path";
    }
    return NULL;
}

static const char *
read_ca_file(struct reading *r, PyObject *value)
{
    return read_path(value, &r->out->ca_file);
}

static const char *
read_ca_dir(struct reading *r, PyObject *value)
{
    return read_path(value, &r->out->ca_dir);
}

static const char *
read_ca_pem(struct reading *r, PyObject *value)
{
    if (!PyBytes_Check(value))
        return "must be bytes";
    r->out->ca_pem = Py_NewRef(value);
    return NULL;
}

static const struct {
    const char *name;
    const char *(*read)(struct reading *r, PyObject *value);
} others[] = {
    {"retry_steps_ms", read_steps},
    {"retry_jitter", read_jitter},
    {"disable_on_gone", read_disable_on_gone},
    {"integrity_header", read_header},
    {"integrity_encoding", read_encoding},
    {"handshake_origin", read_origin},
    {"traceparent", read_traceparent},
    {"allow", read_allow},
    {"deny", read_deny},
    {"nat64", read_nat64},
    {"dev", read_dev},
    {"proxy", read_proxy},
    {"spill", read_spill},
    {"sockets", read_sockets},
    {"ca_file", read_ca_file},
    {"ca_dir", read_ca_dir},
    {"ca_pem", read_ca_pem},
};

static void
read_option(struct reading *r, const char *name, PyObject *value)
{
    if (read_number(r, name, value))
        return;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (strcmp(others[i].name, name) != 0)
            continue;
        const char *wrong = others[i].read(r, value);
        if (wrong)
            refuse(r, name, wrong);
        return;
    }
    refuse(r, name, "is no setting of the engine");
}

static bool
read_options(struct reading *r, PyObject *options)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(options, &at, &key, &value)) {
        struct whs_slice name;
        if (!text_slice(r->state, key, "config", &name))
            return false;
        read_option(r, name.ptr, value);
    }
    return true;
}

bool
engine_options_read(struct state *state, PyObject *mapping, struct engine_options *out)
{
    struct reading r = {state, out, {0}};
    memset(out, 0, sizeof(*out));
    whs_engine_config_default(&out->engine);
    out->curl = whs_curl_config_default;
    out->host = whs_host_config_default;
    PyObject *options = PyDict_New();
    bool fine =
        options && PyDict_Update(options, mapping) == 0 && read_options(&r, options);
    Py_XDECREF(options);
    out->curl.retry_after_max_ms = out->engine.retry.retry_after_max_ms;
    if (fine && r.wrong.len > 0) {
        whs_buf_append_char(&r.wrong, '\0');
        PyErr_SetString(state->configuration_error,
                        r.wrong.failed ? "wrong configuration" : r.wrong.ptr);
        fine = false;
    }
    whs_buf_fini(&r.wrong);
    return fine;
}

void
engine_options_fini(struct engine_options *options)
{
    Py_CLEAR(options->ca_file);
    Py_CLEAR(options->ca_dir);
    Py_CLEAR(options->ca_pem);
}

struct whs_trust *
engine_options_trust(struct state *state, const struct engine_options *options)
{
    struct whs_trust *trust = NULL;
    struct whs_error err = {0};
    struct whs_slice pem = {0};
    const char *file = options->ca_file ? PyBytes_AsString(options->ca_file) : NULL;
    const char *dir = options->ca_dir ? PyBytes_AsString(options->ca_dir) : NULL;
    if (!optional_bytes_slice(options->ca_pem, "ca_pem", &pem))
        return NULL;
    enum whs_status status = whs_trust_create(file, dir, pem, &trust, &err);
    if (status != WHS_OK)
        raise_status(state, status, "ca", &err);
    return trust;
}
