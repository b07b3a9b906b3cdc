/* SPDX-License-Identifier: MIT */
#include "delivery_options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "rate.h"

/* Of the name of a field that nobody knows. */
#define UNKNOWN_BYTES_MAX 100
#define FIELD_SIZE (sizeof("delivery.headers.") + WHS_HEADER_NAME_BYTES_MAX)

static void
add(struct whs_field_errors *errors, const char *field, const char *code,
    const char *message)
{
    whs_field_errors_add(errors, whs_slice_of(field), code, "%s", message);
}

static void
add_unknown(struct whs_field_errors *errors, const char *prefix, struct whs_slice name)
{
    char field[FIELD_SIZE];
    snprintf(field, sizeof(field), "%s%.*s", prefix,
             (int)whs_slice_shorten(name, UNKNOWN_BYTES_MAX).len, name.ptr);
    add(errors, field, "unknown", "is no field of this object");
}

/* --- batch --------------------------------------------------------------------------
 */

struct limit {
    const char *name;
    const char *field;
    double least, most;
    size_t offset;
};

static const struct limit batch_limits[] = {
    {"maxNotifications", "delivery.batch.maxNotifications", 1,
     WHS_BATCH_NOTIFICATIONS_MAX, offsetof(struct whs_batching, max_notifications)},
    {"maxBytes", "delivery.batch.maxBytes", 1024, WHS_BATCH_BYTES_MAX,
     offsetof(struct whs_batching, max_bytes)},
    {"lingerMs", "delivery.batch.lingerMs", 0, WHS_BATCH_LINGER_MS_MAX,
     offsetof(struct whs_batching, linger_ms)},
};

static void
read_limit(const struct limit *limit, const struct whs_json *node,
           struct whs_batching *batching, struct whs_field_errors *errors)
{
    if (whs_json_type(node) != WHS_JSON_NUMBER) {
        add(errors, limit->field, "type", "must be a number");
        return;
    }
    double value = whs_json_number(node);
    /* "-0" lies outside too, though it is no less than 0. */
    if (value != floor(value) || signbit(value) || value < limit->least ||
        value > limit->most) {
        whs_field_errors_add(errors, whs_slice_of(limit->field), "range",
                             "must be a whole number from %.0f to %.0f", limit->least,
                             limit->most);
        return;
    }
    uint32_t number = (uint32_t)value;
    memcpy((char *)batching + limit->offset, &number, sizeof(number));
}

static const struct limit *
find_limit(struct whs_slice name)
{
    for (size_t i = 0; i < sizeof(batch_limits) / sizeof(batch_limits[0]); i++)
        if (whs_slice_equal(name, whs_slice_of(batch_limits[i].name)))
            return &batch_limits[i];
    return NULL;
}

static void
read_batch(const struct whs_json *node, struct whs_batching *out,
           struct whs_field_errors *errors)
{
    if (whs_json_type(node) != WHS_JSON_OBJECT) {
        add(errors, "delivery.batch", "type", "must be an object");
        return;
    }
    out->max_bytes = WHS_BATCH_BYTES_DEFAULT;
    out->linger_ms = WHS_BATCH_LINGER_MS_DEFAULT;
    bool counted = false;
    for (node = whs_json_first(node); node; node = whs_json_next(node)) {
        const struct limit *limit = find_limit(whs_json_key(node));
        if (!limit) {
            add_unknown(errors, "delivery.batch.", whs_json_key(node));
            continue;
        }
        counted |= limit == &batch_limits[0];
        read_limit(limit, node, out, errors);
    }
    if (!counted)
        add(errors, batch_limits[0].field, "required", "is required in a batch");
}

/* --- headers ------------------------------------------------------------------------
 */

/* Names that belong to the connection, to the message or to us. */
static const char *const forbidden[] = {
    "host",           "content-length", "content-type", "content-encoding",
    "connection",     "expect",         "upgrade",      "te",
    "trailer",        "cookie",         "keep-alive",   "transfer-encoding",
    "integrityhash",  "date",           "via",          "accept-encoding",
    "http2-settings", "user-agent"};
static const char *const forbidden_prefixes[] = {"webhook-", "proxy-", "sec-"};

static bool
is_token(struct whs_slice name)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i], folded = (char)(c | 0x20);
        bool letter = (folded >= 'a' && folded <= 'z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || !strchr(others, c)))
            return false;
    }
    return name.len > 0 && name.len <= WHS_HEADER_NAME_BYTES_MAX;
}

static bool
is_forbidden(struct whs_slice name)
{
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
        if (whs_slice_equal_nocase(name, whs_slice_of(forbidden[i])))
            return true;
    for (size_t i = 0; i < sizeof(forbidden_prefixes) / sizeof(forbidden_prefixes[0]);
         i++) {
        struct whs_slice prefix = whs_slice_of(forbidden_prefixes[i]);
        struct whs_slice head = {name.ptr, prefix.len};
        if (name.len >= prefix.len && whs_slice_equal_nocase(head, prefix))
            return true;
    }
    return false;
}

