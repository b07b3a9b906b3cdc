/* SPDX-License-Identifier: MIT
 *
 * A request of its own, by the engine's thread, guard and transport: whoever wants to
 * know something of a URL waits here for its answer. It is no attempt: nothing is
 * stored, nothing is tried again, and no origin is judged by it.
 *
 *   whs_asks_put ─▶ waiting ─▶ under way ─▶ ended ─▶ whs_asks_wait returns
 *   any thread                 engine thread         the same thread as before
 *
 * The asking thread owns the ask and all that its request points to; the engine thread
 * lets go of it with `ended`, which is under the lock like the list of what waits.
 */
#ifndef WHS_ASK_H
#define WHS_ASK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "fields.h"
#include "list.h"
#include "status.h"
#include "transport.h"

/* Under way at once, beside the attempts. The others wait their turn. */
#define WHS_ASKS_UNDER_WAY_MAX 8

struct whs_ask {
    struct whs_exchange exchange; /* first: the transport gives back this part */
    struct whs_fields fields;     /* of the answer */
    struct whs_link link;
    bool given_up; /* this and the next: under the lock */
    bool ended;
};

struct whs_asks {
    atomic_bool news;     /* something came since the engine thread took the last */
    atomic_bool given_up; /* some ask was, since the engine thread looked */
    struct whs_link under_way; /* this and the next: the engine thread's */
    size_t under_way_count;

    pthread_mutex_t lock;
    pthread_cond_t some_ended;
    /* Under the lock. */
    struct whs_link waiting;
    bool closed;
};

void whs_asks_init(struct whs_asks *asks);
/* Nothing may wait or be under way. */
void whs_asks_fini(struct whs_asks *asks);

/* --- Any thread. --- */

/* An ask for this request, which is borrowed until it has ended. */
void whs_ask_init(struct whs_ask *ask, const struct whs_request *request);
/* Frees what the answer holds. */
void whs_ask_fini(struct whs_ask *ask);
/* WHS_CLOSED. */
WHS_CHECK enum whs_status whs_asks_put(struct whs_asks *asks, struct whs_ask *ask,
                                       struct whs_error *err);
/* Until it has ended: the transport's own time limit, for each that is before it.
 * False: it has not, after `timeout_ms`; negative waits without end. */
bool whs_asks_wait(struct whs_asks *asks, const struct whs_ask *ask, int timeout_ms);
/* Its answer is not wanted any more: it ends soon, as CANCELLED if none has come, and
 * is waited for as ever. */
void whs_asks_give_up(struct whs_asks *asks, struct whs_ask *ask);

/* --- Engine thread. --- */

/* NULL: it is an attempt's. */
struct whs_ask *whs_ask_of(struct whs_exchange *exchange);
/* Something was put since the last start. */
bool whs_asks_has_news(struct whs_asks *asks);
/* Ends what was given up, starts what waits and may. */
void whs_asks_start(struct whs_asks *asks, struct whs_transport *transport);
/* Its answer has come. */
void whs_asks_end(struct whs_asks *asks, struct whs_ask *ask);
/* All that wait or are under way end as CANCELLED, and no other is taken. */
void whs_asks_close(struct whs_asks *asks, struct whs_transport *transport);

#endif
