/* SPDX-License-Identifier: MIT
 *
 * blocks: what is kept comes back, to its limits, and is memory like any other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "blocks.h"

/* Under a sanitizer nothing is kept: the rest holds there as well. */
static void
what_was_freed_comes_back_for_the_same_size_the_last_one_first(void **state)
{
    (void)state;
    struct whs_blocks blocks = {0};
    if (!whs_blocks_keep_any)
        skip();
    for (size_t size = 1; size <= WHS_BLOCK_BYTES_MAX; size++) {
        void *first = whs_blocks_alloc(&blocks, size);
        void *second = whs_blocks_alloc(&blocks, size);
        whs_blocks_free(&blocks, first);
        whs_blocks_free(&blocks, second);
        assert_ptr_equal(whs_blocks_alloc(&blocks, size), second);
        assert_ptr_equal(whs_blocks_alloc(&blocks, size), first);
        free(first);
        free(second);
        assert_int_equal(blocks.bytes, 0);
    }
    whs_blocks_fini(&blocks);
}

static void
a_block_holds_what_was_asked_for(void **state)
{
    (void)state;
    struct whs_blocks blocks = {0};
    unsigned char *held[64];
    for (size_t size = 0; size <= WHS_BLOCK_BYTES_MAX + 64; size++) {
        for (size_t i = 0; i < 64; i++) {
            held[i] = whs_blocks_alloc(&blocks, size);
            assert_non_null(held[i]);
            memset(held[i], (int)i, size);
        }
        for (size_t i = 0; i < 64; i++) {
            for (size_t at = 0; at < size; at++)
                assert_int_equal(held[i][at], i);
            whs_blocks_free(&blocks, held[i]);
        }
    }
    whs_blocks_fini(&blocks);
    assert_int_equal(blocks.bytes, 0);
}

static void
no_more_than_the_limits_are_kept(void **state)
{
    (void)state;
    struct whs_blocks blocks = {0};
    enum { MANY = 4 * WHS_BLOCKS_OF_A_SIZE_MAX };
    void *held[MANY];
    if (!whs_blocks_keep_any)
        skip();
    for (size_t size = 8; size <= WHS_BLOCK_BYTES_MAX; size += 16) {
        size_t before = blocks.bytes;
        for (size_t i = 0; i < MANY; i++)
            held[i] = whs_blocks_alloc(&blocks, size);
        for (size_t i = 0; i < MANY; i++)
            whs_blocks_free(&blocks, held[i]);
        assert_true(blocks.bytes <= WHS_BLOCKS_BYTES_MAX);
        assert_true(blocks.bytes - before <= WHS_BLOCKS_OF_A_SIZE_MAX * (size + 16));
    }
    assert_true(blocks.bytes > WHS_BLOCKS_BYTES_MAX - 2 * WHS_BLOCK_BYTES_MAX);
    size_t full = blocks.bytes;
    whs_blocks_free(&blocks, whs_blocks_alloc(NULL, WHS_BLOCK_BYTES_MAX + 100));
    assert_int_equal(blocks.bytes, full);
    whs_blocks_fini(&blocks);
    assert_int_equal(blocks.bytes, 0);
}

static void
a_resized_block_keeps_its_bytes(void **state)
{
    (void)state;
    static const size_t sizes[] = {1,    24,   25,   40,   41,  600,  2040,
                                   2041, 9000, 2041, 2040, 100, 5000, 1};
    struct whs_blocks blocks = {0};
    for (int with = 0; with < 2; with++) {
        struct whs_blocks *used = with ? &blocks : NULL;
        unsigned char *ptr = whs_blocks_resize(used, NULL, sizes[0]);
        ptr[0] = 7;
        for (size_t i = 1; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            size_t both = sizes[i] < sizes[i - 1] ? sizes[i] : sizes[i - 1];
            for (size_t at = 0; at < sizes[i - 1]; at++)
                ptr[at] = (unsigned char)(at * 31 + 7);
            ptr = whs_blocks_resize(used, ptr, sizes[i]);
            for (size_t at = 0; at < both; at++)
                assert_int_equal(ptr[at], (unsigned char)(at * 31 + 7));
        }
        whs_blocks_free(used, ptr);
    }
    whs_blocks_fini(&blocks);
}

/* A lookup's thread frees what the engine's has taken. */
static void
what_was_taken_with_them_may_be_freed_without(void **state)
{
    (void)state;
    struct whs_blocks blocks = {0};
    free(whs_blocks_alloc(&blocks, 100));
    whs_blocks_free(NULL, whs_blocks_alloc(&blocks, 100));
    whs_blocks_free(&blocks, whs_blocks_alloc(NULL, 100));
    whs_blocks_free(&blocks, strdup("text"));
    whs_blocks_free(&blocks, NULL);
    whs_blocks_free(NULL, NULL);
    whs_blocks_fini(&blocks);
}

static void
cleared_blocks_are_zero_and_an_overflow_is_refused(void **state)
{
    (void)state;
    static const char zero[256];
    struct whs_blocks blocks = {0};
    for (int i = 0; i < 20; i++) {
        struct whs_blocks *used = i % 2 ? &blocks : NULL;
        char *bytes = whs_blocks_calloc(used, 8, 32);
        assert_memory_equal(bytes, zero, sizeof(zero));
        memset(bytes, 'x', sizeof(zero));
        whs_blocks_free(used, bytes);
    }
    assert_null(whs_blocks_calloc(&blocks, SIZE_MAX / 2, 3));
    whs_blocks_fini(&blocks);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            what_was_freed_comes_back_for_the_same_size_the_last_one_first),
        cmocka_unit_test(a_block_holds_what_was_asked_for),
        cmocka_unit_test(no_more_than_the_limits_are_kept),
        cmocka_unit_test(a_resized_block_keeps_its_bytes),
        cmocka_unit_test(what_was_taken_with_them_may_be_freed_without),
        cmocka_unit_test(cleared_blocks_are_zero_and_an_overflow_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
