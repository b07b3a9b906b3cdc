/* SPDX-License-Identifier: MIT
 *
 * One event with its matches, as the queue holds it: one allocation beside the event,
 * and no body. Each delivery in it is a node that wanders through the engine by its
 * `next`:
 *
 *   queue ─▶ lane ─▶ attempt ─┬─▶ report, dropped
 *              ▲              │
 *              └── halved ────┘      lane or attempt ─▶ leaving ─▶ report, dropped
 *
 * The last one dropped frees the fan-out. Whoever pushes builds it; from then on it
 * belongs to the engine thread.
 */
#ifndef WHS_FANOUT_H
#define WHS_FANOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "event.h"
#include "matcher.h"
#include "subscriber.h"

struct whs_fanout;

struct whs_delivery {
    struct whs_delivery *next;
    struct whs_fanout *fanout;
    struct whs_subscriber *sub; /* referenced: who matched, perhaps replaced since */
    int64_t time_ms;            /* monotonic: queued; when leaving, due again */
    int32_t attempts;           /* made so far */
    uint32_t weight;            /* bytes in a batch, at most; 0 outside batches */
    uint16_t bundle; /* it and so many - 1 behind it travel together; 0: free */
    uint8_t path;    /* index of the event's paths */
    uint8_t outcome; /* enum whs_outcome with which it leaves */
};

/* What stands in the queue: a fan-out, of which this is a part, the removal of a
 * subscription, or the reopening of an origin. */
struct whs_item {
    struct whs_item *next;
    struct whs_fanout *fanout; /* NULL: one of the others */
    struct whs_slice reopens;  /* the origin; absent: a removal, and these count */
    int64_t seq;
    bool cancel; /* what is queued for it is cancelled; else spilled */
};

struct whs_fanout {
    struct whs_item item;
    struct whs_event *event; /* referenced */
    size_t bytes;            /* what it weighs in the queue, the event included */
    size_t count;
    size_t linked;    /* deliveries that have gone to their lanes, from the first */
    size_t undropped; /* deliveries that are not dropped */
    bool claimed_row; /* from a waiting row: its event is not in the outbox */
#ifdef WHS_SABOTAGE_expand_at_publish
    struct whs_buf bodies;
#endif
    struct whs_delivery deliveries[];
};

/* Refers to `event`; takes the references of the matches, unless it fails: NULL is no
 * memory. */
struct whs_fanout *whs_fanout_create(struct whs_event *event,
                                     const struct whs_match *matches, size_t count);
/* Drops what has not gone to a lane: all, before it is the engine thread's. */
void whs_fanout_destroy(struct whs_fanout *fanout);

/* True when dropping this one ends its fan-out. */
static inline bool
whs_delivery_is_last(const struct whs_delivery *dlv)
{
    return dlv->fanout->undropped == 1;
}

/* It has been reported. Returns the bytes that this frees: 0 unless it was the last. */
size_t whs_delivery_drop(struct whs_delivery *dlv);

#endif
