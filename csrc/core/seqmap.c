/* SPDX-License-Identifier: MIT */
#include "seqmap.h"

#include <assert.h>

#include "alloc.h"

/* Open addressing. Seqs are ours and mostly follow each other, so a multiplication
 * spreads them well; entries behind a removed one move up, so none is ever marked. */
#define FIRST_ENTRIES 16

static size_t
home_of(size_t cap, int64_t seq)
{
    /* 2^64 over the golden ratio. */
    uint64_t spread = (uint64_t)seq * UINT64_C(0x9e3779b97f4a7c15);

    return (size_t)(spread >> 32) & (cap - 1);
}

static void
place_entry(struct whs_seqmap_entry *entries, size_t cap, struct whs_seqmap_entry entry)
{
    size_t at = home_of(cap, entry.sub->seq);

    while (entries[at].sub != NULL)
        at = (at + 1) & (cap - 1);
    entries[at] = entry;
}

/* Three quarters at most are used. */
static bool
resize_map(struct whs_seqmap *map, size_t cap)
{
    struct whs_seqmap_entry *entries = whs_calloc(cap, sizeof(*entries));

    if (entries == NULL)
        return false;
    for (size_t i = 0; i < map->cap; i++)
        if (map->entries[i].sub != NULL)
            place_entry(entries, cap, map->entries[i]);
    whs_free(map->entries);
    map->entries = entries;
    map->cap = cap;
    return true;
}

void
whs_seqmap_fini(struct whs_seqmap *map)
{
    whs_free(map->entries);
    *map = (struct whs_seqmap){0};
}

bool
whs_seqmap_reserve(struct whs_seqmap *map)
{
    if ((map->len + 1) * 4 <= map->cap * 3)
        return true;
    return resize_map(map, map->cap == 0 ? FIRST_ENTRIES : map->cap * 2);
}

struct whs_seqmap_entry *
whs_seqmap_find(struct whs_seqmap *map, int64_t seq)
{
    if (map->cap == 0)
        return NULL;
    for (size_t at = home_of(map->cap, seq); map->entries[at].sub != NULL;
         at = (at + 1) & (map->cap - 1))
        if (map->entries[at].sub->seq == seq)
            return &map->entries[at];
    return NULL;
}

void
whs_seqmap_add(struct whs_seqmap *map, struct whs_seqmap_entry entry)
{
    assert(map->len + 1 < map->cap);
    place_entry(map->entries, map->cap, entry);
    map->len++;
}

/* An entry may move up into a hole unless that lies before its home. */
static void
close_hole(struct whs_seqmap *map, size_t hole)
{
    size_t mask = map->cap - 1;

    for (size_t at = (hole + 1) & mask; map->entries[at].sub != NULL;
         at = (at + 1) & mask) {
        size_t home = home_of(map->cap, map->entries[at].sub->seq);
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        map->entries[hole] = map->entries[at];
        hole = at;
    }
    map->entries[hole].sub = NULL;
}

void
whs_seqmap_remove(struct whs_seqmap *map, int64_t seq)
{
    struct whs_seqmap_entry *entry = whs_seqmap_find(map, seq);

    assert(entry != NULL);
    close_hole(map, (size_t)(entry - map->entries));
    map->len--;
    /* A smaller map is welcome, not needed. */
    if (map->cap > FIRST_ENTRIES && map->len * 8 < map->cap)
        (void)resize_map(map, map->cap / 2);
}

size_t
whs_seqmap_bytes(const struct whs_seqmap *map)
{
    return map->cap * sizeof(*map->entries);
}
