/* SPDX-License-Identifier: MIT */
#include "subscription.h"

#include <math.h>
#include <string.h>

#include "alloc.h"
#include "crypto.h"
#include "date.h"
#include "delivery_options.h"
#include "json.h"

/* What a draft becomes, while all its mistakes are being collected. */
struct builder {
    const struct whs_subscription_draft *draft;
    const struct whs_subscription_rules *rules;
    struct whs_field_errors *errors;
    struct whs_warnings *warnings;
    struct whs_subscription made; /* slices borrow the draft, the URL or the document */
    struct whs_url url;
    struct whs_json *delivery;
    struct whs_delivery_options options;
    unsigned char key[WHS_KEY_BYTES_MAX];
    bool no_memory;
};

static void
refuse(struct builder *b, const char *field, const char *code, const char *message)
{
    whs_field_errors_add(b->errors, whs_slice_of(field), code, "%s", message);
}

static void
warn(struct builder *b, const char *text)
{
    if (b->warnings && b->warnings->len < 8)
        b->warnings->items[b->warnings->len++] = text;
}

/* An optional text that is sent but empty counts as not sent. */
static struct whs_slice
or_absent(struct whs_slice text)
{
    return text.len > 0 ? text : (struct whs_slice){0};
}

static struct whs_slice
check_text(struct builder *b, struct whs_slice text, const char *field, size_t most)
{
    text = or_absent(text);
    if (!text.ptr)
        return text;
    if (text.len > most)
        whs_field_errors_add(b->errors, whs_slice_of(field), "size",
                             "must be at most %zu bytes", most);
    else if (!whs_slice_is_utf8(text) || whs_slice_has_control(text))
        refuse(b, field, "format", "must be UTF-8 without control characters");
    return text;
}

/* One that is refused stays 0: nothing is required for it. */
static void
take_channel(struct builder *b)
{
    struct whs_slice text = or_absent(b->draft->connection_type);
    if (!text.ptr || whs_slice_equal(text, WHS_SLICE("HTTP")))
        b->made.channel = WHS_CHANNEL_HTTP;
    else if (!whs_slice_equal(text, WHS_SLICE("SOCKET")))
        refuse(b, "connectionType", "enum", "must be HTTP or SOCKET");
    else
        b->made.channel = WHS_CHANNEL_SOCKET;
    if (b->made.channel == WHS_CHANNEL_SOCKET && !b->rules->sockets)
        refuse(b, "connectionType", "unsupported",
               "SOCKET is not offered by this service");
}

static void
take_url(struct builder *b)
{
    struct whs_slice text = or_absent(b->draft->notification_url);
    if (!text.ptr) {
        if (b->made.channel == WHS_CHANNEL_HTTP)
            refuse(b, "notificationUrl", "required", "is required for HTTP");
        return;
    }
    enum whs_status status = whs_url_parse(
        text, &b->rules->url, WHS_SLICE("notificationUrl"), b->errors, &b->url);
    b->no_memory |= status == WHS_NO_MEMORY;
    b->made.url = b->url.text;
    if (b->made.channel == WHS_CHANNEL_HTTP)
        b->made.origin = b->url.origin;
}

/* Names that socket.io's client and server keep for themselves. */
static bool
is_reserved_event(struct whs_slice name)
{
    static const char *const reserved[] = {"connect",     "connect_error",
                                           "disconnect",  "disconnecting",
                                           "newListener", "removeListener"};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        if (whs_slice_equal(name, whs_slice_of(reserved[i])))
            return true;
    return false;
}

static void
take_socket_event(struct builder *b)
{
    b->made.socket_event =
        check_text(b, b->draft->notification_messages, "notificationMessages",
                   WHS_SOCKET_EVENT_BYTES_MAX);
    if (b->made.socket_event.ptr && is_reserved_event(b->made.socket_event))
        refuse(b, "notificationMessages", "forbidden",
               "is a name that sockets reserve");
    if (!b->made.socket_event.ptr && b->made.channel == WHS_CHANNEL_SOCKET)
        refuse(b, "notificationMessages", "required", "is required for SOCKET");
}

