/* SPDX-License-Identifier: MIT
 *
 * head: what a complete final head says, and what is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "head.h"

#define NOW_MS INT64_C(1767225600000)
#define ASKED_MAX_MS INT64_C(21600000)

static int64_t
read_now(void *ctx)
{
    (void)ctx;
    return NOW_MS;
}

static const struct whs_clock now = {.wall_ms = read_now};

/* Gives it line by line, as libcurl does. False: it was told to stop. */
static bool
read_text(struct whs_head *head, const char *text)
{
    while (*text) {
        const char *end = strchr(text, '\n');
        size_t len = end ? (size_t)(end + 1 - text) : strlen(text);
        if (!whs_head_read(head, (struct whs_slice){text, len}, &now, ASKED_MAX_MS))
            return false;
        text += len;
    }
    return true;
}

static struct whs_head
read_new(const char *text)
{
    struct whs_head head = {.retry_after_ms = -1};
    (void)read_text(&head, text);
    return head;
}

static void
a_complete_final_head_decides(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
        enum whs_outcome outcome;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", 200, WHS_OUTCOME_SUCCESS},
        {"HTTP/1.1 204\r\n\r\n", 204, WHS_OUTCOME_SUCCESS},
        {"HTTP/1.0 299 \r\n\r\n", 299, WHS_OUTCOME_SUCCESS},
        {"HTTP/1.1 300 Many\r\n\r\n", 300, WHS_OUTCOME_REDIRECT},
        {"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", 302, WHS_OUTCOME_REDIRECT},
        {"HTTP/1.1 399 x\r\n\r\n", 399, WHS_OUTCOME_REDIRECT},
        {"HTTP/1.1 400 Bad\r\n\r\n", 400, WHS_OUTCOME_HTTP_ERROR},
        {"HTTP/1.1 409 x\r\n\r\n", 409, WHS_OUTCOME_HTTP_ERROR},
        {"HTTP/1.1 410 Gone\r\n\r\n", 410, WHS_OUTCOME_GONE},
        {"HTTP/1.1 411 x\r\n\r\n", 411, WHS_OUTCOME_HTTP_ERROR},
        {"HTTP/1.1 503 x\r\n\r\n", 503, WHS_OUTCOME_HTTP_ERROR},
        {"HTTP/1.1 999 x\r\n\r\n", 999, WHS_OUTCOME_HTTP_ERROR},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200,
         WHS_OUTCOME_SUCCESS},
        {"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 103 x\r\n\r\n"
         "HTTP/1.1 500 x\r\n\r\n",
         500, WHS_OUTCOME_HTTP_ERROR},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct whs_head head = read_new(rows[i].text);
        assert_true(head.complete);
        assert_int_equal(head.status, rows[i].status);
        assert_int_equal(whs_head_outcome(&head), rows[i].outcome);
    }
}

static void
what_has_not_ended_is_no_head(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n",
        /* Newer libcurls hand over what the end of a connection has cut off. */
        "H",
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\n\r",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct whs_head head = read_new(texts[i]);
        assert_false(head.complete);
        assert_false(head.refused);
    }
}

static void
what_does_not_begin_with_a_status_line_of_ours_is_read_no_further(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "HTTP/2 202 \r\n\r\n",         "HTTP/3.7 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",     "HTTP/1.10 200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",    "HTTP/1.1\t200 OK\r\n\r\n",
        " HTTP/1.1 200 OK\r\n\r\n",    "http/1.1 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",          "HTTP/1.1 2xx OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",    "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.1 099 Odd\r\n\r\n",    "HTTP/1.1 000 Odd\r\n\r\n",
        "HTTP/1.1 -20 Odd\r\n\r\n",    "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200x\r\n\r\n",       "garbage\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct whs_head head = {.retry_after_ms = -1};
        if (read_text(&head, texts[i]) || !head.refused || head.complete)
            fail_msg("%s", texts[i]);
    }
}

static void
a_head_has_only_so_many_fields(void **state)
{
    (void)state;
    static const char status[] = "HTTP/1.1 200 OK\r\n";
    for (int more = 0; more <= 1; more++) {
        struct whs_head head = {.retry_after_ms = -1};
        assert_true(read_text(&head, "HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\n"));
        assert_true(read_text(&head, status));
        for (int i = 0; i < WHS_HEAD_FIELDS_MAX - 1; i++)
            assert_true(read_text(&head, "A: b\r\n"));
        assert_int_equal(read_text(&head, more ? "A: b\r\n\r\n" : "\r\n"), !more);
        assert_int_equal(head.complete, !more);
    }
}

static void
a_status_line_among_the_fields_changes_nothing(void **state)
{
    (void)state;
    struct whs_head head =
        read_new("HTTP/1.1 500 No\r\nHTTP/1.1 200 OK\r\nX: HTTP/1.1 200 OK\r\n\r\n");
    assert_true(head.complete);
    assert_int_equal(head.status, 500);
}

