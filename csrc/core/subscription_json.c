/* SPDX-License-Identifier: MIT
 *
 * The document face of a subscription: exact names, strict reading, one order of
 * writing.
 */
#include <math.h>
#include <string.h>

#include "json.h"
#include "rate.h"
#include "subscription.h"

/* A double counts without gaps to beyond this, an int64_t too. */
#define WHOLE_NUMBER_MAX 1e15
#define BILLION 1000000000

struct reading {
    const struct whs_subscription_identity *identity;
    struct whs_field_errors *errors;
    struct whs_subscription_draft draft;
    enum whs_key_change key_change;
    struct whs_buf delivery; /* the object's own text, written again */
};

static void
refuse(struct reading *r, struct whs_slice field, const char *code, const char *message)
{
    whs_field_errors_add(r->errors, field, code, "%s", message);
}

/* --- The fields that their owner writes. ---------------------------------------------
 */

struct text_field {
    const char *name;
    size_t offset;
};

static const struct text_field text_fields[] = {
    {"modificationType", offsetof(struct whs_subscription_draft, modification_type)},
    {"connectionType", offsetof(struct whs_subscription_draft, connection_type)},
    {"notificationUrl", offsetof(struct whs_subscription_draft, notification_url)},
    {"notificationMessages",
     offsetof(struct whs_subscription_draft, notification_messages)},
    {"resource", offsetof(struct whs_subscription_draft, resource)},
    {"expirationDateTime",
     offsetof(struct whs_subscription_draft, expiration_date_time)},
    {"brandCode", offsetof(struct whs_subscription_draft, brand_code)},
    {"integrityKey", offsetof(struct whs_subscription_draft, integrity_key)},
};

static bool
read_text_field(struct reading *r, struct whs_slice name, const struct whs_json *node)
{
    for (size_t i = 0; i < sizeof(text_fields) / sizeof(text_fields[0]); i++) {
        if (!whs_slice_equal(name, whs_slice_of(text_fields[i].name)))
            continue;
        enum whs_json_type type = whs_json_type(node);
        bool is_key = whs_slice_equal(name, WHS_SLICE("integrityKey"));
        if (type == WHS_JSON_STRING) {
            struct whs_slice text = whs_json_string(node);
            memcpy((char *)&r->draft + text_fields[i].offset, &text, sizeof(text));
            if (is_key)
                r->key_change = text.len > 0 ? WHS_KEY_SET : WHS_KEY_CLEARED;
        } else if (type == WHS_JSON_NULL) {
            if (is_key)
                r->key_change = WHS_KEY_CLEARED;
        } else {
            refuse(r, name, "type", "must be a string");
        }
        return true;
    }
    return false;
}

static void append_node(struct whs_buf *buf, const struct whs_json *node);

/* Nine digits, which no locale writes otherwise. */
static void
append_billionths(struct whs_buf *buf, int64_t billionths)
{
    whs_buf_append_char(buf, '.');
    for (int64_t unit = BILLION / 10; unit > 0; unit /= 10)
        whs_buf_append_char(buf, (char)('0' + billionths / unit % 10));
}

/* Any whole number that a field may hold is written as such, any fraction so that it
 * stays one. All others are out of every field's range, and so is what is written in
 * their place. */
static void
append_number(struct whs_buf *buf, double value)
{
    double whole = floor(value), billionths = round((value - whole) * BILLION);
    if (value >= -WHOLE_NUMBER_MAX && value <= WHOLE_NUMBER_MAX && value == whole &&
        !(value == 0 && signbit(value))) {
        whs_buf_append_int(buf, (int64_t)value);
    } else if (value > 0 && value <= WHOLE_NUMBER_MAX) {
        whs_buf_append_int(buf, (int64_t)whole);
        append_billionths(buf, (int64_t)fmin(fmax(billionths, 1), BILLION - 1));
    } else {
        whs_buf_append(buf, "-0.5", 4);
    }
}

static void
append_children(struct whs_buf *buf, const struct whs_json *node, bool keys)
{
    for (const struct whs_json *c = whs_json_first(node); c; c = whs_json_next(c)) {
        if (c != whs_json_first(node))
            whs_buf_append_char(buf, ',');
        if (keys) {
            whs_json_append_string(buf, whs_json_key(c));
            whs_buf_append_char(buf, ':');
        }
        append_node(buf, c);
    }
}

