/* SPDX-License-Identifier: MIT
 *
 * A webhook subscription as its owner writes it: an immutable, checked value. It has no
 * identity and no state; the live one is a subscriber (subscriber.h).
 *
 *   draft  --whs_subscription_build-->  subscription   or all its errors at once
 *   JSON   --whs_subscription_parse-->  the same, by the exact names of the document
 */
#ifndef WHS_SUBSCRIPTION_H
#define WHS_SUBSCRIPTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "action.h"
#include "buf.h"
#include "catalog.h"
#include "fielderror.h"
#include "slice.h"
#include "status.h"
#include "url.h"

/* Stored: append only. */
enum whs_channel {
    WHS_CHANNEL_HTTP = 1,
    WHS_CHANNEL_SOCKET = 2,
};

/* The bytes of an integrityKey; 24 and more are advised (Standard Webhooks 1.0). */
#define WHS_KEY_BYTES_MAX 256
#define WHS_KEY_BYTES_ADVISED 24
#define WHS_MAX_RETRIES_MAX 100
#define WHS_MAX_RETRIES_DEFAULT (-1) /* not set: the retry policy's */
#define WHS_HEADERS_MAX 50
#define WHS_HEADER_VALUE_BYTES_MAX 4096
#define WHS_BRAND_CODE_BYTES_MAX 256
#define WHS_SOCKET_EVENT_BYTES_MAX 256
#define WHS_EXPIRES_TEXT_BYTES_MAX 64
#define WHS_BATCH_NOTIFICATIONS_MAX 1000
#define WHS_BATCH_BYTES_MAX (4 * 1024 * 1024)
#define WHS_BATCH_LINGER_MS_MAX 60000

struct whs_header {
    struct whs_slice name;
    struct whs_slice value;
};

/* max_notifications 0: no batches, one object per POST. */
struct whs_batching {
    uint32_t max_notifications;
    uint32_t max_bytes;
    uint32_t linger_ms;
};

/* Everything but `refs` is constant after build. Slices are absent (ptr NULL) when not
 * set. */
struct whs_subscription {
    atomic_int refs;
    enum whs_action action;
    enum whs_channel channel;
    struct whs_slice resource;
    struct whs_slice root;
    struct whs_slice url;
    struct whs_slice origin;
    struct whs_slice socket_event;
    struct whs_slice expires_text;
    int64_t expires_at_ms;
    struct whs_slice brand_code;
    struct whs_slice key; /* key bytes, already decoded; wiped with the subscription */
    int max_retries;      /* or WHS_MAX_RETRIES_DEFAULT */
    struct whs_batching batching;
    uint32_t rate_micros; /* notifications per second, millionths; 0: no limit */
    const struct whs_header *headers;
    size_t header_count;
};

/* What a caller gives. Absent slice = field not sent; an empty optional string counts
 * as not set. `delivery` is the JSON text of that object. */
struct whs_subscription_draft {
    struct whs_slice modification_type;
    struct whs_slice connection_type;
    struct whs_slice notification_url;
    struct whs_slice notification_messages;
    struct whs_slice resource;
    struct whs_slice expiration_date_time;
    struct whs_slice brand_code;
    struct whs_slice integrity_key;
    bool has_max_retries;
    double max_retries;
    struct whs_slice delivery;
};

/* The rules that are not the document's own. */
struct whs_subscription_rules {
    const struct whs_catalog *catalog;
    struct whs_url_policy url;
    /* expirationDateTime must lie after it; INT64_MIN judges nothing (reading back what
     * was stored). */
    int64_t now_ms;
    /* expirationDateTime lies at most so long after it; 0: as long as one likes. */
    int64_t max_lifetime_ms;
    /* Socket subscriptions are refused when no socket transport is configured. */
    bool sockets;
    /* The operator's own name for integrityHash, which no header may have. Absent: it
     * has no other. */
    struct whs_slice integrity_header;
};

/* Advice that is no error: "maxRetries 0: one attempt only". Static texts. */
struct whs_warnings {
    const char *items[8];
    size_t len;
};

/* Returns owned (one reference). WHS_INVALID: see `errors` (required). */
WHS_CHECK enum whs_status
whs_subscription_build(const struct whs_subscription_draft *draft,
                       const struct whs_subscription_rules *rules,
                       struct whs_subscription **out, struct whs_field_errors *errors,
                       struct whs_warnings *warnings);

/* Server-made, read-only fields of a document that replaces `current`: each may be
 * repeated but not changed. Absent slice: this document may not hold the field at all.
 */
struct whs_subscription_identity {
    struct whs_slice id;
    struct whs_slice owner;
    struct whs_slice status;
    struct whs_slice status_reason;
    struct whs_slice created_at;
    struct whs_slice updated_at;
    bool known; /* false: creating, so that every one of them is refused */
    bool has_integrity_key;
};

/* What the document said about the key, for a replacement: absent keeps it. */
enum whs_key_change { WHS_KEY_ABSENT, WHS_KEY_CLEARED, WHS_KEY_SET };

/* Strict: unknown fields, wrong types, duplicates. `identity`, `key_change` and
 * `warnings` may be NULL. */
WHS_CHECK enum whs_status
whs_subscription_parse(struct whs_slice json,
                       const struct whs_subscription_rules *rules,
                       const struct whs_subscription_identity *identity,
                       struct whs_subscription **out, enum whs_key_change *key_change,
                       struct whs_field_errors *errors, struct whs_warnings *warnings);

struct whs_subscription *whs_subscription_ref(struct whs_subscription *subscription);
void whs_subscription_unref(struct whs_subscription *subscription);

/* The document without the key, exact names, absent fields left out, one fixed order.
 */
void whs_subscription_append_json(struct whs_buf *buf,
                                  const struct whs_subscription *subscription);
/* The `delivery` object alone, "{}" when nothing in it is set: what the store keeps. */
void whs_subscription_append_delivery(struct whs_buf *buf,
                                      const struct whs_subscription *subscription);
/* All fields, the key in constant time. */
bool whs_subscription_equal(const struct whs_subscription *a,
                            const struct whs_subscription *b);

/* `whsec_…` → the decoded bytes, anything else → its UTF-8 bytes. WHS_INVALID names no
 * byte of it. `out` must hold WHS_KEY_BYTES_MAX. */
WHS_CHECK enum whs_status whs_key_decode(struct whs_slice text, unsigned char *out,
                                         size_t *out_len, struct whs_error *err);

#endif