static void
switching_protocols_ends_it_at_once(void **state)
{
    (void)state;
    struct whs_head head = {.retry_after_ms = -1};
    assert_false(read_text(&head, "HTTP/1.1 101 Switching\r\n"));
    assert_true(head.refused);
    assert_false(head.complete);
}

/* Feeds `line` until told to stop; the bytes given. */
static int64_t
flood(struct whs_head *head, const char *line)
{
    int64_t given = 0;
    while (read_text(head, line)) {
        given += (int64_t)strlen(line);
        assert_true(given <= 2 * WHS_HEAD_BYTES_MAX);
    }
    return given;
}

static void
floods_are_cut_before_libcurl_cuts_them(void **state)
{
    (void)state;
    static const char *const floods[] = {
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
        struct whs_head head = {.retry_after_ms = -1};
        assert_true(flood(&head, floods[i]) <= WHS_HEAD_BYTES_MAX);
        assert_true(head.refused);
        assert_false(head.complete);
    }
    struct whs_head head = {.retry_after_ms = -1};
    assert_true(read_text(&head, "HTTP/1.1 200 OK\r\n"));
    assert_true(flood(&head, "X-Long: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n") <=
                WHS_HEAD_BYTES_MAX);
    assert_true(head.refused);
    assert_false(head.complete);
}

static void
fields_behind_the_body_are_bounded_and_change_nothing(void **state)
{
    (void)state;
    struct whs_head head = read_new("HTTP/1.1 200 OK\r\n\r\n");
    assert_true(read_text(&head, "Retry-After: 5\r\nContent-Length: 1\r\n"
                                 "Content-Length: 2\r\n\r\nHTTP/1.1 500 x\r\n\r\n"));
    assert_int_equal(head.status, 200);
    assert_int_equal(head.retry_after_ms, -1);
    assert_false(head.ambiguous);
    assert_true(flood(&head, "X-Trailer: yyyyyyyyyyyyyyyyyyyyyyyyy\r\n") <=
                WHS_HEAD_BYTES_MAX);
    assert_true(head.complete);
    assert_int_equal(whs_head_outcome(&head), WHS_OUTCOME_SUCCESS);
}

static void
two_framings_make_a_connection_unfit(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        bool ambiguous;
    } rows[] = {
        {"", false},
        {"Content-Length: 0\r\n", false},
        {"Transfer-Encoding: chunked\r\n", false},
        {"Content-Length: 0\r\nCONTENT-LENGTH: 0\r\n", true},
        {"Content-Length: 1\r\nContent-Length: 2\r\n", true},
        {"transfer-encoding: chunked\r\ncontent-length: 3\r\n", true},
        {"X-Content-Length: 1\r\nContent-Length: 1\r\n", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n%s\r\n", rows[i].fields);
        struct whs_head head = read_new(text);
        assert_true(head.complete);
        assert_int_equal(head.ambiguous, rows[i].ambiguous);
    }
}

static void
the_longest_retry_after_of_the_final_head_counts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"HTTP/1.1 503 x\r\n\r\n", -1},
        {"HTTP/1.1 503 x\r\nRetry-After: 5\r\n\r\n", 5000},
        {"HTTP/1.1 503 x\r\nretry-after:7\r\nRetry-After: 3\r\n\r\n", 7000},
        {"HTTP/1.1 503 x\r\nRetry-After: soon\r\n\r\n", -1},
        {"HTTP/1.1 503 x\r\nRetry-After: 99999999999999999999\r\n\r\n", ASKED_MAX_MS},
        {"HTTP/1.1 503 x\r\nRetry-After: Thu, 01 Jan 2026 00:01:00 GMT\r\n\r\n", 60000},
        {"HTTP/1.1 103 x\r\nRetry-After: 9\r\n\r\nHTTP/1.1 503 x\r\n\r\n", -1},
        {"HTTP/1.1 503 x\r\nRetry-After\r\n\r\n", -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(read_new(rows[i].text).retry_after_ms == rows[i].ms);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_complete_final_head_decides),
        cmocka_unit_test(what_has_not_ended_is_no_head),
        cmocka_unit_test(
            what_does_not_begin_with_a_status_line_of_ours_is_read_no_further),
        cmocka_unit_test(a_head_has_only_so_many_fields),
        cmocka_unit_test(a_status_line_among_the_fields_changes_nothing),
        cmocka_unit_test(switching_protocols_ends_it_at_once),
        cmocka_unit_test(floods_are_cut_before_libcurl_cuts_them),
        cmocka_unit_test(fields_behind_the_body_are_bounded_and_change_nothing),
        cmocka_unit_test(two_framings_make_a_connection_unfit),
        cmocka_unit_test(the_longest_retry_after_of_the_final_head_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