static void
append_node(struct whs_buf *buf, const struct whs_json *node)
{
    enum whs_json_type type = whs_json_type(node);
    switch (type) {
    case WHS_JSON_NULL:
        whs_buf_append(buf, "null", 4);
        return;
    case WHS_JSON_BOOL:
        whs_buf_append_slice(buf, whs_slice_of(whs_json_bool(node) ? "true" : "false"));
        return;
    case WHS_JSON_NUMBER:
        append_number(buf, whs_json_number(node));
        return;
    case WHS_JSON_STRING:
        whs_json_append_string(buf, whs_json_string(node));
        return;
    case WHS_JSON_ARRAY:
    case WHS_JSON_OBJECT:
        whs_buf_append_char(buf, type == WHS_JSON_ARRAY ? '[' : '{');
        append_children(buf, node, type == WHS_JSON_OBJECT);
        whs_buf_append_char(buf, type == WHS_JSON_ARRAY ? ']' : '}');
    }
}

static bool
read_other_field(struct reading *r, struct whs_slice name, const struct whs_json *node)
{
    enum whs_json_type type = whs_json_type(node);
    if (whs_slice_equal(name, WHS_SLICE("maxRetries"))) {
        if (type == WHS_JSON_NUMBER) {
            r->draft.has_max_retries = true;
            r->draft.max_retries = whs_json_number(node);
        } else if (type != WHS_JSON_NULL) {
            refuse(r, name, "type", "must be a number");
        }
        return true;
    }
    if (!whs_slice_equal(name, WHS_SLICE("delivery")))
        return false;
    if (type != WHS_JSON_NULL) {
        append_node(&r->delivery, node);
        r->draft.delivery = whs_buf_slice(&r->delivery);
    }
    return true;
}

/* --- The fields that the service makes: to be repeated, not changed.
 * ------------------ */

static void
judge_repeated(struct reading *r, struct whs_slice name, const struct whs_json *node,
               struct whs_slice now)
{
    bool same = r->identity && r->identity->known && now.ptr &&
                whs_json_type(node) == WHS_JSON_STRING &&
                whs_slice_equal(whs_json_string(node), now);
    if (!same)
        refuse(r, name, "read_only", "is made by the service and cannot be set");
}

static bool
read_identity_field(struct reading *r, struct whs_slice name,
                    const struct whs_json *node)
{
    static const struct whs_subscription_identity none = {0};
    const struct whs_subscription_identity *is = r->identity ? r->identity : &none;
    const struct {
        const char *name;
        struct whs_slice now;
    } fields[] = {{"id", is->id},
                  {"owner", is->owner},
                  {"status", is->status},
                  {"statusReason", is->status_reason},
                  {"createdAt", is->created_at},
                  {"updatedAt", is->updated_at}};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (whs_slice_equal(name, whs_slice_of(fields[i].name))) {
            judge_repeated(r, name, node, fields[i].now);
            return true;
        }
    if (!whs_slice_equal(name, WHS_SLICE("hasIntegrityKey")))
        return false;
    if (!is->known || whs_json_type(node) != WHS_JSON_BOOL ||
        whs_json_bool(node) != is->has_integrity_key)
        refuse(r, name, "read_only", "is made by the service and cannot be set");
    return true;
}

static void
read_document(struct reading *r, const struct whs_json *document)
{
    for (const struct whs_json *node = whs_json_first(document); node;
         node = whs_json_next(node)) {
        struct whs_slice name = whs_json_key(node);
        if (!read_text_field(r, name, node) && !read_other_field(r, name, node) &&
            !read_identity_field(r, name, node))
            refuse(r, name, "unknown", "is no field of a subscription");
    }
}

enum whs_status
whs_subscription_parse(struct whs_slice json,
                       const struct whs_subscription_rules *rules,
                       const struct whs_subscription_identity *identity,
                       struct whs_subscription **out, enum whs_key_change *key_change,
                       struct whs_field_errors *errors, struct whs_warnings *warnings)
{
    struct reading r = {.identity = identity, .errors = errors};
    struct whs_json *document;
    struct whs_error err;
    *out = NULL;
    if (key_change)
        *key_change = WHS_KEY_ABSENT;
    enum whs_status status = whs_json_parse(json, &document, &err);
    if (status == WHS_INVALID)
        whs_field_errors_add(errors, WHS_SLICE(""), "json", "%s", err.message);
    if (status != WHS_OK)
        return errors->no_memory ? WHS_NO_MEMORY : status;
    if (whs_json_type(document) != WHS_JSON_OBJECT) {
        refuse(&r, WHS_SLICE(""), "type", "must be a JSON object");
        status = errors->no_memory ? WHS_NO_MEMORY : WHS_INVALID;
    } else {
        read_document(&r, document);
        size_t told = errors->len;
        status = r.delivery.failed
                     ? WHS_NO_MEMORY
                     : whs_subscription_build(&r.draft, rules, out, errors, warnings);
        whs_field_errors_drop_required(errors, told);
    }
    if (key_change)
        *key_change = r.key_change;
    whs_buf_fini(&r.delivery);
    whs_json_free(document);
    return status;
}

