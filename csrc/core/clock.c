/* SPDX-License-Identifier: MIT */
#include "clock.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static int64_t
read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t
read_wall(void *ctx)
{
    (void)ctx;
    return read_clock(CLOCK_REALTIME);
}

static int64_t
read_monotonic(void *ctx)
{
    (void)ctx;
    return read_clock(CLOCK_MONOTONIC);
}

/* A process without randomness must not make ids or keys of hashes. Signals may cut a
 * long answer short (getrandom(2)), never one of 256 bytes. */
static void
fill(void *out, size_t size)
{
    unsigned char *at = out;
    while (size > 0) {
        size_t some = size < 256 ? size : 256;
        if (getrandom(at, some, 0) != (ssize_t)some)
            abort();
        at += some;
        size -= some;
    }
}

static uint64_t
draw(void *ctx)
{
    (void)ctx;
    uint64_t value;
    fill(&value, sizeof(value));
    return value;
}

static uint64_t
draw_from_supply(void *ctx)
{
    struct whs_random_supply *supply = ctx;
    if (supply->left == 0) {
        fill(supply->values, sizeof(supply->values));
        supply->left = WHS_RANDOM_SUPPLY;
    }
    return supply->values[--supply->left];
}

struct whs_random
whs_random_supply_init(struct whs_random_supply *supply)
{
    supply->left = 0;
    return (struct whs_random){draw_from_supply, supply};
}

const struct whs_clock whs_clock_system = {read_wall, read_monotonic, NULL};
const struct whs_random whs_random_system = {draw, NULL};
