/* SPDX-License-Identifier: MIT
 *
 * Where in the postings does the subscriber with this seq stand? One thread at a time.
 */
#ifndef WHS_SEQMAP_H
#define WHS_SEQMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "postings.h"
#include "subscriber.h"

struct whs_seqmap_entry {
    struct whs_subscriber *sub; /* borrowed; NULL: empty */
    struct whs_posting_place place;
};

/* {0} is a valid empty map. */
struct whs_seqmap {
    struct whs_seqmap_entry *entries;
    size_t cap;
    size_t len;
};

void whs_seqmap_fini(struct whs_seqmap *map);
/* Makes room for one more; false when there is none. */
bool whs_seqmap_reserve(struct whs_seqmap *map);
/* NULL when there is none. Borrowed until the map changes; `sub` may be exchanged for
 * one with the same seq. */
struct whs_seqmap_entry *whs_seqmap_find(struct whs_seqmap *map, int64_t seq);
/* Reserved before, and not in the map yet. */
void whs_seqmap_add(struct whs_seqmap *map, struct whs_seqmap_entry entry);
void whs_seqmap_remove(struct whs_seqmap *map, int64_t seq);
size_t whs_seqmap_bytes(const struct whs_seqmap *map);

#endif
