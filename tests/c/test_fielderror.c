/* SPDX-License-Identifier: MIT
 *
 * fielderror: all mistakes of a document, in order, bounded, readable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "fielderror.h"

static void
mistakes_are_kept_in_order_up_to_their_limit(void **state)
{
    (void)state;
    struct whs_field_errors errors = {0};
    for (int i = 0; i < WHS_FIELD_ERRORS_MAX + 5; i++)
        whs_field_errors_add(&errors, WHS_SLICE("f"), "type", "number %d", i);
    assert_int_equal(errors.len, WHS_FIELD_ERRORS_MAX);
    assert_string_equal(errors.items[7].field, "f");
    assert_string_equal(errors.items[7].code, "type");
    assert_string_equal(errors.items[7].message, "number 7");
    assert_string_equal(errors.items[99].message, "number 99");
    assert_false(errors.no_memory);
    whs_field_errors_fini(&errors);
    assert_int_equal(errors.len, 0);
    assert_null(errors.items);
    /* Empty again, so it may be used again and freed again. */
    whs_field_errors_add(&errors, WHS_SLICE("g"), "type", "again");
    assert_int_equal(errors.len, 1);
    whs_field_errors_fini(&errors);
    whs_field_errors_fini(&errors);
}

static void
nobody_may_want_the_mistakes(void **state)
{
    (void)state;
    whs_field_errors_add(NULL, WHS_SLICE("f"), "type", "no");
}

static void
a_field_is_copied_and_may_have_no_name(void **state)
{
    (void)state;
    struct whs_field_errors errors = {0};
    char name[] = "ab";
    whs_field_errors_add(&errors, (struct whs_slice){name, 1}, "type", "no");
    name[0] = 'x';
    whs_field_errors_add(&errors, (struct whs_slice){0}, "json", "%s", "no %s");
    assert_string_equal(errors.items[0].field, "a");
    assert_string_equal(errors.items[1].field, "");
    assert_string_equal(errors.items[1].message, "no %s");
    whs_field_errors_fini(&errors);
}

/* Both become text in Python: half a character would be none. */
static void
long_names_and_messages_are_cut_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"a", "\xc3\xa9", "\xe2\x82\xac",
                                             "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < 4; i++)
        for (size_t shift = 0; shift < 4; shift++) {
            char text[400] = "bbb";
            size_t len = shift, size = strlen(characters[i]);
            for (; len + size < sizeof(text); len += size)
                memcpy(text + len, characters[i], size);
            text[len] = '\0';
            struct whs_field_errors errors = {0};
            whs_field_errors_add(&errors, whs_slice_of(text), "unknown", "%s", text);
            const struct whs_field_error *error = &errors.items[0];
            assert_true(whs_slice_is_utf8(whs_slice_of(error->field)));
            assert_true(whs_slice_is_utf8(whs_slice_of(error->message)));
            assert_in_range(strlen(error->field), 125, 128);
            assert_in_range(strlen(error->message), 252, 255);
            whs_field_errors_fini(&errors);
        }
}

static void
one_may_be_taken_out_and_freed_alone(void **state)
{
    (void)state;
    struct whs_field_errors errors = {0};
    whs_field_errors_add(&errors, WHS_SLICE("a"), "type", "one");
    whs_field_errors_add(&errors, WHS_SLICE("b"), "type", "two");
    whs_field_error_fini(&errors.items[1]);
    errors.len = 1;
    whs_field_errors_fini(&errors);
}

static void
without_memory_the_list_says_so_and_keeps_what_it_has(void **state)
{
    (void)state;
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_field_errors errors = {0};
        for (int i = 0; i < 20; i++)
            whs_field_errors_add(&errors, WHS_SLICE("f"), "type", "text");
        failing_alloc_end();
        assert_int_equal(errors.no_memory, failing_alloc_happened());
        assert_int_equal(errors.len, failing_alloc_happened() ? 19 : 20);
        for (size_t i = 0; i < errors.len; i++)
            assert_string_equal(errors.items[i].message, "text");
        whs_field_errors_fini(&errors);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_kept_in_order_up_to_their_limit),
        cmocka_unit_test(nobody_may_want_the_mistakes),
        cmocka_unit_test(a_field_is_copied_and_may_have_no_name),
        cmocka_unit_test(long_names_and_messages_are_cut_between_characters),
        cmocka_unit_test(one_may_be_taken_out_and_freed_alone),
        cmocka_unit_test(without_memory_the_list_says_so_and_keeps_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
