/* SPDX-License-Identifier: MIT */
#include "blocks.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* Blocks of size number n have 16 n + 8 bytes, as glibc's have. */
#define STEP 16
#define REST 8

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||             \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

const bool whs_blocks_keep_any = !SANITIZED;

struct whs_kept_block {
    struct whs_kept_block *next;
};

static size_t
bytes_of(size_t number)
{
    return STEP * number + REST;
}

/* The smallest that holds `size` bytes, and a pointer; only below the limit. */
static size_t
number_for(size_t size)
{
    return size <= bytes_of(1) ? 1 : (size - REST + STEP - 1) / STEP;
}

static struct whs_kept_block *
take(struct whs_blocks *blocks, size_t number)
{
    struct whs_kept_block *block = blocks->first[number];
    if (!block)
        return NULL;
    blocks->first[number] = block->next;
    blocks->counts[number]--;
    blocks->bytes -= bytes_of(number);
    return block;
}

void *
whs_blocks_alloc(struct whs_blocks *blocks, size_t size)
{
    if (!whs_blocks_keep_any || !blocks || size > WHS_BLOCK_BYTES_MAX)
        return malloc(size);
    size_t number = number_for(size);
    void *block = take(blocks, number);
    return block ? block : malloc(bytes_of(number));
}

void *
whs_blocks_calloc(struct whs_blocks *blocks, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *ptr = whs_blocks_alloc(blocks, bytes);
    /* Hidden from compilers, which make one calloc of the two: glibc's passes the
     * thread's cache by. */
    __asm__ volatile("" : "+r"(ptr));
    if (ptr)
        memset(ptr, 0, bytes);
    return ptr;
}

static bool
keep(struct whs_blocks *blocks, void *ptr)
{
    size_t usable = malloc_usable_size(ptr);
    if (!whs_blocks_keep_any || usable < bytes_of(1) || usable > WHS_BLOCK_BYTES_MAX)
        return false;
    size_t number = (usable - REST) / STEP;
    if (blocks->counts[number] == WHS_BLOCKS_OF_A_SIZE_MAX ||
        blocks->bytes + bytes_of(number) > WHS_BLOCKS_BYTES_MAX)
        return false;
    struct whs_kept_block *block = ptr;
    block->next = blocks->first[number];
    blocks->first[number] = block;
    blocks->counts[number]++;
    blocks->bytes += bytes_of(number);
    return true;
}

void
whs_blocks_free(struct whs_blocks *blocks, void *ptr)
{
    if (!ptr || !blocks || !keep(blocks, ptr))
        free(ptr);
}

/* From one size that is kept to another: the C library has no part in it. */
static void *
move(struct whs_blocks *blocks, void *ptr, size_t usable, size_t size)
{
    void *moved = whs_blocks_alloc(blocks, size);
    if (!moved)
        return NULL;
    memcpy(moved, ptr, usable < size ? usable : size);
    whs_blocks_free(blocks, ptr);
    return moved;
}

void *
whs_blocks_resize(struct whs_blocks *blocks, void *ptr, size_t size)
{
    if (!ptr)
        return whs_blocks_alloc(blocks, size);
    size_t usable = blocks ? malloc_usable_size(ptr) : 0;
    if (!whs_blocks_keep_any || !blocks || usable > WHS_BLOCK_BYTES_MAX ||
        size > WHS_BLOCK_BYTES_MAX || size == 0)
        return realloc(ptr, size);
    return size <= usable && number_for(size) == number_for(usable)
               ? ptr
               : move(blocks, ptr, usable, size);
}

void
whs_blocks_fini(struct whs_blocks *blocks)
{
    for (size_t number = 0; number < WHS_BLOCK_SIZES; number++)
        for (void *block; (block = take(blocks, number));)
            free(block);
}
