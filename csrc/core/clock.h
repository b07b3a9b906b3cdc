/* SPDX-License-Identifier: MIT
 *
 * Time and chance are given from outside, so that a test can be both.
 * Wall time is UTC milliseconds since 1970; monotonic time only compares with itself.
 */
#ifndef WHS_CLOCK_H
#define WHS_CLOCK_H

#include <stdint.h>

struct whs_clock {
    int64_t (*wall_ms)(void *ctx);
    int64_t (*mono_ms)(void *ctx);
    void *ctx;
};

struct whs_random {
    uint64_t (*next)(void *ctx);
    void *ctx;
};

/* CLOCK_REALTIME and CLOCK_MONOTONIC. Any thread. */
extern const struct whs_clock whs_clock_system;
/* getrandom(2). Any thread. */
extern const struct whs_random whs_random_system;

/* The same for who needs many within one call: the kernel is asked once for a whole
 * supply. Never kept longer, so that no forked process draws what its parent draws. */
#define WHS_RANDOM_SUPPLY 128
struct whs_random_supply {
    uint64_t values[WHS_RANDOM_SUPPLY];
    unsigned left;
};
struct whs_random whs_random_supply_init(struct whs_random_supply *supply);

#endif
