/* SPDX-License-Identifier: MIT
 *
 * status, alloc, slice, buf, action, delivery, outcome: the values everything stands
 * on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <stdlib.h>
#include <stdio.h>

#include <cmocka.h>

#include "action.h"
#include "alloc.h"
#include "buf.h"
#include "clock.h"
#include "delivery.h"
#include "failing_alloc.h"
#include "text.h"
#include "outcome.h"
#include "slice.h"
#include "status.h"

static void
every_status_has_a_name_and_a_sentence(void **state)
{
    (void)state;
    assert_string_equal(whs_status_name(WHS_FULL), "FULL");
    assert_string_equal(whs_status_message(WHS_FULL), "the queue is full");
    assert_string_equal(whs_status_name((enum whs_status)99), "?");
}

static void
an_error_message_is_cut_not_overrun(void **state)
{
    (void)state;
    struct whs_error err;
    char text[600];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(whs_error_set(&err, WHS_INVALID, "%s", text), WHS_INVALID);
    assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
    assert_int_equal(whs_error_set(NULL, WHS_CLOSED, "x"), WHS_CLOSED);
}

/* Messages become text in Python: half a character would be none. */
static void
a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    struct whs_slice text = WHS_SLICE("a\xc3\xa9\xf0\x9f\x98\x80");
    static const size_t lens[] = {0, 1, 1, 3, 3, 3, 3, 7, 7};
    for (size_t most = 0; most < sizeof(lens) / sizeof(lens[0]); most++)
        assert_int_equal(whs_slice_shorten(text, most).len, lens[most]);
    assert_null(whs_slice_shorten((struct whs_slice){0}, 3).ptr);

    struct whs_error err;
    for (int before = 250; before <= 256; before++) {
        assert_int_equal(whs_error_set(&err, WHS_INVALID, "%*s%s", before, "",
                                       "\xf0\x9f\x98\x80\xf0\x9f\x98\x80"),
                         WHS_INVALID);
        assert_true(whs_slice_is_utf8(whs_slice_of(err.message)));
        assert_true(strlen(err.message) > 250 - 4);
    }
}

static void
decimals_are_written_as_printf_writes_them(void **state)
{
    (void)state;
    static const int64_t values[] = {0,  1,          9,         10,        -1,
                                     42, 1767225600, INT64_MAX, INT64_MIN, -10};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char expected[WHS_DECIMAL_SIZE], written[WHS_DECIMAL_SIZE];
        int len = snprintf(expected, sizeof(expected), "%lld", (long long)values[i]);
        assert_int_equal(whs_decimal_write(values[i], written), len);
        assert_string_equal(written, expected);
    }
}

static void
a_text_is_copied_as_far_as_it_fits(void **state)
{
    (void)state;
    char out[4] = "xxx";
    whs_text_copy(out, sizeof(out), "abc");
    assert_string_equal(out, "abc");
    whs_text_copy(out, sizeof(out), "abcd");
    assert_string_equal(out, "abc");
    whs_text_copy(out, 1, "abc");
    assert_string_equal(out, "");
    memcpy(out, "xxx", sizeof(out));
    whs_text_copy(out, sizeof(out), NULL);
    assert_string_equal(out, "");
}

static void
calloc_refuses_a_product_that_overflows(void **state)
{
    (void)state;
    assert_null(whs_calloc(SIZE_MAX / 2, 3));
}

static void
case_is_ignored_for_ascii_letters_only(void **state)
{
    (void)state;
    assert_true(whs_slice_equal_nocase(WHS_SLICE("aZ[9"), WHS_SLICE("Az[9")));
    assert_false(whs_slice_equal_nocase(WHS_SLICE("["), WHS_SLICE("{")));
    assert_false(
        whs_slice_equal_nocase(WHS_SLICE("act\xc4\xb1ve"), WHS_SLICE("active")));
}