/* --- Writing. ------------------------------------------------------------------------
 */

static void
append_name(struct whs_buf *buf, const char *name)
{
    if (buf->len > 0 && buf->ptr[buf->len - 1] != '{')
        whs_buf_append_char(buf, ',');
    whs_json_append_string(buf, whs_slice_of(name));
    whs_buf_append_char(buf, ':');
}

static void
append_text(struct whs_buf *buf, const char *name, struct whs_slice text)
{
    if (!text.ptr)
        return;
    append_name(buf, name);
    whs_json_append_string(buf, text);
}

static void
append_integer(struct whs_buf *buf, const char *name, int64_t value)
{
    append_name(buf, name);
    whs_buf_append_int(buf, value);
}

/* Without the zeroes at its end. */
static void
append_rate(struct whs_buf *buf, uint32_t micros)
{
    append_name(buf, "ratePerSecond");
    whs_buf_append_int(buf, micros / WHS_RATE_MICROS);
    uint32_t rest = micros % WHS_RATE_MICROS;
    if (rest > 0)
        whs_buf_append_char(buf, '.');
    for (uint32_t unit = WHS_RATE_MICROS / 10; rest > 0; rest %= unit, unit /= 10)
        whs_buf_append_char(buf, (char)('0' + rest / unit));
}

void
whs_subscription_append_delivery(struct whs_buf *buf,
                                 const struct whs_subscription *subscription)
{
    const struct whs_batching *batching = &subscription->batching;
    whs_buf_append_char(buf, '{');
    if (batching->max_notifications > 0) {
        append_name(buf, "batch");
        whs_buf_append_char(buf, '{');
        append_integer(buf, "maxNotifications", batching->max_notifications);
        append_integer(buf, "maxBytes", batching->max_bytes);
        append_integer(buf, "lingerMs", batching->linger_ms);
        whs_buf_append_char(buf, '}');
    }
    if (subscription->header_count > 0) {
        append_name(buf, "headers");
        whs_buf_append_char(buf, '{');
        for (size_t i = 0; i < subscription->header_count; i++) {
            if (i > 0)
                whs_buf_append_char(buf, ',');
            whs_json_append_string(buf, subscription->headers[i].name);
            whs_buf_append_char(buf, ':');
            whs_json_append_string(buf, subscription->headers[i].value);
        }
        whs_buf_append_char(buf, '}');
    }
    if (subscription->rate_micros > 0)
        append_rate(buf, subscription->rate_micros);
    whs_buf_append_char(buf, '}');
}

void
whs_subscription_append_json(struct whs_buf *buf,
                             const struct whs_subscription *subscription)
{
    whs_buf_append_char(buf, '{');
    append_text(buf, "modificationType",
                whs_slice_of(whs_action_name(subscription->action)));
    append_text(
        buf, "connectionType",
        whs_slice_of(subscription->channel == WHS_CHANNEL_HTTP ? "HTTP" : "SOCKET"));
    append_text(buf, "notificationUrl", subscription->url);
    append_text(buf, "notificationMessages", subscription->socket_event);
    append_text(buf, "resource", subscription->resource);
    append_text(buf, "expirationDateTime", subscription->expires_text);
    append_text(buf, "brandCode", subscription->brand_code);
    if (subscription->max_retries != WHS_MAX_RETRIES_DEFAULT)
        append_integer(buf, "maxRetries", subscription->max_retries);
    if (subscription->batching.max_notifications > 0 ||
        subscription->header_count > 0 || subscription->rate_micros > 0) {
        append_name(buf, "delivery");
        whs_subscription_append_delivery(buf, subscription);
    }
    whs_buf_append_char(buf, '}');
}
