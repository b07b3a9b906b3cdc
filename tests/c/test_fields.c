/* SPDX-License-Identifier: MIT
 *
 * fields: which values of an answer's head are told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fields.h"

static struct whs_fields
read_lines(const char *const *lines)
{
    struct whs_fields fields = {0};
    for (; *lines; lines++)
        whs_fields_read(&fields, whs_slice_of(*lines));
    return fields;
}

static void
names_are_read_in_any_case_and_values_without_their_margins(void **state)
{
    (void)state;
    const char *lines[] = {"HTTP/1.1 200 OK\r\n", "content-TYPE: text/plain\r\n",
                           "WebHook-Allowed-Origin:\t hooks.example \t\r\n",
                           "webhook-allowed-rate:120\r\n", NULL};
    struct whs_fields fields = read_lines(lines);
    assert_string_equal(fields.content_type, "text/plain");
    assert_string_equal(fields.allowed_origin, "hooks.example");
    assert_string_equal(fields.allowed_rate, "120");
}

static void
other_fields_and_lines_without_a_colon_say_nothing(void **state)
{
    (void)state;
    const char *lines[] = {"HTTP/1.1 200 OK\r\n",
                           "X-WebHook-Allowed-Origin: *\r\n",
                           "WebHook-Allowed-Origin\r\n",
                           "Content-Type : a\r\n",
                           "\r\n",
                           NULL};
    struct whs_fields fields = read_lines(lines);
    assert_string_equal(fields.content_type, "");
    assert_string_equal(fields.allowed_origin, "");
}

static void
of_several_the_first_counts(void **state)
{
    (void)state;
    const char *lines[] = {"WebHook-Allowed-Origin: a.example\r\n",
                           "WebHook-Allowed-Origin: *\r\n", NULL};
    assert_string_equal(read_lines(lines).allowed_origin, "a.example");
}

static void
an_interim_answer_is_forgotten(void **state)
{
    (void)state;
    const char *lines[] = {"HTTP/1.1 103 Early Hints\r\n",
                           "WebHook-Allowed-Origin: *\r\n", "\r\n",
                           "HTTP/1.1 200 OK\r\n", NULL};
    assert_string_equal(read_lines(lines).allowed_origin, "");
}

static void
a_value_that_is_too_long_is_none_and_one_that_just_fits_is_kept(void **state)
{
    (void)state;
    char line[64 + WHS_FIELD_SIZE] = "Content-Type: ";
    size_t before = strlen(line);
    memset(line + before, 'x', WHS_FIELD_SIZE);
    struct whs_fields fields = {0};
    whs_fields_read(&fields, (struct whs_slice){line, before + WHS_FIELD_SIZE});
    assert_string_equal(fields.content_type, "");
    whs_fields_read(&fields, (struct whs_slice){line, before + WHS_FIELD_SIZE - 1});
    assert_int_equal(strlen(fields.content_type), WHS_FIELD_SIZE - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_in_any_case_and_values_without_their_margins),
        cmocka_unit_test(other_fields_and_lines_without_a_colon_say_nothing),
        cmocka_unit_test(of_several_the_first_counts),
        cmocka_unit_test(an_interim_answer_is_forgotten),
        cmocka_unit_test(
            a_value_that_is_too_long_is_none_and_one_that_just_fits_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
