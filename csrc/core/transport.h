/* SPDX-License-Identifier: MIT
 *
 * How a request leaves: an interface of five verbs. transport_curl.c sends it by HTTPS,
 * transport_host.c gives to the host what is for a socket, and the tests have a fake
 * one. All verbs but `wake` are called on the engine thread only.
 */
#ifndef WHS_TRANSPORT_H
#define WHS_TRANSPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fields.h"
#include "outcome.h"
#include "slice.h"
#include "status.h"
#include "subscription.h"

/* What of an answer is kept. */
#define WHS_ANSWER_BYTES_MAX 4096
/* What of an answer is read before we hang up. */
#define WHS_ANSWER_READ_MAX (64 * 1024)
#define WHS_ADDRESS_SIZE 64
/* Content-Type, webhook-id, webhook-timestamp, webhook-signature, integrityHash,
 * WebHook-Request-Origin, traceparent, Expect, User-Agent and the subscription's own.
 */
#define WHS_REQUEST_HEADERS_MAX (WHS_HEADERS_MAX + 9)

enum whs_method { WHS_METHOD_POST = 1, WHS_METHOD_OPTIONS = 2 };

/* Borrowed from the attempt, or from who asks, until it is done. */
struct whs_request {
    enum whs_method method;
    struct whs_slice url;          /* zero-terminated */
    struct whs_slice socket_event; /* not absent: for the host, who needs no URL */
    struct whs_slice origin;
    struct whs_header headers[WHS_REQUEST_HEADERS_MAX];
    size_t header_count;
    /* The first so many stand for themselves: but for the first of them, none is a
     * field that a client of HTTP sends by itself, or that says how to send. */
    size_t plain_count;
    struct whs_slice body;
    bool fresh_connection;
    /* Monotonic; others move it on. From then on it does not leave any more, and is
     * answered SPILLED. NULL: it always may. */
    const atomic_int_fast64_t *lease_until_ms;
};

static inline bool
whs_request_is_late(const struct whs_request *request, int64_t mono_ms)
{
    return request->lease_until_ms && mono_ms >= atomic_load(request->lease_until_ms);
}

struct whs_answer {
    enum whs_outcome outcome;
    int http_status;
    int64_t retry_after_ms; /* negative: none */
    int64_t duration_ms;
    char address[WHS_ADDRESS_SIZE]; /* who answered, "" when nobody did */
    struct whs_buf body;            /* first WHS_ANSWER_BYTES_MAX bytes */
    char detail[128];               /* for the operator: libcurl's word */
};

/* One request under way. The engine owns it; the transport keeps `transfer`. */
struct whs_exchange {
    struct whs_request request;
    struct whs_answer answer;
    struct whs_fields *fields; /* to be filled; NULL for an attempt, which wants none */
    void *transfer;
    struct whs_exchange *next_done;
};

struct whs_transport {
    const struct whs_transport_verbs *verbs;
};

struct whs_transport_verbs {
    /* Failing means that nothing was sent and the exchange is not under way. */
    enum whs_status (*start)(struct whs_transport *transport,
                             struct whs_exchange *exchange, struct whs_error *err);
    /* Works until something is done, woken, or `timeout_ms` has passed; returns the
     * exchanges that ended, linked by next_done, NULL for none. */
    struct whs_exchange *(*poll)(struct whs_transport *transport, int timeout_ms);
    /* Stops it without an answer: it is not returned by poll. */
    void (*cancel)(struct whs_transport *transport, struct whs_exchange *exchange);
    /* Any thread: makes a poll that waits return. */
    void (*wake)(struct whs_transport *transport);
    /* Nothing may be under way. Waits for resolver threads. */
    void (*destroy)(struct whs_transport *transport);
};

#endif
