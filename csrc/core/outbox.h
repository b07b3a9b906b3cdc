/* SPDX-License-Identifier: MIT
 *
 * Which events of a store in memory are still to be fanned out? They come in the order
 * of their seq and leave in any; one that stays for long does not keep the room of
 * those that left. One thread at a time.
 */
#ifndef WHS_OUTBOX_H
#define WHS_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

struct whs_outbox_entry {
    int64_t seq;
    struct whs_event *event; /* referenced; NULL: it left */
};

/* {0} is a valid empty one. Entries from `start` to `end`, the first of them there. */
struct whs_outbox {
    struct whs_outbox_entry *entries;
    size_t cap;
    size_t start;
    size_t end;
    size_t count;
    size_t data_bytes; /* of those there */
};

void whs_outbox_fini(struct whs_outbox *outbox);
/* Makes room for so many more; false when there is no memory. */
bool whs_outbox_reserve(struct whs_outbox *outbox, size_t more);
/* Reserved before, and numbered above all that ever were in it. Takes a reference. */
void whs_outbox_add(struct whs_outbox *outbox, struct whs_event *event);
/* Borrowed until it leaves; NULL: it is not there. */
struct whs_event *whs_outbox_find(const struct whs_outbox *outbox, int64_t seq);
/* Owned; NULL: it is not there. */
struct whs_event *whs_outbox_take(struct whs_outbox *outbox, int64_t seq);

#endif
