/* SPDX-License-Identifier: MIT */
#include "fake_clock.h"

static int64_t
read_wall(void *ctx)
{
    return ((struct fake_clock *)ctx)->wall_ms;
}

static int64_t
read_mono(void *ctx)
{
    return ((struct fake_clock *)ctx)->mono_ms;
}

static uint64_t
draw(void *ctx)
{
    return fake_random_next(ctx);
}

void
fake_clock_init(struct fake_clock *fake)
{
    *fake = (struct fake_clock){FAKE_CLOCK_START_MS, 1000};
}

void
fake_clock_advance(struct fake_clock *fake, int64_t ms)
{
    fake->wall_ms += ms;
    fake->mono_ms += ms;
}

struct whs_clock
fake_clock_clock(struct fake_clock *fake)
{
    return (struct whs_clock){read_wall, read_mono, fake};
}

uint64_t
fake_random_next(struct fake_random *fake)
{
    uint64_t z = fake->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t
fake_random_below(struct fake_random *fake, uint64_t below)
{
    return fake_random_next(fake) % below;
}

struct whs_random
fake_random_random(struct fake_random *fake)
{
    return (struct whs_random){draw, fake};
}
