/* SPDX-License-Identifier: MIT
 *
 * Memory for libcurl: small blocks that it has freed are kept by their size for the
 * next time. Many requests begin and end together, and glibc (2.36) keeps seven of a
 * size for a thread; the others cost a lock and a search each.
 *
 * Every block is malloc's: one that was taken with these may be freed without, by any
 * thread, and the other way round. Somebody else in the process may have taken some of
 * the same libcurl before it was told of these. A `struct whs_blocks` is one thread's
 * at a time; where it is NULL nothing is kept. Under a sanitizer nothing is kept
 * either, so that it sees each block end.
 */
#ifndef WHS_BLOCKS_H
#define WHS_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sizes are told apart in steps of 16 bytes; what libcurl takes often is smaller. */
#define WHS_BLOCK_BYTES_MAX 2040
#define WHS_BLOCK_SIZES (WHS_BLOCK_BYTES_MAX / 16 + 1)
/* Of one size: as many as a turn of the transport frees before it takes again. */
#define WHS_BLOCKS_OF_A_SIZE_MAX 64
/* Of all sizes: a burst of unusual ones is not held on to. */
#define WHS_BLOCKS_BYTES_MAX (1024 * 1024)

struct whs_kept_block;

/* {0} is valid. */
struct whs_blocks {
    struct whs_kept_block *first[WHS_BLOCK_SIZES];
    uint8_t counts[WHS_BLOCK_SIZES];
    size_t bytes;
};

/* False: nothing is ever kept in this build. */
extern const bool whs_blocks_keep_any;

/* As malloc, calloc, realloc and free are. */
void *whs_blocks_alloc(struct whs_blocks *blocks, size_t size);
void *whs_blocks_calloc(struct whs_blocks *blocks, size_t count, size_t size);
void *whs_blocks_resize(struct whs_blocks *blocks, void *ptr, size_t size);
void whs_blocks_free(struct whs_blocks *blocks, void *ptr);
/* Frees what is kept. */
void whs_blocks_fini(struct whs_blocks *blocks);

#endif
