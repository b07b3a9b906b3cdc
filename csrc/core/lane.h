/* SPDX-License-Identifier: MIT
 *
 * Who has work, and may it start? Each subscription with work has a lane (first in,
 * first out), each lane leads to an origin. Lanes that may start stand in their
 * origin's ring (in two: those with nothing in flight before the others), origins that
 * may start stand in one ring of origins: taking the front and sending it to the back
 * is round-robin, in one step.
 *
 *   ready ─▶ origin A ─▶ origin C ─▶ …          not ready: at its cap, breaker open,
 *              │            │                              or no lane is ready
 *              ▼            ▼
 *            lane 7       lane 3                not ready: at its cap, or its batch
 *            lane 9                                        is lingering, or it is
 *                                                          over its rate
 *
 * whs_lane_place alone decides where a lane and its origin stand. But a lane that waits
 * for a time is put among the ready ones now and then: whoever starts looks at it, and
 * at what has become of its subscription, and places it again. Everything here belongs
 * to the engine thread.
 */
#ifndef WHS_LANE_H
#define WHS_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fanout.h"
#include "list.h"
#include "origin.h"
#include "rate.h"
#include "table.h"
#include "timer.h"

enum whs_lane_stand {
    WHS_LANE_NOWHERE, /* no deliveries, but attempts or a memory */
    WHS_LANE_BUSY,    /* has deliveries */
    WHS_LANE_IDLE,    /* kept for its next delivery */
};

struct whs_lane {
    struct whs_entry entry;
    struct whs_link ring;  /* in its origin's fresh or other lanes */
    struct whs_link place; /* in the list of `stand` */
    enum whs_lane_stand stand;
    struct whs_timer wake;      /* when it is looked at, or its rate may be forgotten */
    struct whs_origin *origin;  /* referenced */
    struct whs_subscriber *sub; /* referenced: the one that attempts use now */
    uint64_t generation;        /* of subscriptions, when `sub` was last looked up */
    struct whs_delivery *first;
    struct whs_delivery **last; /* where the next one is linked */
    size_t count;
    size_t weight; /* of its deliveries together */
    size_t in_flight;
    struct whs_rate rate;
    int64_t failing_since_ms; /* wall clock; 0: the last attempt was good */
    bool held;    /* its subscriber is gone: waits for what becomes of its deliveries */
    bool removed; /* out of the table: lives until its attempts have ended */
    bool cancelled; /* removed because somebody unsubscribed */
};

struct whs_lanes {
    struct whs_origins origins;
    size_t in_flight_max; /* of each lane */
    struct whs_table table;
    struct whs_link busy;
    struct whs_link idle;
    size_t idle_count;
    struct whs_timers waking;
};

/* False: no memory. */
bool whs_lanes_init(struct whs_lanes *lanes, size_t per_origin_max, size_t reserved,
                    size_t per_lane_max, const struct whs_random *random);
/* Nothing may be in flight. Drops what is queued. */
void whs_lanes_fini(struct whs_lanes *lanes);
/* Sets the time, and looks at what lingered, was over its rate or was blocked until
 * then. */
void whs_lanes_wake(struct whs_lanes *lanes, int64_t mono_ms);
/* When whs_lanes_wake has something to do; INT64_MAX: never. */
int64_t whs_lanes_next(const struct whs_lanes *lanes);

/* NULL: it has none. */
struct whs_lane *whs_lane_find(struct whs_lanes *lanes, int64_t seq);
/* There must be none yet. Refers to `sub`. NULL: no memory. */
struct whs_lane *whs_lane_create(struct whs_lanes *lanes, struct whs_subscriber *sub,
                                 uint64_t generation);
/* Attempts that start from now on use `sub` (referenced). False: no memory. */
bool whs_lane_adopt(struct whs_lanes *lanes, struct whs_lane *lane,
                    struct whs_subscriber *sub);
/* Whoever comes with this seq gets a new lane. It must be empty; ends with its last
 * attempt, perhaps now. */
void whs_lane_remove(struct whs_lanes *lanes, struct whs_lane *lane, bool cancelled);

/* Says where it stands, and its origin; one without work may be gone afterwards. After
 * every change. */
void whs_lane_place(struct whs_lanes *lanes, struct whs_lane *lane);

/* Since when its next batch has been complete, or has lingered enough: in the future
 * while it lingers. Outside batches since its first was queued. Not empty. */
int64_t whs_lane_ready_since(const struct whs_lane *lane);
/* It is not empty, and over its rate or lingering. */
bool whs_lane_waits(const struct whs_lanes *lanes, const struct whs_lane *lane);

/* To the end; whs_lane_place is due. */
void whs_lane_append(struct whs_lane *lane, struct whs_delivery *dlv);
/* `first` … `last` (linked), `count` of them, to the front; whs_lane_place is due. */
void whs_lane_put_back(struct whs_lane *lane, struct whs_delivery *first,
                       struct whs_delivery *last, size_t count);
/* What one attempt would carry: one delivery, or a batch; linked, no longer in the
 * lane. whs_lane_place is due. */
struct whs_delivery *whs_lane_take(struct whs_lane *lane, size_t *count);
/* At most `max` of what was queued at `before_ms` or earlier, but not the first `keep`;
 * linked, NULL for none. whs_lane_place is due. */
struct whs_delivery *whs_lane_cut(struct whs_lane *lane, size_t keep, int64_t before_ms,
                                  size_t max);
/* The first of it, alone. Not empty. whs_lane_place is due. */
struct whs_delivery *whs_lane_take_one(struct whs_lane *lane);

/* `count` notifications of it are sent: they take as many tokens. Places it. */
void whs_lane_spend(struct whs_lanes *lanes, struct whs_lane *lane, size_t count);
/* An attempt begins and ends at `origin` for `lane`; both are placed. */
void whs_lane_begin(struct whs_lanes *lanes, struct whs_lane *lane);
void whs_lane_end(struct whs_lanes *lanes, struct whs_lane *lane,
                  struct whs_origin *origin);

#endif
