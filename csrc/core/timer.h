/* SPDX-License-Identifier: MIT
 *
 * What is due next? Times on one clock, in a pairing heap whose nodes live inside what
 * waits: setting a timer cannot fail.
 *
 *   first ─▶ 10
 *            │ child
 *            ▼
 *            30 ─sibling─▶ 12 ─sibling─▶ 50      no child is earlier than its parent
 *            │
 *            ▼
 *            31
 */
#ifndef WHS_TIMER_H
#define WHS_TIMER_H

#include <stdbool.h>
#include <stdint.h>

/* {0} is not set. */
struct whs_timer {
    int64_t at_ms;
    struct whs_timer *child;
    struct whs_timer *sibling;
    struct whs_timer *prev; /* parent of a first child, else the sibling before */
    bool set;
};

/* {0} is empty. */
struct whs_timers {
    struct whs_timer *first;
};

/* Moves one that is set already. */
void whs_timer_set(struct whs_timers *timers, struct whs_timer *timer, int64_t at_ms);
/* Fine when not set. */
void whs_timer_clear(struct whs_timers *timers, struct whs_timer *timer);
/* The earliest that is due at `now_ms`, cleared; NULL: none. */
struct whs_timer *whs_timers_take_due(struct whs_timers *timers, int64_t now_ms);
/* INT64_MAX: none is set. */
int64_t whs_timers_next(const struct whs_timers *timers);

#endif
