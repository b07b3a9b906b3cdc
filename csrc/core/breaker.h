/* SPDX-License-Identifier: MIT
 *
 * Is this origin worth trying? Counts connection failures in a row; at the limit it
 * opens for a time, then lets one probe through. Pure: times are given. HTTP statuses
 * never count, because many tenants share one host.
 *
 *   closed ──failures == limit──▶ open ──time──▶ half-open ──good──▶ closed
 *                                  ▲                 │
 *                                  └───── bad ───────┘
 */
#ifndef WHS_BREAKER_H
#define WHS_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

struct whs_breaker {
    int failures;
    bool probing;
    int64_t blocked_until_ms; /* monotonic; 0: closed */
};

/* What the end of an attempt changed. */
enum whs_breaker_news {
    WHS_BREAKER_AS_BEFORE,
    WHS_BREAKER_OPENED, /* or stays open for longer */
    WHS_BREAKER_CLOSED,
};

/* True when an attempt may start; in half-open state it becomes the probe. */
bool whs_breaker_admits(struct whs_breaker *breaker, int64_t mono_ms);
/* The earliest time at which admits can say yes; 0: now. */
int64_t whs_breaker_blocked_until(const struct whs_breaker *breaker);
enum whs_breaker_news whs_breaker_record(struct whs_breaker *breaker,
                                         bool connection_failed, int failures_max,
                                         int64_t open_ms, int64_t mono_ms);

#endif
