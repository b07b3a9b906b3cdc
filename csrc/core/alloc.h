/* SPDX-License-Identifier: MIT
 *
 * The only way the core takes memory. Tests replace the allocator to make the n-th
 * call fail, for every n.
 */
#ifndef WHS_ALLOC_H
#define WHS_ALLOC_H

#include <stddef.h>

struct whs_allocator {
    void *(*alloc)(size_t size);
    void *(*resize)(void *ptr, size_t size);
    void (*release)(void *ptr);
};

/* Returns owned, NULL when there is none. Any thread. */
void *whs_alloc(size_t size);
/* Zeroed; NULL also when count * size overflows. */
void *whs_calloc(size_t count, size_t size);
void *whs_resize(void *ptr, size_t size);
/* `ptr` may be NULL. */
void whs_free(void *ptr);
/* Wipes, then frees: for key material. `ptr` may be NULL. */
void whs_free_wiped(void *ptr, size_t size);

/* NULL restores the C library's. Only before any other thread runs: for tests. */
void whs_alloc_replace(const struct whs_allocator *allocator);

#endif
