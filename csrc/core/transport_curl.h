/* SPDX-License-Identifier: MIT
 *
 * HTTPS by libcurl's multi interface. Which options are set stands in
 * transport_curl_options.c.
 *
 * Promises: at most one POST on the wire for one exchange, redirects never, proxies of
 * the environment never (only the one that the config names), verification always, no
 * byte to an address that the guard forbids, no answer body beyond its limit, and a
 * slow resolver stops nobody else.
 */
#ifndef WHS_TRANSPORT_CURL_H
#define WHS_TRANSPORT_CURL_H

#include "clock.h"
#include "guard.h"
#include "tls.h"
#include "transport.h"

/* "http://host:port", with its zero. */
#define WHS_PROXY_SIZE 288

struct whs_curl_config {
    int64_t connect_timeout_ms; /* 5,000 */
    int64_t total_timeout_ms;   /* 15,000: Standard Webhooks says 15–30 s */
    int64_t body_timeout_ms;    /* 2,000: for the rest, once the head has decided */
    int64_t retry_after_max_ms; /* 6 h */
    unsigned connections_max;   /* 256 open at once */
    unsigned
        connections_idle_max; /* 1,024 kept: fewer than the live origins thrashes */
    int64_t idle_max_ms;      /* 30,000: older ones are not used again */
    int64_t
        connection_age_max_ms;  /* 600,000: bounds how old a checked certificate is */
    unsigned resolves_max;      /* 64 names looked up at once */
    struct whs_guard guard;     /* not asked when there is a proxy: that is the guard */
    char proxy[WHS_PROXY_SIZE]; /* "": none */
    struct whs_clock clock;
};

extern const struct whs_curl_config whs_curl_config_default;

/* Takes `trust` (also when it fails). `out->verbs->destroy` frees it. Initialises
 * libcurl once per process. WHS_CONFIGURATION: libcurl too old, not on OpenSSL, or
 * without a threaded resolver. */
WHS_CHECK enum whs_status
whs_transport_curl_create(const struct whs_curl_config *config, struct whs_trust *trust,
                          struct whs_transport **out, struct whs_error *err);

/* "libcurl/8.5.0 OpenSSL/3.0.13 …", for doctor. Static. */
const char *whs_transport_curl_version(void);

#endif
