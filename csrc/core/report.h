/* SPDX-License-Identifier: MIT
 *
 * What the engine tells the store: one report for each attempt that ended and each
 * delivery that was spilled, expired or cancelled. A report holds its rows' values and
 * no pointer into the engine, so that any thread may read it at leisure.
 *
 * The report queue has a fixed number of slots. An attempt reserves one before it
 * starts and the store gives it back after its commit: a store that stands still stops
 * starts, it does not lose reports. What was never attempted (spilled, expired,
 * cancelled) is reported without a slot, by many deliveries in one report, and only
 * while there is room: as many such deliveries as slots are left.
 */
#ifndef WHS_REPORT_H
#define WHS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "breaker.h"
#include "delivery.h"
#include "id.h"
#include "outcome.h"
#include "transport.h"

/* One delivery within a report. */
struct whs_reported {
    int64_t event_seq;
    int64_t subscription_seq;
    enum whs_delivery_state state; /* WAITING, DELIVERED, DEAD, EXPIRED, CANCELLED */
    int attempts;                  /* made so far, this one included */
    int64_t delay_ms;              /* WAITING: due so long after the settle */
    bool claimed_row; /* it came from a waiting row, not from an outbox event */
    bool event_done; /* all matches of its event are settled or spilled with this one */
};

/* Does its event leave the outbox with it? */
static inline bool
whs_reported_is_done(const struct whs_reported *reported)
{
    return reported->event_done && !reported->claimed_row;
}

struct whs_report {
    struct whs_report *next;
    enum whs_outcome outcome;
    int http_status;
    int64_t started_at_ms; /* wall clock; 0: nothing was attempted */
    int64_t duration_ms;
    char batch[WHS_NOTIFICATION_ID_SIZE]; /* "" outside a batch */
    char address[WHS_ADDRESS_SIZE];
    int64_t origin_seq; /* of the subscriptions in it: one origin for all */
    char *snippet;      /* owned, NULL on success; first bytes of the answer */
    size_t snippet_len;
    bool holds_slot;
    /* What became of the origin by this attempt. */
    enum whs_breaker_news origin_news;
    int64_t origin_blocked_ms; /* OPENED: nothing starts there for so long */
    /* What became of the subscription by this attempt. */
    bool subscription_disabled;  /* with `outcome` as the reason */
    bool subscription_failing;   /* its failing period starts here */
    bool subscription_recovered; /* and ends here */
    size_t count;
    struct whs_reported deliveries[];
};

/* Does this one get a row among the attempts? Failures do, and everything about a
 * delivery that has a history; a success at the first try lives in its delivery row. */
bool whs_report_is_attempt(const struct whs_report *report,
                           const struct whs_reported *reported);

struct whs_report_queue;

/* `slots` reports may be reserved or unsettled at once. NULL: no memory. */
struct whs_report_queue *whs_report_queue_create(size_t slots);
/* Frees what nobody took. */
void whs_report_queue_destroy(struct whs_report_queue *queue);

/* Engine thread. False: no slot is free now. */
bool whs_report_queue_reserve(struct whs_report_queue *queue);
/* Gives back a reserved slot that no report will use. */
void whs_report_queue_unreserve(struct whs_report_queue *queue);
/* Engine thread, for an attempt whose slot is reserved: as whs_report_create. */
struct whs_report *whs_report_queue_blank(struct whs_report_queue *queue, size_t count);
/* Engine thread. How many deliveries may be reported without a slot now. */
size_t whs_report_queue_room(struct whs_report_queue *queue);
/* Takes the report and those linked behind it; each uses a reserved slot when
 * holds_slot. Never fails. */
void whs_report_queue_put(struct whs_report_queue *queue, struct whs_report *report);
/* Before any other thread uses the queue: a take that waits goes on for `ms` after the
 * first report, for company, until `max` deliveries are there. Many settled at once
 * cost little more than one. Without this it waits for the first alone. */
void whs_report_queue_gather(struct whs_report_queue *queue, size_t max, int ms);
/* Engine thread: no report follows soon, a take need not wait for company. Until the
 * next put. */
void whs_report_queue_quiet(struct whs_report_queue *queue);
/* Slots reserved or unsettled. Any thread. */
size_t whs_report_queue_used(struct whs_report_queue *queue);
/* Before any other thread uses the queue: what settled() calls, on its thread, when
 * reserve or room has said no since the last call. */
void whs_report_queue_on_room(struct whs_report_queue *queue, void (*call)(void *ctx),
                              void *ctx);

/* `count` deliveries, all zero. Returns owned, NULL: no memory. */
struct whs_report *whs_report_create(size_t count);
/* Frees every report of the chain. */
void whs_report_destroy(struct whs_report *reports);

/* Store's thread: waits to `timeout_ms` for at least one, takes at most `max`
 * deliveries' worth (always one report), linked by next in the order they were put.
 * NULL: none. */
struct whs_report *whs_report_queue_take(struct whs_report_queue *queue, size_t max,
                                         int timeout_ms);
/* After their commit: frees the reports and their slots. */
void whs_report_queue_settled(struct whs_report_queue *queue,
                              struct whs_report *reports);
/* The other way: they were not written and are to be taken again, first. */
void whs_report_queue_return(struct whs_report_queue *queue,
                             struct whs_report *reports);
/* Any thread: makes take return early. */
void whs_report_queue_wake(struct whs_report_queue *queue);

#endif