bool
whs_header_name_is_free(struct whs_slice name)
{
    return is_token(name) && !is_forbidden(name);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* RFC 9110 section 5.5. Blanks at its ends are no part of a value: receivers cut them,
 * and libcurl leaves a field of nothing else away. */
static bool
is_field_value(struct whs_slice value)
{
    if (value.len > 0 && (is_blank(value.ptr[0]) || is_blank(value.ptr[value.len - 1])))
        return false;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c >= 0x7f)
            return false;
    }
    return value.len <= WHS_HEADER_VALUE_BYTES_MAX;
}

static bool
is_repeated(const struct whs_delivery_options *out, struct whs_slice name)
{
    for (size_t i = 0; i < out->header_count; i++)
        if (whs_slice_equal_nocase(out->headers[i].name, name))
            return true;
    return false;
}

static void
read_header(const struct whs_json *node, struct whs_slice integrity_header,
            struct whs_delivery_options *out, struct whs_field_errors *errors)
{
    struct whs_slice name = whs_json_key(node);
    char field[FIELD_SIZE];
    if (!is_token(name)) {
        add(errors, "delivery.headers", "format",
            "has a name that is no HTTP field name (RFC 9110 token)");
        return;
    }
    snprintf(field, sizeof(field), "delivery.headers.%.*s", (int)name.len, name.ptr);
    if (is_forbidden(name) || whs_slice_equal_nocase(name, integrity_header))
        add(errors, field, "forbidden", "is set by the sender itself");
    else if (is_repeated(out, name))
        add(errors, field, "duplicate", "occurs twice, but for its case");
    else if (whs_json_type(node) != WHS_JSON_STRING)
        add(errors, field, "type", "must be a string");
    else if (!is_field_value(whs_json_string(node)))
        add(errors, field, "format",
            "must be at most 4096 bytes of visible ASCII, with spaces and tabs only "
            "between");
    else
        out->headers[out->header_count++] =
            (struct whs_header){name, whs_json_string(node)};
}

static void
read_headers(const struct whs_json *node, struct whs_slice integrity_header,
             struct whs_delivery_options *out, struct whs_field_errors *errors)
{
    if (whs_json_type(node) != WHS_JSON_OBJECT) {
        add(errors, "delivery.headers", "type", "must be an object");
        return;
    }
    size_t count = 0;
    for (node = whs_json_first(node); node; node = whs_json_next(node)) {
        if (++count > WHS_HEADERS_MAX) {
            add(errors, "delivery.headers", "range", "must hold at most 50 headers");
            return;
        }
        read_header(node, integrity_header, out, errors);
    }
}

/* --- rate ---------------------------------------------------------------------------
 */

/* Rounded to millionths, which one sixtieth and the like are not. */
static void
read_rate(const struct whs_json *node, uint32_t *out, struct whs_field_errors *errors)
{
    if (whs_json_type(node) != WHS_JSON_NUMBER) {
        add(errors, "delivery.ratePerSecond", "type", "must be a number");
        return;
    }
    double micros = round(whs_json_number(node) * WHS_RATE_MICROS);
    if (micros < WHS_RATE_MICROS_MIN || micros > WHS_RATE_MICROS_MAX) {
        whs_field_errors_add(errors, WHS_SLICE("delivery.ratePerSecond"), "range",
                             "must be a number from %g to %d",
                             (double)WHS_RATE_MICROS_MIN / WHS_RATE_MICROS,
                             WHS_RATE_MICROS_MAX / WHS_RATE_MICROS);
        return;
    }
    *out = (uint32_t)micros;
}

void
whs_delivery_options_read(const struct whs_json *document,
                          struct whs_slice integrity_header,
                          struct whs_delivery_options *out,
                          struct whs_field_errors *errors)
{
    *out = (struct whs_delivery_options){0};
    if (whs_json_type(document) != WHS_JSON_OBJECT) {
        add(errors, "delivery", "type", "must be an object");
        return;
    }
    for (const struct whs_json *node = whs_json_first(document); node;
         node = whs_json_next(node)) {
        struct whs_slice name = whs_json_key(node);
        if (whs_slice_equal(name, WHS_SLICE("batch")))
            read_batch(node, &out->batching, errors);
        else if (whs_slice_equal(name, WHS_SLICE("headers")))
            read_headers(node, integrity_header, out, errors);
        else if (whs_slice_equal(name, WHS_SLICE("ratePerSecond")))
            read_rate(node, &out->rate_micros, errors);
        else
            add_unknown(errors, "delivery.", name);
    }
}
