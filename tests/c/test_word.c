/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "word.h"

static uint64_t
word_with(size_t at, unsigned char byte, unsigned char others)
{
    unsigned char bytes[WHS_WORD_BYTES];
    memset(bytes, others, sizeof(bytes));
    bytes[at] = byte;
    return whs_word_read(bytes);
}

static void
every_byte_is_found_where_it_is_and_nowhere_else(void **state)
{
    (void)state;
    for (unsigned wanted = 0; wanted < 256; wanted++) {
        for (unsigned other = 0; other < 256; other++) {
            for (size_t at = 0; at < WHS_WORD_BYTES; at++) {
                uint64_t word =
                    word_with(at, (unsigned char)wanted, (unsigned char)other);
                uint64_t found = whs_word_find(word, (unsigned char)wanted);
                assert_true(found);
                assert_int_equal(whs_word_first(found), wanted == other ? 0 : at);
                if (wanted != other)
                    assert_true(found == UINT64_C(0x80) << (8 * at));
            }
        }
    }
}

static void
a_byte_that_is_not_there_is_not_found(void **state)
{
    (void)state;
    for (unsigned wanted = 0; wanted < 256; wanted++)
        for (unsigned other = 0; other < 256; other++)
            if (wanted != other)
                assert_false(whs_word_find(WHS_WORD_EACH((uint64_t)other),
                                           (unsigned char)wanted));
}

static void
a_byte_below_the_bound_is_seen_among_any_others(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++)
        for (unsigned other = 0x20; other < 256; other++)
            for (size_t at = 0; at < WHS_WORD_BYTES; at++)
                assert_int_equal(whs_word_below(word_with(at, (unsigned char)byte,
                                                          (unsigned char)other),
                                                0x20) != 0,
                                 byte < 0x20);
}

static void
a_byte_is_seen_among_any_others(void **state)
{
    (void)state;
    for (unsigned wanted = 0; wanted < 256; wanted++)
        for (unsigned byte = 0; byte < 256; byte++)
            for (unsigned other = 0; other < 256; other++)
                for (size_t at = 0; at < WHS_WORD_BYTES; at++)
                    if (other != wanted)
                        assert_int_equal(
                            whs_word_equal(word_with(at, (unsigned char)byte,
                                                     (unsigned char)other),
                                           (unsigned char)wanted) != 0,
                            byte == wanted);
}

static void
texts_are_the_same_when_every_byte_is(void **state)
{
    (void)state;
    char a[41], b[41];
    for (size_t len = 0; len < sizeof(b); len++) {
        memset(a, 'x', sizeof(a));
        memset(b, 'x', sizeof(b));
        b[len] = 'y'; /* behind them: of no account */
        assert_true(whs_word_same(a, b, len));
        for (size_t at = 0; at < len; at++) {
            b[at] = 'z';
            assert_false(whs_word_same(a, b, len));
            b[at] = 'x';
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_found_where_it_is_and_nowhere_else),
        cmocka_unit_test(a_byte_that_is_not_there_is_not_found),
        cmocka_unit_test(a_byte_below_the_bound_is_seen_among_any_others),
        cmocka_unit_test(a_byte_is_seen_among_any_others),
        cmocka_unit_test(texts_are_the_same_when_every_byte_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
