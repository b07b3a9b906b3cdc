/* SPDX-License-Identifier: MIT
 *
 * One change, published once. One allocation, shared by reference count between who
 * keeps it, the queue and every attempt that carries it. Immutable once it is numbered.
 */
#ifndef WHS_EVENT_H
#define WHS_EVENT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "action.h"
#include "id.h"
#include "slice.h"

#define WHS_EVENT_PATHS_MAX 16
#define WHS_EVENT_DATA_BYTES_MAX (1024 * 1024)

struct whs_event {
    atomic_int refs;
    int64_t seq; /* 0: not numbered yet */
    uint8_t id[WHS_UUID_BYTES];
    enum whs_action action;
    int64_t published_at_ms;
    int64_t revision;         /* of subscriptions, as its transaction saw it */
    struct whs_slice open_id; /* absent when the publisher gave none */
    struct whs_slice data;    /* JSON, absent when the publisher gave none */
    size_t root_len;          /* of the root, which paths[0] starts with; 0: not told */
    size_t path_count;
    struct whs_slice paths[]; /* the same entity by one or more names, one root */
};

/* `from` describes it, its slices borrowed; everything is copied. NULL: no memory. */
struct whs_event *whs_event_create(const struct whs_event *from,
                                   const struct whs_slice *paths);
/* The event as it was stored: itself, or a copy of one that has a number already.
 * Returns owned, one reference; NULL: no memory. Before other threads know of it. */
struct whs_event *whs_event_number(struct whs_event *event, int64_t seq,
                                   int64_t published_at_ms, int64_t revision);
struct whs_event *whs_event_ref(struct whs_event *event);
void whs_event_unref(struct whs_event *event);
/* What it weighs in a queue. */
size_t whs_event_bytes(const struct whs_event *event);

#endif
