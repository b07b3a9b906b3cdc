/* SPDX-License-Identifier: MIT
 *
 * When do callers get refused? The way from any thread to the engine thread: fan-outs,
 * removals and reopenings, in one order, taken all at once. Its limits count what was
 * pushed and not yet released, wherever in the engine it has got to: deliveries until
 * they start, bytes until the whole fan-out is reported.
 */
#ifndef WHS_QUEUE_H
#define WHS_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fanout.h"
#include "status.h"

/* NULL: no memory. */
struct whs_item *whs_removal_create(int64_t seq, bool cancel);
struct whs_item *whs_reopening_create(struct whs_slice origin);
/* With its fan-out. NULL is fine. */
void whs_item_destroy(struct whs_item *item);

struct whs_queue {
    int64_t deliveries_max;
    int64_t bytes_max;
    atomic_int_fast64_t deliveries;
    atomic_int_fast64_t bytes;

    pthread_mutex_t lock;
    /* Under the lock. */
    struct whs_item *first;
    struct whs_item **last; /* where the next one is linked */
    bool closed;
};

void whs_queue_init(struct whs_queue *queue, int64_t deliveries_max, int64_t bytes_max);
/* Frees what nobody took. */
void whs_queue_fini(struct whs_queue *queue);

/* Any thread. WHS_FULL: over a limit before; WHS_CLOSED. Takes the item on success. */
WHS_CHECK enum whs_status whs_queue_push(struct whs_queue *queue,
                                         struct whs_item *item);
/* Any thread. True when a push would be refused now for its limits. */
bool whs_queue_is_full(struct whs_queue *queue);
/* From now on pushes answer WHS_CLOSED; what is in it can still be taken. */
void whs_queue_close(struct whs_queue *queue);

/* Engine thread. Everything, in order, linked by next; NULL when empty. */
struct whs_item *whs_queue_take(struct whs_queue *queue);
bool whs_queue_is_empty(struct whs_queue *queue);
void whs_queue_release(struct whs_queue *queue, size_t deliveries, size_t bytes);
/* The other way: deliveries that started and wait once more. */
void whs_queue_recount(struct whs_queue *queue, size_t deliveries);

#endif
