/* SPDX-License-Identifier: MIT */
#include "epoch.h"

#include <sched.h>
#include <stdbool.h>
#include <time.h>

#include "alloc.h"

/* A reader is inside for microseconds unless it lost its processor: yield some times,
 * then sleep. */
#define YIELDS_MAX 64
#define SLEEP_NS 50000

static unsigned
pick_stripe(void)
{
    static atomic_uint next;
    static _Thread_local unsigned mine; /* plus one: 0 is not picked yet */

    if (mine == 0)
        mine = 1 + atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) %
                       WHS_EPOCH_STRIPES;
    return mine - 1;
}

void
whs_epoch_init(struct whs_epoch *epoch)
{
    *epoch = (struct whs_epoch){0};
    atomic_init(&epoch->now, 2); /* so that two epochs ago is no negative number */
}

static void
release_oldest(struct whs_epoch *epoch)
{
    struct whs_epoch_retired oldest = epoch->limbo[epoch->limbo_start];

    epoch->limbo_start = (epoch->limbo_start + 1) % WHS_EPOCH_LIMBO_MAX;
    epoch->limbo_len--;
    epoch->limbo_bytes -= oldest.size;
    oldest.release(oldest.ctx, oldest.ptr, oldest.size);
}

void
whs_epoch_fini(struct whs_epoch *epoch)
{
    while (epoch->limbo_len > 0)
        release_oldest(epoch);
}

atomic_uint *
whs_epoch_enter(struct whs_epoch *epoch)
{
    struct whs_epoch_stripe *stripe = &epoch->stripes[pick_stripe()];

    for (;;) {
        uint64_t now = atomic_load(&epoch->now);
        atomic_uint *inside = &stripe->inside[now & 1];
        atomic_fetch_add(inside, 1);
        if (atomic_load(&epoch->now) == now)
            return inside;
        /* The writer moved on in between: it may not have counted us. */
        atomic_fetch_sub(inside, 1);
    }
}

void
whs_epoch_leave(atomic_uint *entered)
{
    atomic_fetch_sub_explicit(entered, 1, memory_order_release);
}

/* False while a reader of the epoch before is inside. */
static bool
move_on(struct whs_epoch *epoch)
{
    uint64_t now = atomic_load(&epoch->now);

    for (size_t i = 0; i < WHS_EPOCH_STRIPES; i++)
        if (atomic_load(&epoch->stripes[i].inside[(now + 1) & 1]) != 0)
            return false;
    atomic_store(&epoch->now, now + 1);
    return true;
}

void
whs_epoch_reclaim(struct whs_epoch *epoch)
{
    if (epoch->limbo_len == 0)
        return;
    if (move_on(epoch))
        move_on(epoch);
    uint64_t now = atomic_load(&epoch->now);
    while (epoch->limbo_len > 0 && epoch->limbo[epoch->limbo_start].epoch + 2 <= now)
        release_oldest(epoch);
}

void
whs_epoch_wait(struct whs_epoch *epoch)
{
    uint64_t until = atomic_load(&epoch->now) + 2;

    for (unsigned tries = 0; atomic_load(&epoch->now) < until; tries++) {
        if (move_on(epoch))
            continue;
        if (tries < YIELDS_MAX)
            sched_yield();
        else
            nanosleep(&(struct timespec){.tv_nsec = SLEEP_NS}, NULL);
    }
    whs_epoch_reclaim(epoch);
}

void
whs_epoch_retire(struct whs_epoch *epoch, whs_epoch_release release, void *ctx,
                 void *ptr, size_t size)
{
    if (epoch->limbo_len == WHS_EPOCH_LIMBO_MAX)
        whs_epoch_wait(epoch);
    size_t end = (epoch->limbo_start + epoch->limbo_len) % WHS_EPOCH_LIMBO_MAX;
    epoch->limbo[end] =
        (struct whs_epoch_retired){release, ctx, ptr, size, atomic_load(&epoch->now)};
    epoch->limbo_len++;
    epoch->limbo_bytes += size;
}

void
whs_epoch_release_memory(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    (void)size;
    whs_free(ptr);
}
