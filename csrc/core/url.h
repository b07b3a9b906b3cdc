/* SPDX-License-Identifier: MIT
 *
 * Is this a URL that we would ever POST to? Judged by libcurl's own parser, because
 * the parser that judges must be the parser that connects. What the name resolves to is
 * judged later, at every connection, by guard.h.
 */
#ifndef WHS_URL_H
#define WHS_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "fielderror.h"
#include "slice.h"
#include "status.h"

/* What receivers and proxies commonly accept. */
#define WHS_URL_BYTES_MAX 2048

struct whs_url_policy {
    /* Development only: loopback names and literals, any port. Still https. */
    bool dev;
    /* Ports besides 443 and 8443; NULL is none. Borrowed. */
    const uint16_t *ports;
    size_t port_count;
};

/* One allocation behind `text`; the slices point into it. */
struct whs_url {
    struct whs_slice text;   /* normal form: the bytes that are sent and stored */
    struct whs_slice origin; /* "https://host:port", host in lower case, port always */
    struct whs_slice host;
    uint16_t port;
};

/* Adds every mistake under `field` to `errors`. WHS_OK fills `out` (owned:
 * whs_url_fini). Refused: other schemes, userinfo, fragment, literal addresses in any
 * spelling, zone ids, empty or percent-encoded hosts, non-ASCII, control characters,
 * ports outside the policy. */
WHS_CHECK enum whs_status whs_url_parse(struct whs_slice text,
                                        const struct whs_url_policy *policy,
                                        struct whs_slice field,
                                        struct whs_field_errors *errors,
                                        struct whs_url *out);
void whs_url_fini(struct whs_url *url);

#endif
