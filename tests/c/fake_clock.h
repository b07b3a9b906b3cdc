/* SPDX-License-Identifier: MIT
 *
 * Time and chance as a test wants them.
 */
#ifndef FAKE_CLOCK_H
#define FAKE_CLOCK_H

#include "clock.h"

struct fake_clock {
    int64_t wall_ms;
    int64_t mono_ms;
};

/* 2026-01-01T00:00:00Z. */
#define FAKE_CLOCK_START_MS INT64_C(1767225600000)

void fake_clock_init(struct fake_clock *fake);
/* Both clocks. */
void fake_clock_advance(struct fake_clock *fake, int64_t ms);
struct whs_clock fake_clock_clock(struct fake_clock *fake);

/* splitmix64: the same seed gives the same numbers. */
struct fake_random {
    uint64_t state;
};
uint64_t fake_random_next(struct fake_random *fake);
/* 0 … below - 1. */
uint64_t fake_random_below(struct fake_random *fake, uint64_t below);
struct whs_random fake_random_random(struct fake_random *fake);

#endif
