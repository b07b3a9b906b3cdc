/* SPDX-License-Identifier: MIT */
#include "hash.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

/* What CPython 3.11 answers for hash(bytes) under PYTHONHASHSEED=0, which is this
 * algorithm under a key of zeros. */
static void
it_agrees_with_another_implementation(void **state)
{
    static const struct {
        const char *text;
        uint64_t hash;
    } rows[] = {
        {"a", 0x407448d2b89b1813},
        {"abcdefg", 0x6db12aae9070f506},
        {"abcdefgh", 0x3f7b849c0b8e35ea},
        {"abcdefghi", 0xf89b34a3d11eb6e5},
        {"auth0|12345abcde", 0x0ad9eb42b4e91ddf},
        {"65f1a2b3c4d5e6f708192a3b", 0xed7119991833f1a8},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(
            whs_hash_bytes(&(struct whs_hash_key){0, 0}, whs_slice_of(rows[i].text)),
            rows[i].hash);
}

static void
each_half_of_the_key_counts(void **state)
{
    struct whs_slice text = WHS_SLICE("tenant");
    uint64_t plain = whs_hash_bytes(&(struct whs_hash_key){0, 0}, text);
    uint64_t first = whs_hash_bytes(&(struct whs_hash_key){1, 0}, text);
    uint64_t second = whs_hash_bytes(&(struct whs_hash_key){0, 1}, text);

    (void)state;
    assert_true(plain != first && plain != second && first != second);
}

static void
every_length_and_every_byte_counts(void **state)
{
    struct whs_hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    char text[41] = {0};

    (void)state;
    for (size_t len = 0; len + 1 < sizeof(text); len++) {
        uint64_t zeros = whs_hash_bytes(&key, (struct whs_slice){text, len});
        assert_true(zeros != whs_hash_bytes(&key, (struct whs_slice){text, len + 1}));
        for (size_t i = 0; i < len; i++) {
            text[i] = 1;
            assert_true(zeros != whs_hash_bytes(&key, (struct whs_slice){text, len}));
            text[i] = 0;
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_another_implementation),
        cmocka_unit_test(each_half_of_the_key_counts),
        cmocka_unit_test(every_length_and_every_byte_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
