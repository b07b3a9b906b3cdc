/* SPDX-License-Identifier: MIT */
#include "posting_list.h"

#include <string.h>

#include "alloc.h"

#define FIRST_SLABS 8

/* --- Memory. --- */

void *
whs_posting_memory_take(struct whs_posting_memory *memory, size_t size)
{
    void *ptr = whs_calloc(1, size);

    if (ptr != NULL)
        memory->bytes += size;
    return ptr;
}

void
whs_posting_memory_retire(struct whs_posting_memory *memory, void *ptr, size_t size)
{
    if (ptr == NULL)
        return;
    memory->bytes -= size;
    whs_epoch_retire(memory->epoch, whs_epoch_release_memory, NULL, ptr, size);
}

/* --- Slabs. --- */

static size_t
measure_directory(size_t slabs)
{
    return sizeof(struct whs_posting_directory) +
           slabs * sizeof(struct whs_posting_list *);
}

static struct whs_posting_directory *
load_directory(const struct whs_posting_lists *lists)
{
    return atomic_load_explicit(&lists->directory, memory_order_relaxed);
}

static bool
grow_directory(struct whs_posting_lists *lists)
{
    struct whs_posting_directory *old = load_directory(lists);
    size_t cap = old == NULL ? FIRST_SLABS : old->cap * 2;
    struct whs_posting_directory *directory =
        whs_posting_memory_take(lists->memory, measure_directory(cap));

    if (directory == NULL)
        return false;
    directory->cap = cap;
    if (old != NULL)
        memcpy(directory->slabs, old->slabs, old->cap * sizeof(old->slabs[0]));
    atomic_store_explicit(&lists->directory, directory, memory_order_release);
    if (old != NULL)
        whs_posting_memory_retire(lists->memory, old, measure_directory(old->cap));
    return true;
}

/* A reader reaches a slab only through the word of one of its lists, which is written
 * later: the slab's pointer may be stored plainly. */
static bool
grow_slabs(struct whs_posting_lists *lists)
{
    struct whs_posting_directory *directory = load_directory(lists);
    size_t at = lists->numbers / WHS_POSTING_SLAB_LISTS;

    if (directory == NULL || at == directory->cap) {
        if (!grow_directory(lists))
            return false;
        directory = load_directory(lists);
    }
    if (directory->slabs[at] == NULL)
        directory->slabs[at] = whs_posting_memory_take(
            lists->memory, WHS_POSTING_SLAB_LISTS * sizeof(struct whs_posting_list));
    return directory->slabs[at] != NULL;
}

/* --- Numbers. --- */

struct whs_posting_list *
whs_posting_lists_at(const struct whs_posting_lists *lists, uint32_t number)
{
    return &load_directory(lists)->slabs[number / WHS_POSTING_SLAB_LISTS]
                                        [number % WHS_POSTING_SLAB_LISTS];
}

uint32_t
whs_posting_lists_reserve(struct whs_posting_lists *lists)
{
    if (lists->free != 0)
        return lists->free;
    if (lists->numbers == WHS_POSTING_NUMBER_NONE ||
        (lists->numbers % WHS_POSTING_SLAB_LISTS == 0 && !grow_slabs(lists)))
        return 0;
    return lists->numbers;
}

struct whs_posting_list *
whs_posting_lists_use(struct whs_posting_lists *lists, uint32_t number)
{
    struct whs_posting_list *list = whs_posting_lists_at(lists, number);

    if (number == lists->free)
        lists->free = (uint32_t)list->hash;
    else
        lists->numbers++;
    return list;
}

static void
release_number(void *ctx, void *ptr, size_t size)
{
    struct whs_posting_lists *lists = ctx;
    uint32_t number = (uint32_t)(uintptr_t)ptr;

    (void)size;
    whs_posting_lists_at(lists, number)->hash = lists->free;
    lists->free = number;
}

void
whs_posting_lists_retire(struct whs_posting_lists *lists, uint32_t number)
{
    whs_epoch_retire(lists->memory->epoch, release_number, lists,
                     (void *)(uintptr_t)number, 0);
}

/* --- Life. --- */

bool
whs_posting_lists_init(struct whs_posting_lists *lists,
                       struct whs_posting_memory *memory)
{
    *lists = (struct whs_posting_lists){.memory = memory};
    if (!grow_slabs(lists))
        return false;
    lists->numbers = 1;
    return true;
}

void
whs_posting_lists_fini(struct whs_posting_lists *lists)
{
    struct whs_posting_directory *directory = load_directory(lists);

    for (size_t i = 0; directory != NULL && i < directory->cap; i++)
        whs_free(directory->slabs[i]);
    whs_free(directory);
}
