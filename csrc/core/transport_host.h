/* SPDX-License-Identifier: MIT
 *
 * Events of sockets, which the host sends: rendered bytes out, an outcome back. It
 * stands before the transport of HTTP, to which everything else goes on.
 *
 *   start ──▶ offered ──whs_host_take──▶ taken ──whs_host_answer──▶ answered ──▶ poll
 *                │                          │
 *                └─────── not in time ──────┴──▶ LOCAL_ERROR, or TIMEOUT
 *
 * What the host takes is a copy with a ticket. A ticket whose request has ended is
 * nobody's: an answer may be as late as it likes.
 */
#ifndef WHS_TRANSPORT_HOST_H
#define WHS_TRANSPORT_HOST_H

#include "clock.h"
#include "transport.h"

struct whs_host_config {
    /* False: no host takes anything, and everybody is NOT_CONNECTED. */
    bool serves;
    int64_t answer_timeout_ms; /* 15,000: like an HTTP attempt */
    struct whs_clock clock;
};

extern const struct whs_host_config whs_host_config_default;

/* One block with the texts behind it; whoever takes it frees it. */
struct whs_host_request {
    struct whs_host_request *next;
    uint64_t ticket;
    struct whs_slice origin; /* whose sockets */
    struct whs_slice event;
    struct whs_slice body;
};

struct whs_host;

/* Takes `http` (also when it fails); whoever destroys *out destroys it too. *host lives
 * as long as *out. */
WHS_CHECK enum whs_status
whs_transport_host_create(const struct whs_host_config *config,
                          struct whs_transport *http, struct whs_transport **out,
                          struct whs_host **host, struct whs_error *err);

/* --- Any thread. --- */

/* Waits to `timeout_ms` for something to send, takes at most `max`, oldest first. NULL:
 * there is nothing, or it was woken. */
struct whs_host_request *whs_host_take(struct whs_host *host, size_t max,
                                       int timeout_ms);
/* Makes a take that waits return. */
void whs_host_wake(struct whs_host *host);
/* Frees every request of the chain. */
void whs_host_request_destroy(struct whs_host_request *requests);
/* How it ended. False: it has ended before. */
bool whs_host_answer(struct whs_host *host, uint64_t ticket, enum whs_outcome outcome);

#endif
