/* SPDX-License-Identifier: MIT
 *
 * The lists of postings.h by number: in slabs that never move, so that a reader who has
 * a number has the list. Numbers of lists that ended are given out again.
 */
#ifndef WHS_POSTING_LIST_H
#define WHS_POSTING_LIST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "epoch.h"

/* --- Memory that is counted, and freed once no reader sees it. Writer. --- */

struct whs_posting_memory {
    struct whs_epoch *epoch; /* borrowed */
    size_t bytes;
};

/* Zeroed; NULL: no memory. */
void *whs_posting_memory_take(struct whs_posting_memory *memory, size_t size);
/* `ptr` may be NULL. */
void whs_posting_memory_retire(struct whs_posting_memory *memory, void *ptr,
                               size_t size);

/* --- Lists. --- */

/* Half a cache line. `head` is a subscriber, or a block with the lowest bit set. `text`
 * is the first member's: all members have the same one. */
struct whs_posting_list {
    _Atomic uintptr_t head;
    _Atomic(const char *) text;
    uint64_t identity; /* constant while a reader may see the list */
    uint64_t hash;     /* writer's; the next free number while the list is none */
};

/* Slabs are kept for reuse; 512 lists are 16 KB. */
#define WHS_POSTING_SLAB_LISTS 512

struct whs_posting_directory {
    size_t cap;
    struct whs_posting_list *slabs[];
};

/* No list has this number, nor 0. */
#define WHS_POSTING_NUMBER_NONE UINT32_MAX

struct whs_posting_lists {
    _Atomic(struct whs_posting_directory *) directory;
    /* The rest is the writer's. */
    struct whs_posting_memory *memory; /* borrowed */
    uint32_t numbers;                  /* given out so far */
    uint32_t free;                     /* a list of numbers to give out again */
};

/* False: no memory; fini is needed all the same. */
bool whs_posting_lists_init(struct whs_posting_lists *lists,
                            struct whs_posting_memory *memory);
/* No reader may be inside. */
void whs_posting_lists_fini(struct whs_posting_lists *lists);

/* For readers, who load the directory behind the word that has the number: it has at
 * least the slab of that number. */
static inline const struct whs_posting_list *
whs_posting_lists_read(const struct whs_posting_lists *lists, uint32_t number)
{
    const struct whs_posting_directory *directory =
        atomic_load_explicit(&lists->directory, memory_order_acquire);
    return &directory->slabs[number / WHS_POSTING_SLAB_LISTS]
                            [number % WHS_POSTING_SLAB_LISTS];
}

/* Writer. */
struct whs_posting_list *whs_posting_lists_at(const struct whs_posting_lists *lists,
                                              uint32_t number);
/* Writer. 0: no memory. The number is given out when the caller fills it: see use. */
uint32_t whs_posting_lists_reserve(struct whs_posting_lists *lists);
struct whs_posting_list *whs_posting_lists_use(struct whs_posting_lists *lists,
                                               uint32_t number);
/* Writer: the number is free once no reader sees its list. */
void whs_posting_lists_retire(struct whs_posting_lists *lists, uint32_t number);

#endif