static void
take_resource(struct builder *b)
{
    struct whs_slice text = or_absent(b->draft->resource);
    struct whs_resource found;
    struct whs_error err;
    if (!text.ptr) {
        refuse(b, "resource", "required", "is required");
        return;
    }
    enum whs_status status = whs_catalog_resolve(b->rules->catalog, text, &found, &err);
    if (status == WHS_OK) {
        b->made.resource = text;
        b->made.root = found.root;
    } else {
        refuse(b, "resource",
               status == WHS_UNKNOWN_RESOURCE ? "unknown"
               : status == WHS_CONFIGURATION  ? "unbound"
                                              : "format",
               err.message);
    }
    if (status != WHS_OK || b->made.action == 0 || b->made.action == WHS_ACTION_ANY)
        return;
    if (!(whs_catalog_row_actions(b->rules->catalog, found.row) &
          WHS_ACTION_BIT(b->made.action)))
        refuse(b, "modificationType", "enum", "is no action of this resource");
}

static void
take_action(struct builder *b)
{
    struct whs_slice text = or_absent(b->draft->modification_type);
    if (!text.ptr)
        refuse(b, "modificationType", "required", "is required");
    else if (!(b->made.action = whs_action_parse(text)))
        refuse(b, "modificationType", "enum", "must be create, update, delete or any");
}

static bool
lives_too_long(const struct builder *b)
{
    const struct whs_subscription_rules *rules = b->rules;
    return rules->max_lifetime_ms > 0 && rules->now_ms != INT64_MIN &&
           b->made.expires_at_ms - rules->max_lifetime_ms > rules->now_ms;
}

static void
take_expiration(struct builder *b)
{
    struct whs_slice text = or_absent(b->draft->expiration_date_time);
    if (!text.ptr)
        refuse(b, "expirationDateTime", "required", "is required");
    else if (text.len > WHS_EXPIRES_TEXT_BYTES_MAX)
        refuse(b, "expirationDateTime", "size", "must be at most 64 bytes");
    else if (!whs_date_parse(text, &b->made.expires_at_ms))
        refuse(b, "expirationDateTime", "format",
               "must be an RFC 3339 date-time with offset");
    else if (b->made.expires_at_ms <= b->rules->now_ms)
        refuse(b, "expirationDateTime", "range", "must lie in the future");
    else if (lives_too_long(b))
        refuse(b, "expirationDateTime", "range",
               "lies further ahead than the service allows");
    b->made.expires_text = text;
}

static void
take_key(struct builder *b)
{
    struct whs_slice text = or_absent(b->draft->integrity_key);
    struct whs_error err;
    size_t len = 0;
    if (!text.ptr)
        return;
    if (whs_key_decode(text, b->key, &len, &err) != WHS_OK) {
        refuse(b, "integrityKey", "format", err.message);
        return;
    }
    b->made.key = (struct whs_slice){(const char *)b->key, len};
    if (len < WHS_KEY_BYTES_ADVISED)
        warn(b, "integrityKey: under 24 bytes; 24 to 64 random bytes are advised");
}

static void
take_max_retries(struct builder *b)
{
    b->made.max_retries = WHS_MAX_RETRIES_DEFAULT;
    if (!b->draft->has_max_retries)
        return;
    double value = b->draft->max_retries;
    /* "-0" lies outside too, though it is no less than 0. */
    if (!(value >= 0 && value <= WHS_MAX_RETRIES_MAX && value == floor(value)) ||
        signbit(value)) {
        refuse(b, "maxRetries", "range", "must be a whole number from 0 to 100");
        return;
    }
    b->made.max_retries = (int)value;
    if (b->made.max_retries == 0)
        warn(b, "maxRetries 0: one attempt only");
}

static void
take_delivery(struct builder *b)
{
    struct whs_slice text = or_absent(b->draft->delivery);
    struct whs_error err;
    if (!text.ptr)
        return;
    enum whs_status status = whs_json_parse(text, &b->delivery, &err);
    if (status == WHS_NO_MEMORY) {
        b->no_memory = true;
        return;
    }
    if (status != WHS_OK) {
        refuse(b, "delivery", "json", err.message);
        return;
    }
    whs_delivery_options_read(b->delivery, b->rules->integrity_header, &b->options,
                              b->errors);
    b->made.batching = b->options.batching;
    b->made.rate_micros = b->options.rate_micros;
    b->made.headers = b->options.headers;
    b->made.header_count = b->options.header_count;
    if (b->made.channel == WHS_CHANNEL_SOCKET && b->made.header_count > 0)
        refuse(b, "delivery.headers", "unsupported", "a socket's events have none");
}

/* --- Placing everything in one block. -----------------------------------------------
 */

static struct whs_slice *
text_at(struct whs_subscription *subscription, size_t i)
{
    struct whs_slice *const all[] = {
        &subscription->resource,     &subscription->root,
        &subscription->url,          &subscription->origin,
        &subscription->socket_event, &subscription->expires_text,
        &subscription->brand_code,   &subscription->key};
    return i < sizeof(all) / sizeof(all[0]) ? all[i] : NULL;
}

