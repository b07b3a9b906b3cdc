/* SPDX-License-Identifier: MIT
 *
 * What the engine thread has in its hands. One of these goes through start.c (who is
 * next), attempt.c (what is sent), conclude.c (what follows from an answer) and spill.c
 * (what leaves without an attempt); loop.c calls them in turn. Only `generation` and
 * `lease_until_ms` are touched by other threads.
 */
#ifndef WHS_WORK_H
#define WHS_WORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "counters.h"
#include "engine_config.h"
#include "fanout.h"
#include "lane.h"
#include "matcher.h"
#include "queue.h"
#include "report.h"
#include "transport.h"

/* How long nothing starts after memory has run out: whatever holds it must first get
 * the time to let it go. */
#define WHS_BREATHE_MS 50

struct whs_attempt;

struct whs_work {
    const struct whs_engine_config *config;
    struct whs_matcher *matcher;
    struct whs_transport *transport; /* owned */
    struct whs_queue queue;
    struct whs_report_queue *reports; /* owned */
    struct whs_counters counters;
    /* Moves on after every change of subscriptions: who was looked up before it is
     * looked up again. */
    atomic_uint_fast64_t generation;
    /* Monotonic; nothing starts from then on. INT64_MAX: no lease. */
    atomic_int_fast64_t lease_until_ms;

    /* The turn's time. */
    int64_t mono_ms;
    int64_t wall_ms;
    struct whs_lanes lanes;
    struct whs_link in_flight; /* attempts */
    size_t in_flight_count;
    struct whs_attempt *spare; /* kept for reuse: as many as ever flew at once */
    /* Deliveries that leave without an attempt and are not reported yet. */
    struct whs_delivery *leaving;
    struct whs_delivery **leaving_last;
    /* Reports made and not yet put. */
    struct whs_report *told;
    struct whs_report **told_last;
    int64_t next_sweep_ms;
    int64_t breathe_until_ms;
    size_t pace;        /* attempts started lately: see spill.c */
    int64_t paced_ms;   /* when it was last halved */
    bool lease_is_over; /* as start.c last saw it */
    bool closing;       /* nothing starts any more, everything queued leaves */
};

/* Takes `transport` (also when it fails). False: no memory. */
bool whs_work_init(struct whs_work *work, const struct whs_engine_config *config,
                   struct whs_matcher *matcher, struct whs_transport *transport);
/* Nothing may be in flight. What is queued is dropped. */
void whs_work_fini(struct whs_work *work);

/* Reads the clocks, and wakes what waited for their time. */
void whs_work_tick(struct whs_work *work);
/* Memory has run out. */
void whs_work_breathe(struct whs_work *work);
/* Takes the report; it reaches the store's thread with the next publish. */
void whs_work_tell(struct whs_work *work, struct whs_report *report);
void whs_work_publish(struct whs_work *work);
/* A delivery's row in a report, and the end of the delivery. */
void whs_work_settle(struct whs_work *work, struct whs_delivery *dlv,
                     struct whs_reported *row);

#endif
