/* SPDX-License-Identifier: MIT */
#include "alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct whs_allocator system_allocator = {malloc, realloc, free};
static struct whs_allocator current = {malloc, realloc, free};

void *
whs_alloc(size_t size)
{
    return current.alloc(size ? size : 1);
}

void *
whs_calloc(size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        return NULL;
    void *ptr = whs_alloc(count * size);
    if (ptr)
        memset(ptr, 0, count * size);
    return ptr;
}

void *
whs_resize(void *ptr, size_t size)
{
    return current.resize(ptr, size ? size : 1);
}

void
whs_free(void *ptr)
{
    current.release(ptr);
}

void
whs_free_wiped(void *ptr, size_t size)
{
    if (ptr)
        explicit_bzero(ptr, size);
    whs_free(ptr);
}

void
whs_alloc_replace(const struct whs_allocator *allocator)
{
    current = allocator ? *allocator : system_allocator;
}
