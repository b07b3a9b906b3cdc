/* SPDX-License-Identifier: MIT
 *
 * The `delivery` object of a subscription: everything else that one subscription may
 * choose. What is accepted here is obeyed by the engine.
 *
 *   {"batch": {"maxNotifications": 100, "maxBytes": 1048576, "lingerMs": 1000},
 *    "headers": {"X-Token": "…"}, "ratePerSecond": 2.5}
 */
#ifndef WHS_DELIVERY_OPTIONS_H
#define WHS_DELIVERY_OPTIONS_H

#include "fielderror.h"
#include "json.h"
#include "subscription.h"

/* Where a batch names no limit. */
#define WHS_BATCH_BYTES_DEFAULT (1024 * 1024)
#define WHS_BATCH_LINGER_MS_DEFAULT 1000
/* An HTTP field name of sensible length. */
#define WHS_HEADER_NAME_BYTES_MAX 128

struct whs_delivery_options {
    struct whs_batching batching;
    uint32_t rate_micros;
    struct whs_header headers[WHS_HEADERS_MAX]; /* borrow the document */
    size_t header_count;
};

/* An RFC 9110 token that neither the connection, the message nor another of our headers
 * uses: fit for a subscription's own header, and for integrityHash under another name.
 */
bool whs_header_name_is_free(struct whs_slice name);

/* Adds every mistake to `errors`; `document` is the parsed object. `integrity_header`
 * is no longer free; it may be absent. */
void whs_delivery_options_read(const struct whs_json *document,
                               struct whs_slice integrity_header,
                               struct whs_delivery_options *out,
                               struct whs_field_errors *errors);

#endif