static size_t
measure(struct whs_subscription *from)
{
    size_t size = sizeof(*from) + from->header_count * sizeof(from->headers[0]);
    struct whs_slice *text;
    for (size_t i = 0; (text = text_at(from, i)); i++)
        size += text->len + 1;
    for (size_t i = 0; i < from->header_count; i++)
        size += from->headers[i].name.len + from->headers[i].value.len + 2;
    return size;
}

/* Each text keeps a zero behind it: curl wants the URL so. */
static void
place(char **at, struct whs_slice *text)
{
    if (!text->ptr)
        return;
    memcpy(*at, text->ptr, text->len);
    (*at)[text->len] = '\0';
    text->ptr = *at;
    *at += text->len + 1;
}

static struct whs_subscription *
copy_whole(struct whs_subscription *from)
{
    struct whs_subscription *copy = whs_alloc(measure(from));
    if (!copy)
        return NULL;
    memcpy(copy, from, sizeof(*copy));
    atomic_init(&copy->refs, 1);
    struct whs_header *headers = (struct whs_header *)(copy + 1);
    char *at = (char *)(headers + copy->header_count);
    struct whs_slice *text;
    for (size_t i = 0; (text = text_at(copy, i)); i++)
        place(&at, text);
    for (size_t i = 0; i < copy->header_count; i++) {
        headers[i] = from->headers[i];
        place(&at, &headers[i].name);
        place(&at, &headers[i].value);
    }
    copy->headers = headers;
    return copy;
}

enum whs_status
whs_subscription_build(const struct whs_subscription_draft *draft,
                       const struct whs_subscription_rules *rules,
                       struct whs_subscription **out, struct whs_field_errors *errors,
                       struct whs_warnings *warnings)
{
    struct builder b = {
        .draft = draft, .rules = rules, .errors = errors, .warnings = warnings};
    *out = NULL;
    take_action(&b);
    take_channel(&b);
    take_url(&b);
    take_socket_event(&b);
    take_resource(&b);
    take_expiration(&b);
    b.made.brand_code =
        check_text(&b, draft->brand_code, "brandCode", WHS_BRAND_CODE_BYTES_MAX);
    take_key(&b);
    take_max_retries(&b);
    take_delivery(&b);
    enum whs_status status = b.no_memory || errors->no_memory ? WHS_NO_MEMORY
                             : errors->len > 0                ? WHS_INVALID
                                                              : WHS_OK;
    if (status == WHS_OK && !(*out = copy_whole(&b.made)))
        status = WHS_NO_MEMORY;
    whs_json_free(b.delivery);
    whs_url_fini(&b.url);
    whs_wipe(b.key, sizeof(b.key));
    return status;
}

struct whs_subscription *
whs_subscription_ref(struct whs_subscription *subscription)
{
    atomic_fetch_add_explicit(&subscription->refs, 1, memory_order_relaxed);
    return subscription;
}

void
whs_subscription_unref(struct whs_subscription *subscription)
{
    if (subscription &&
        atomic_fetch_sub_explicit(&subscription->refs, 1, memory_order_acq_rel) == 1)
        whs_free_wiped(subscription, measure(subscription));
}

static bool
equal_headers(const struct whs_subscription *a, const struct whs_subscription *b)
{
    if (a->header_count != b->header_count)
        return false;
    for (size_t i = 0; i < a->header_count; i++)
        if (!whs_slice_equal(a->headers[i].name, b->headers[i].name) ||
            !whs_slice_equal(a->headers[i].value, b->headers[i].value))
            return false;
    return true;
}

bool
whs_subscription_equal(const struct whs_subscription *a,
                       const struct whs_subscription *b)
{
    bool keys = a->key.len == b->key.len &&
                (a->key.len == 0 ||
                 whs_equal_constant_time(a->key.ptr, b->key.ptr, a->key.len));
    return keys && a->action == b->action && a->channel == b->channel &&
           whs_slice_equal(a->resource, b->resource) &&
           whs_slice_equal(a->url, b->url) &&
           whs_slice_equal(a->socket_event, b->socket_event) &&
           whs_slice_equal(a->expires_text, b->expires_text) &&
           whs_slice_equal(a->brand_code, b->brand_code) &&
           a->max_retries == b->max_retries && a->rate_micros == b->rate_micros &&
           a->batching.max_notifications == b->batching.max_notifications &&
           a->batching.max_bytes == b->batching.max_bytes &&
           a->batching.linger_ms == b->batching.linger_ms && equal_headers(a, b);
}
