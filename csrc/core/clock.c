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

static uint64_t
draw(void *ctx)
{
    (void)ctx;
    uint64_t value;
    /* Eight bytes come whole once the kernel's pool is ready (getrandom(2)); a process
     * without randomness must not make ids or keys of hashes. */
    if (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value))
        abort();
    return value;
}

const struct whs_clock whs_clock_system = {read_wall, read_monotonic, NULL};
const struct whs_random whs_random_system = {draw, NULL};
