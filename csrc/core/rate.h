/* SPDX-License-Identifier: MIT
 *
 * How much may one subscription be sent? A bucket that holds a second's worth of
 * tokens, at least one, and fills at the subscription's rate. Each notification that is
 * sent takes one, so a batch of n takes n. What has one token may start: a batch may
 * take more than there is, and what it owes is waited for before the next. Pure: times
 * are given.
 *
 *   full ──take n──▶ fewer by n ──time──▶ full        under one token: not ready
 *
 * A rate is a number of millionths of a notification per second; the bucket is kept as
 * the time at which it will be full, so that all zeroes is a full one.
 */
#ifndef WHS_RATE_H
#define WHS_RATE_H

#include <stddef.h>
#include <stdint.h>

/* One in 100 seconds to a thousand each second. */
#define WHS_RATE_MICROS_MIN 10000
#define WHS_RATE_MICROS_MAX 1000000000
#define WHS_RATE_MICROS 1000000 /* of them are one per second */

struct whs_rate {
    int64_t full_at_ns; /* monotonic */
};

/* The time, from now on, at which the next notification may start after `ahead` others.
 */
int64_t whs_rate_ready_ms(const struct whs_rate *rate, uint32_t micros, size_t ahead,
                          int64_t mono_ms);
/* How many may start up to `until_ms`. */
size_t whs_rate_count(const struct whs_rate *rate, uint32_t micros, int64_t mono_ms,
                      int64_t until_ms);
void whs_rate_take(struct whs_rate *rate, uint32_t micros, size_t count,
                   int64_t mono_ms);
/* When it is full, and so need not be remembered. */
int64_t whs_rate_full_ms(const struct whs_rate *rate);

#endif
