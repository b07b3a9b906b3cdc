/* SPDX-License-Identifier: MIT */
#include "event.h"

#include <string.h>

#include "alloc.h"

static struct whs_slice
place(char **at, struct whs_slice text)
{
    if (!text.ptr)
        return text;
    struct whs_slice placed = {*at, text.len};
    memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return placed;
}

static size_t
measure(const struct whs_event *from, const struct whs_slice *paths)
{
    size_t size = sizeof(*from) + from->path_count * sizeof(paths[0]);
    size += from->open_id.len + from->data.len;
    for (size_t i = 0; i < from->path_count; i++)
        size += paths[i].len;
    return size;
}

struct whs_event *
whs_event_create(const struct whs_event *from, const struct whs_slice *paths)
{
    struct whs_event *event = whs_alloc(measure(from, paths));
    if (!event)
        return NULL;
    memcpy(event, from, sizeof(*from));
    atomic_init(&event->refs, 1);
    char *at = (char *)(event->paths + from->path_count);
    for (size_t i = 0; i < from->path_count; i++)
        event->paths[i] = place(&at, paths[i]);
    event->open_id = place(&at, from->open_id);
    event->data = place(&at, from->data);
    return event;
}

struct whs_event *
whs_event_number(struct whs_event *event, int64_t seq, int64_t published_at_ms,
                 int64_t revision)
{
    struct whs_event *numbered =
        event->seq == 0 ? whs_event_ref(event) : whs_event_create(event, event->paths);
    if (!numbered)
        return NULL;
    numbered->seq = seq;
    numbered->published_at_ms = published_at_ms;
    numbered->revision = revision;
    return numbered;
}

struct whs_event *
whs_event_ref(struct whs_event *event)
{
    atomic_fetch_add_explicit(&event->refs, 1, memory_order_relaxed);
    return event;
}

void
whs_event_unref(struct whs_event *event)
{
    if (event && atomic_fetch_sub_explicit(&event->refs, 1, memory_order_acq_rel) == 1)
        whs_free(event);
}

size_t
whs_event_bytes(const struct whs_event *event)
{
    return measure(event, event->paths);
}
