/* SPDX-License-Identifier: MIT */
#include "outbox.h"

#include <string.h>

#include "alloc.h"

#define FIRST_CAP 64
/* An empty outbox keeps room for no more than this. */
#define KEPT_CAP 4096

void
whs_outbox_fini(struct whs_outbox *outbox)
{
    for (size_t i = outbox->start; i < outbox->end; i++)
        whs_event_unref(outbox->entries[i].event);
    whs_free(outbox->entries);
    *outbox = (struct whs_outbox){0};
}

/* Those that are there, to the start of `to`, which may be the same place. */
static void
close_up(struct whs_outbox *outbox, struct whs_outbox_entry *to)
{
    size_t len = 0;
    for (size_t i = outbox->start; i < outbox->end; i++)
        if (outbox->entries[i].event)
            to[len++] = outbox->entries[i];
    outbox->start = 0;
    outbox->end = len;
}

bool
whs_outbox_reserve(struct whs_outbox *outbox, size_t more)
{
    if (outbox->cap - outbox->end >= more)
        return true;
    size_t needed = outbox->count + more;
    /* At least as many left as are there: what is moved has been paid for. */
    if (needed <= outbox->cap && outbox->count <= outbox->end / 2) {
        close_up(outbox, outbox->entries);
        return true;
    }
    size_t cap = needed * 2 < FIRST_CAP ? FIRST_CAP : needed * 2;
    struct whs_outbox_entry *entries = whs_calloc(cap, sizeof(*entries));
    if (!entries)
        return false;
    close_up(outbox, entries);
    whs_free(outbox->entries);
    outbox->entries = entries;
    outbox->cap = cap;
    return true;
}

void
whs_outbox_add(struct whs_outbox *outbox, struct whs_event *event)
{
    outbox->entries[outbox->end++] =
        (struct whs_outbox_entry){event->seq, whs_event_ref(event)};
    outbox->count++;
    outbox->data_bytes += event->data.len;
}

/* As far from the start as its seq is, unless seqs are missing: then nearer. */
static struct whs_outbox_entry *
find_entry(const struct whs_outbox *outbox, int64_t seq)
{
    if (outbox->count == 0 || seq < outbox->entries[outbox->start].seq)
        return NULL;
    size_t low = outbox->start, high = outbox->end - 1;
    uint64_t distance = (uint64_t)(seq - outbox->entries[low].seq);
    if (distance < high - low)
        high = low + (size_t)distance;
    for (size_t at = high; low <= high; at = low + (high - low) / 2) {
        int64_t found = outbox->entries[at].seq;
        if (found == seq)
            return &outbox->entries[at];
        if (found < seq)
            low = at + 1;
        else if (at == 0)
            break;
        else
            high = at - 1;
    }
    return NULL;
}

struct whs_event *
whs_outbox_find(const struct whs_outbox *outbox, int64_t seq)
{
    const struct whs_outbox_entry *entry = find_entry(outbox, seq);
    return entry ? entry->event : NULL;
}

static void
become_empty(struct whs_outbox *outbox)
{
    outbox->start = outbox->end = 0;
    if (outbox->cap > KEPT_CAP) {
        whs_free(outbox->entries);
        outbox->entries = NULL;
        outbox->cap = 0;
    }
}

struct whs_event *
whs_outbox_take(struct whs_outbox *outbox, int64_t seq)
{
    struct whs_outbox_entry *entry = find_entry(outbox, seq);
    if (!entry || !entry->event)
        return NULL;
    struct whs_event *event = entry->event;
    entry->event = NULL;
    outbox->count--;
    outbox->data_bytes -= event->data.len;
    if (outbox->count == 0)
        become_empty(outbox);
    else
        while (!outbox->entries[outbox->start].event)
            outbox->start++;
    return event;
}
