/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include <string.h>

#include "alloc.h"

struct whs_item *
whs_removal_create(int64_t seq, bool cancel)
{
    struct whs_item *item = whs_calloc(1, sizeof(*item));
    if (item)
        *item = (struct whs_item){.seq = seq, .cancel = cancel};
    return item;
}

struct whs_item *
whs_reopening_create(struct whs_slice origin)
{
    struct whs_item *item = whs_calloc(1, sizeof(*item) + origin.len);
    if (!item)
        return NULL;
    char *name = (char *)(item + 1);
    if (origin.len)
        memcpy(name, origin.ptr, origin.len);
    item->reopens = (struct whs_slice){name, origin.len};
    return item;
}

void
whs_item_destroy(struct whs_item *item)
{
    if (item && item->fanout)
        whs_fanout_destroy(item->fanout);
    else
        whs_free(item);
}

void
whs_queue_init(struct whs_queue *queue, int64_t deliveries_max, int64_t bytes_max)
{
    *queue =
        (struct whs_queue){.deliveries_max = deliveries_max, .bytes_max = bytes_max};
#ifdef WHS_SABOTAGE_no_queue_limit
    queue->deliveries_max = queue->bytes_max = INT64_MAX;
#endif
    atomic_init(&queue->deliveries, 0);
    atomic_init(&queue->bytes, 0);
    pthread_mutex_init(&queue->lock, NULL);
    queue->last = &queue->first;
}

void
whs_queue_fini(struct whs_queue *queue)
{
    while (queue->first) {
        struct whs_item *next = queue->first->next;
        whs_item_destroy(queue->first);
        queue->first = next;
    }
    pthread_mutex_destroy(&queue->lock);
}

bool
whs_queue_is_full(struct whs_queue *queue)
{
    return atomic_load(&queue->deliveries) >= queue->deliveries_max ||
           atomic_load(&queue->bytes) >= queue->bytes_max;
}

/* What is no fan-out weighs nothing and is never refused for the limits. */
static enum whs_status
admit_locked(struct whs_queue *queue, const struct whs_fanout *fanout)
{
    if (queue->closed)
        return WHS_CLOSED;
    if (!fanout)
        return WHS_OK;
    if (whs_queue_is_full(queue))
        return WHS_FULL;
    atomic_fetch_add(&queue->deliveries, (int64_t)fanout->count);
    atomic_fetch_add(&queue->bytes, (int64_t)fanout->bytes);
    return WHS_OK;
}

enum whs_status
whs_queue_push(struct whs_queue *queue, struct whs_item *item)
{
    pthread_mutex_lock(&queue->lock);
    enum whs_status status = admit_locked(queue, item->fanout);
    if (status == WHS_OK) {
        *queue->last = item;
        queue->last = &item->next;
    }
    pthread_mutex_unlock(&queue->lock);
    return status;
}

void
whs_queue_close(struct whs_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_mutex_unlock(&queue->lock);
}

struct whs_item *
whs_queue_take(struct whs_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    struct whs_item *items = queue->first;
    queue->first = NULL;
    queue->last = &queue->first;
    pthread_mutex_unlock(&queue->lock);
    return items;
}

bool
whs_queue_is_empty(struct whs_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool empty = !queue->first;
    pthread_mutex_unlock(&queue->lock);
    return empty;
}

void
whs_queue_release(struct whs_queue *queue, size_t deliveries, size_t bytes)
{
    atomic_fetch_sub(&queue->deliveries, (int64_t)deliveries);
    if (bytes)
        atomic_fetch_sub(&queue->bytes, (int64_t)bytes);
}

void
whs_queue_recount(struct whs_queue *queue, size_t deliveries)
{
    atomic_fetch_add(&queue->deliveries, (int64_t)deliveries);
}
