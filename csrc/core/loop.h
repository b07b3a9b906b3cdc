/* SPDX-License-Identifier: MIT
 *
 * What does the engine thread do all day? Turns:
 *
 *   take what was pushed ─▶ spill what cannot start ─▶ start what may ─▶ wait
 *        ▲                                                                │
 *        └──────────────── publish reports ◀─ conclude what was answered ─┘
 */
#ifndef WHS_LOOP_H
#define WHS_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "ask.h"
#include "work.h"

struct whs_loop {
    struct whs_work work;
    struct whs_asks asks;
    struct whs_item *taken; /* from the queue, not yet in lanes */
    /* The thread waits in poll, or is about to: whoever has news wakes it. */
    atomic_bool asleep;
    /* Nothing starts any more; at this monotonic time what is under way is given up.
     * INT64_MAX: not closing. */
    atomic_int_fast64_t close_at_ms;
    atomic_bool ended;

    atomic_int waiters; /* for idleness */
    atomic_bool asked;  /* one has come since the last look */
    pthread_mutex_t lock;
    pthread_cond_t idle;
    unsigned idle_seen; /* under the lock: how often that was told */
};

/* Takes `transport` (also when it fails). False: no memory. */
bool whs_loop_init(struct whs_loop *loop, const struct whs_engine_config *config,
                   struct whs_matcher *matcher, struct whs_transport *transport);
/* No thread may run it. */
void whs_loop_fini(struct whs_loop *loop);

/* Engine thread. Waits to `timeout_ms` for something to do. */
void whs_loop_turn(struct whs_loop *loop, int timeout_ms);
/* Turns until it has ended. */
void whs_loop_run(struct whs_loop *loop);

/* Any thread. After something was pushed. */
void whs_loop_nudge(struct whs_loop *loop);
/* Any thread. Makes it end, `grace_ms` from now at the latest. Of several calls the
 * soonest end counts. */
void whs_loop_close(struct whs_loop *loop, int grace_ms);
/* Any thread. WHS_OK: a turn ended with nothing queued that could start, and nothing in
 * flight. */
WHS_CHECK enum whs_status whs_loop_wait_idle(struct whs_loop *loop, int timeout_ms);

#endif
