/* SPDX-License-Identifier: MIT
 *
 * When may memory go that a reader without a lock may still see?
 *
 *   reader   enter ─────── reads what is published ─────── leave
 *   writer   unlink x, retire x ──▶ limbo ──▶ epoch moves on twice ──▶ release x
 *
 * A reader announces itself in the present epoch. The epoch moves from e to e + 1 only
 * when no reader of e - 1 is left, so readers live in at most two epochs, and what was
 * retired in e is out of everybody's sight in e + 2. Any number of readers; they
 * announce themselves in one of several counters, each in its own cache line, so that
 * two of them rarely meet. Readers never wait. Writers exclude each other by a lock of
 * their own.
 *
 * Memory order. Announcing and then looking at the epoch again, against moving the
 * epoch and then counting, is the one place that needs a single total order (seq_cst):
 * a reader that the writer's count missed sees the epoch that the writer set before it
 * counted, and announces itself anew. Leaving is a release, counting an acquire: what
 * the reader did happens before what it saw is freed.
 */
#ifndef WHS_EPOCH_H
#define WHS_EPOCH_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* More threads than this share counters, which is correct, only slower. */
#define WHS_EPOCH_STRIPES 32
/* A writer that finds so much in limbo waits for the readers of that time: what is kept
 * for them is bounded, and retiring never needs memory. */
#define WHS_EPOCH_LIMBO_MAX 128

struct whs_epoch_stripe {
    atomic_uint inside[2]; /* readers of even and of odd epochs */
    char padding[120];     /* two cache lines: neighbours are fetched in pairs */
};

/* Frees `ptr`, of which `size` bytes were counted in limbo. */
typedef void (*whs_epoch_release)(void *ctx, void *ptr, size_t size);

struct whs_epoch_retired {
    whs_epoch_release release;
    void *ctx;
    void *ptr;
    size_t size;
    uint64_t epoch;
};

struct whs_epoch {
    _Atomic uint64_t now;
    struct whs_epoch_stripe stripes[WHS_EPOCH_STRIPES];
    /* The rest is the writer's: a ring, oldest first. */
    struct whs_epoch_retired limbo[WHS_EPOCH_LIMBO_MAX];
    size_t limbo_start;
    size_t limbo_len;
    size_t limbo_bytes;
};

void whs_epoch_init(struct whs_epoch *epoch);
/* No reader may be inside. Releases everything. */
void whs_epoch_fini(struct whs_epoch *epoch);

/* Any thread, not nested with a writer's call of the same epoch. Returns what leave
 * takes.
 */
atomic_uint *whs_epoch_enter(struct whs_epoch *epoch);
void whs_epoch_leave(atomic_uint *entered);

/* Writer: `ptr` is unlinked already. May wait for readers when limbo is full. */
void whs_epoch_retire(struct whs_epoch *epoch, whs_epoch_release release, void *ctx,
                      void *ptr, size_t size);
/* A release that frees by alloc.h. */
void whs_epoch_release_memory(void *ctx, void *ptr, size_t size);
/* Writer: releases what nobody can see any more; never waits. */
void whs_epoch_reclaim(struct whs_epoch *epoch);
/* Writer: returns when every reader that was inside at the call has left; readers that
 * enter later do not hold it up. */
void whs_epoch_wait(struct whs_epoch *epoch);

#endif
