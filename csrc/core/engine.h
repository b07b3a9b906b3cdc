/* SPDX-License-Identifier: MIT
 *
 * The delivering part: a matcher, a bounded queue of fan-outs, one thread, one
 * transport and a bounded queue of reports. It knows no database and no Python.
 *
 *   push ──▶ match ──▶ queue ──▶ start (fair, capped) ──▶ transport ──▶ decide ──▶
 * reports any thread ────────▶│◀────────────── engine thread
 * ───────────────────────────▶│◀── store
 *
 * A fan-out is an event with its matches; bodies exist only while an attempt runs. The
 * engine thread starts with whs_engine_start and ends with whs_engine_close.
 */
#ifndef WHS_ENGINE_H
#define WHS_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ask.h"
#include "counters.h"
#include "engine_config.h"
#include "event.h"
#include "matcher.h"
#include "report.h"
#include "status.h"
#include "transport.h"

struct whs_engine;

/* Refers to `catalog`; takes `transport` (also when it fails). */
WHS_CHECK enum whs_status whs_engine_create(const struct whs_engine_config *config,
                                            struct whs_catalog *catalog,
                                            struct whs_transport *transport,
                                            struct whs_engine **out,
                                            struct whs_error *err);
/* Closes without grace first. In a forked child: forgets, touches nothing of the
 * parent's. */
void whs_engine_destroy(struct whs_engine *engine);

WHS_CHECK enum whs_status whs_engine_start(struct whs_engine *engine,
                                           struct whs_error *err);

/* True in a child of the process that created it: nothing of it may be used there but
 * this and destroy. Calls with a status answer WHS_FORKED, the others do nothing. */
bool whs_engine_forked(const struct whs_engine *engine);

/* --- Subscriptions: any thread. --- */

struct whs_matcher *whs_engine_matcher(struct whs_engine *engine);
/* Adds or replaces: attempts that start from now on use this one. */
WHS_CHECK enum whs_status whs_engine_put_subscriber(struct whs_engine *engine,
                                                    struct whs_subscriber *sub,
                                                    struct whs_error *err);
enum whs_removal {
    /* Unsubscribed: what is queued is reported CANCELLED. */
    WHS_REMOVAL_CANCEL,
    /* Paused, disabled: what is queued is reported WAITING (spilled). */
    WHS_REMOVAL_SPILL,
};
enum whs_status whs_engine_remove_subscriber(struct whs_engine *engine, int64_t seq,
                                             enum whs_removal removal);

/* --- Work: any thread. --- */

/* What may still be pushed before WHS_FULL: the store asks before it claims. */
struct whs_engine_room {
    int64_t deliveries;
    int64_t bytes;
};
struct whs_engine_room whs_engine_room(struct whs_engine *engine);

/* Matches the event and queues the fan-out. `settled` are subscription seqs that have
 * their delivery row already (recovery), sorted. *matches counts what was queued; with
 * 0 nothing was, and the event is done. WHS_UNKNOWN_RESOURCE: today's catalog does not
 * know its paths. Refused with WHS_FULL only when the queue is over a limit before: one
 * hub may overfill it, so that no event is too large to ever go. */
WHS_CHECK enum whs_status whs_engine_push(struct whs_engine *engine,
                                          struct whs_event *event,
                                          const int64_t *settled, size_t settled_count,
                                          size_t *matches, struct whs_error *err);

/* A claimed waiting row: one delivery, `attempts` made before. WHS_NOT_FOUND: no such
 * subscriber now. */
WHS_CHECK enum whs_status whs_engine_push_due(struct whs_engine *engine,
                                              struct whs_event *event,
                                              int64_t subscription_seq, int attempts,
                                              struct whs_error *err);

/* Somebody is at this origin now: what is known of it is forgotten, and what waits for
 * it here may start. */
WHS_CHECK enum whs_status whs_engine_reopen(struct whs_engine *engine,
                                            struct whs_slice origin);

/* No attempt starts after this many ms from now (engine's monotonic clock); the
 * heartbeat moves it on. Never called: no lease. */
void whs_engine_extend_lease(struct whs_engine *engine, int64_t for_ms);

/* Sends the ask's request; what becomes of it is in its answer, when it has ended. It
 * has to be waited for. WHS_CLOSED: not started, or closed. This and the next two: any
 * thread but the engine's. */
WHS_CHECK enum whs_status whs_engine_ask(struct whs_engine *engine, struct whs_ask *ask,
                                         struct whs_error *err);
/* See whs_asks_wait. */
bool whs_engine_ask_wait(struct whs_engine *engine, const struct whs_ask *ask,
                         int timeout_ms);
/* See whs_asks_give_up. */
void whs_engine_ask_give_up(struct whs_engine *engine, struct whs_ask *ask);

/* --- Reports: the store's thread; see report.h. --- */

struct whs_report_queue *whs_engine_reports(struct whs_engine *engine);

/* --- End. --- */

/* Waits until nothing is queued or in flight. WHS_TIMEOUT. Any thread. */
WHS_CHECK enum whs_status whs_engine_wait_idle(struct whs_engine *engine,
                                               int timeout_ms);
/* Starts nothing more, spills what is queued, gives attempts under way `grace_ms` to
 * end (then they are cancelled and reported WAITING, outcome UNKNOWN), ends the thread.
 * Reports stay readable. Twice is fine, and with less grace ends the first one's. Any
 * thread but the engine's. */
void whs_engine_close(struct whs_engine *engine, int grace_ms);

/* One turn of the engine's loop on the caller's thread, waiting to `timeout_ms` for
 * something to do. For tests, in place of whs_engine_start. */
void whs_engine_turn(struct whs_engine *engine, int timeout_ms);

void whs_engine_stats(struct whs_engine *engine, struct whs_engine_stats *out);

#endif