static void
utf8_is_judged_as_rfc_3629_says(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool valid;
    } rows[] = {
        {"", true},
        {"plain ascii that is longer than eight", true},
        {"h\xc3\xa9", true},
        {"\xf0\x9f\x98\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\xf4\x90\x80\x80", false},
        {"\xc0\xaf", false},
        {"\xe0\x80\xaf", false},
        {"\xed\xa0\x80", false},
        {"\xff", false},
        {"\xc3", false},
        {"12345678\xe2\x82", false},
        {"\x80", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(whs_slice_is_utf8(whs_slice_of(rows[i].bytes)), rows[i].valid);
}

static void
a_buffer_grows_and_writes_integers(void **state)
{
    (void)state;
    struct whs_buf buf = {0};
    for (int i = 0; i < 1000; i++)
        whs_buf_append(&buf, "0123456789", 10);
    assert_int_equal(buf.len, 10000);
    whs_buf_reset(&buf);
    whs_buf_append_int(&buf, INT64_MIN);
    whs_buf_append_char(&buf, ' ');
    whs_buf_append_int(&buf, 0);
    assert_true(
        whs_slice_equal(whs_buf_slice(&buf), WHS_SLICE("-9223372036854775808 0")));
    whs_buf_fini(&buf);
}

static void
a_buffer_without_memory_says_so_once_and_stays_readable(void **state)
{
    (void)state;
    struct whs_buf buf = {0};
    assert_true(failing_alloc_begin(1));
    whs_buf_append(&buf, "x", 1);
    whs_buf_append(&buf, "y", 1);
    failing_alloc_end();
    assert_true(buf.failed);
    assert_int_equal(whs_buf_slice(&buf).len, 0);
    whs_buf_fini(&buf);
}

static void
actions_are_read_without_regard_to_ascii_case(void **state)
{
    (void)state;
    assert_int_equal(whs_action_parse(WHS_SLICE("Create")), WHS_ACTION_CREATE);
    assert_int_equal(whs_action_parse(WHS_SLICE("ANY")), WHS_ACTION_ANY);
    assert_int_equal(whs_action_parse(WHS_SLICE("created")), 0);
    assert_int_equal(whs_action_parse(WHS_SLICE("")), 0);
    assert_string_equal(whs_action_name(WHS_ACTION_DELETE), "delete");
}

static void
a_code_that_is_no_action_has_an_empty_name(void **state)
{
    (void)state;
    for (int code = -1000; code < 1000; code++)
        assert_int_equal(whs_action_name((enum whs_action)code)[0] == '\0',
                         code < WHS_ACTION_CREATE || code > WHS_ACTION_ANY);
}

static void
the_system_clock_and_randomness_move(void **state)
{
    (void)state;
    assert_true(whs_clock_system.wall_ms(NULL) > INT64_C(1700000000000));
    int64_t before = whs_clock_system.mono_ms(NULL);
    assert_true(whs_clock_system.mono_ms(NULL) >= before);
    assert_int_not_equal(whs_random_system.next(NULL), whs_random_system.next(NULL));
}

/* Databases hold the codes, callers compare the words: neither may ever change. */
static void
what_is_stored_keeps_its_code_and_its_word(void **state)
{
    (void)state;
    static const char *const states[] = {"?",         "waiting",     "claimed",
                                         "delivered", "dead",        "expired",
                                         "cancelled", "quarantined", "?"};
    for (int code = 0; code < (int)(sizeof states / sizeof *states); code++) {
        assert_string_equal(whs_delivery_state_name((enum whs_delivery_state)code),
                            states[code]);
    }
    static const char *const outcomes[] = {"?",
                                           "success",
                                           "http_error",
                                           "redirect",
                                           "gone",
                                           "dns_error",
                                           "connect_error",
                                           "connect_timeout",
                                           "tls_certificate",
                                           "tls_handshake",
                                           "blocked_address",
                                           "timeout",
                                           "unknown",
                                           "protocol_error",
                                           "resend_refused",
                                           "local_error",
                                           "expired",
                                           "cancelled",
                                           "backlog_full",
                                           "spilled",
                                           "disabled",
                                           "not_connected",
                                           "?"};
    for (int code = 0; code < (int)(sizeof outcomes / sizeof *outcomes); code++) {
        assert_string_equal(whs_outcome_name((enum whs_outcome)code), outcomes[code]);
    }
}

/* From dns_error to blocked_address the host is to blame, and where nobody listens. */
static void
only_failures_to_connect_speak_of_the_host(void **state)
{
    (void)state;
    for (int code = WHS_OUTCOME_SUCCESS; code <= WHS_OUTCOME_NOT_CONNECTED; code++) {
        bool host =
            (code >= WHS_OUTCOME_DNS_ERROR && code <= WHS_OUTCOME_BLOCKED_ADDRESS) ||
            code == WHS_OUTCOME_NOT_CONNECTED;
        assert_int_equal(whs_outcome_is_connection_failure((enum whs_outcome)code),
                         host);
    }
}

static void
what_was_not_sent_and_is_nobodys_fault_is_no_attempt(void **state)
{
    (void)state;
    for (int code = WHS_OUTCOME_SUCCESS; code <= WHS_OUTCOME_NOT_CONNECTED; code++)
        assert_int_equal(whs_outcome_is_untried((enum whs_outcome)code),
                         code == WHS_OUTCOME_SPILLED ||
                             code == WHS_OUTCOME_NOT_CONNECTED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_name_and_a_sentence),
        cmocka_unit_test(an_error_message_is_cut_not_overrun),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(calloc_refuses_a_product_that_overflows),
        cmocka_unit_test(decimals_are_written_as_printf_writes_them),
        cmocka_unit_test(a_text_is_copied_as_far_as_it_fits),
        cmocka_unit_test(case_is_ignored_for_ascii_letters_only),
        cmocka_unit_test(utf8_is_judged_as_rfc_3629_says),
        cmocka_unit_test(a_buffer_grows_and_writes_integers),
        cmocka_unit_test(a_buffer_without_memory_says_so_once_and_stays_readable),
        cmocka_unit_test(actions_are_read_without_regard_to_ascii_case),
        cmocka_unit_test(a_code_that_is_no_action_has_an_empty_name),
        cmocka_unit_test(what_is_stored_keeps_its_code_and_its_word),
        cmocka_unit_test(only_failures_to_connect_speak_of_the_host),
        cmocka_unit_test(what_was_not_sent_and_is_nobodys_fault_is_no_attempt),
        cmocka_unit_test(the_system_clock_and_randomness_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
