/* SPDX-License-Identifier: MIT */
#include "watching_alloc.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

/* Before each block stands its size, as wide as malloc aligns. */
union size {
    size_t bytes;
    max_align_t align;
};

static const char *watched;
static unsigned found;

static void *
take(size_t size)
{
    union size *block = calloc(1, sizeof(*block) + size);

    if (block == NULL)
        return NULL;
    block->bytes = size;
    return block + 1;
}

static void
give_back(void *ptr)
{
    if (ptr == NULL)
        return;
    union size *block = (union size *)ptr - 1;
    if (memmem(ptr, block->bytes, watched, strlen(watched)) != NULL)
        found++;
    free(block);
}

/* The old block goes back too, as realloc may do it. */
static void *
take_larger(void *ptr, size_t size)
{
    void *larger = take(size);

    if (larger != NULL && ptr != NULL) {
        size_t old = ((union size *)ptr - 1)->bytes;
        memcpy(larger, ptr, old < size ? old : size);
        give_back(ptr);
    }
    return larger;
}

void
watching_alloc_begin(const char *text)
{
    static const struct whs_allocator watching = {take, take_larger, give_back};

    watched = text;
    found = 0;
    whs_alloc_replace(&watching);
}

unsigned
watching_alloc_end(void)
{
    whs_alloc_replace(NULL);
    return found;
}
