/* SPDX-License-Identifier: MIT
 *
 * date: what is an instant, which one, and how it is written; against the C library's
 * calendar.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "date.h"
#include "texts.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z */
#define FIRST_MS INT64_C(-62135596800000)
#define LAST_MS INT64_C(253402300799999)

struct row {
    const char *text;
    int64_t ms;
};

static bool
parse(struct whs_slice text, int64_t *ms)
{
    struct whs_slice exact = texts_exact(text);
    bool good = whs_date_parse(exact, ms);
    texts_free(exact);
    return good;
}

static void
an_instant_is_read_with_its_offset(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2029-07-07T14:40:40-03:00", INT64_C(1878140440000)},
        {"2029-07-07T17:40:40Z", INT64_C(1878140440000)},
        {"2029-07-07T17:40:40z", INT64_C(1878140440000)},
        {"2029-07-07t17:40:40.000Z", INT64_C(1878140440000)},
        {"2029-07-08T03:25:40+09:45", INT64_C(1878140440000)},
        {"1970-01-01T00:00:00-00:00", 0},
        {"1970-01-01T23:59:00+23:59", 0},
        {"1969-12-31T00:01:00-23:59", 0},
        {"1969-12-31T23:59:59.999Z", -1},
        {"1970-01-01T00:00:00.1Z", 100},
        {"1970-01-01T00:00:00.12Z", 120},
        {"1970-01-01T00:00:00.1239Z", 123},
        {"1970-01-01T00:00:00.000999999999999999999999999999Z", 0},
        {"1970-01-01T00:00:00.999999999999999999999999999999+00:00", 999},
        {"2000-02-29T00:00:00Z", INT64_C(951782400000)},
        {"1900-02-28T00:00:00Z", INT64_C(-2203977600000)},
        {"0001-01-01T00:00:00Z", FIRST_MS},
        {"9999-12-31T23:59:59.999Z", LAST_MS},
        {"2038-01-19T03:14:08Z", INT64_C(2147483648000)},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        int64_t ms = 42;
        if (!parse(whs_slice_of(rows[i].text), &ms) || ms != rows[i].ms)
            fail_msg("%s: %lld", rows[i].text, (long long)ms);
    }
}

static void
what_is_no_rfc_3339_date_time_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "2029",
        "2029-07-07",
        "17:40:40Z",
        "2029-07-07T17:40Z",
        "2029-07-07T17:40:40",
        "2029-07-07T17:40:40 Z",
        "2029-07-07 17:40:40Z",
        "2029-07-07_17:40:40Z",
        "2029-07-07T17:40:40ZZ",
        "2029-07-07T17:40:40Z ",
        " 2029-07-07T17:40:40Z",
        "2029-07-07T17:40:40.Z",
        "2029-07-07T17:40:40,5Z",
        "2029-07-07T17:40:40.5.5Z",
        "2029-07-07T17:40:40+3:00",
        "2029-07-07T17:40:40+03",
        "2029-07-07T17:40:40+0300",
        "2029-07-07T17:40:40+03:0",
        "2029-07-07T17:40:40+03:000",
        "2029-07-07T17:40:40+24:00",
        "2029-07-07T17:40:40+25:00",
        "2029-07-07T17:40:40-03:60",
        "2029-07-07T17:40:40\xe2\x88\x92"
        "03:00",
        "2029-07-07T24:00:00Z",
        "2029-07-07T17:60:00Z",
        "2029-06-30T23:59:60Z",
        "2029-07-07T17:40:61Z",
        "2029-00-07T17:40:40Z",
        "2029-13-01T17:40:40Z",
        "2029-07-00T17:40:40Z",
        "2029-07-32T17:40:40Z",
        "2029-04-31T17:40:40Z",
        "2026-02-29T17:40:40Z",
        "2026-02-30T17:40:40Z",
        "1900-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        /* In UTC these lie in the years 0000 and 10000. */
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59.999-00:01",
        "-001-01-01T00:00:00Z",
        "+2029-07-07T17:40:40Z",
        "10000-01-01T00:00:00Z",
        "29-07-07T17:40:40Z",
        "2029-7-7T17:40:40Z",
        "20290707T174040Z",
        "2029-W01-1T17:40:40Z",
        "2029-188T17:40:40Z",
        "1e9",
        "1878140440",
        "1878140440000",
        "2029-07-07T17:40:4\xd9\xa3Z",
        "\xef\xbc\x92\xef\xbc\x90\xef\xbc\x92\xef\xbc\x99-07-07T17:40:40Z",
        "now",
    };
    for (size_t i = 0; i < LEN(texts); i++) {
        int64_t ms = 42;
        if (parse(whs_slice_of(texts[i]), &ms) || ms != 42)
            fail_msg("%s", texts[i]);
    }
    int64_t ms;
    assert_false(parse(WHS_SLICE("2029-07-07T17:40:40Z\0"), &ms));
    assert_false(parse(WHS_SLICE("2029-07-07\0T17:40:40Z"), &ms));
}

static void
every_prefix_of_a_date_is_refused(void **state)
{
    (void)state;
    struct whs_slice whole = WHS_SLICE("2029-07-07T14:40:40.25-03:00");
    int64_t ms;
    assert_true(parse(whole, &ms));
    for (size_t len = 0; len < whole.len; len++)
        assert_false(parse((struct whs_slice){whole.ptr, len}, &ms));
}

static void
an_instant_is_written_in_utc_with_milliseconds(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"1970-01-01T00:00:00.000Z", 0},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2029-07-07T17:40:40.007Z", INT64_C(1878140440007)},
        {"2000-02-29T23:59:59.999Z", INT64_C(951868799999)},
        {"0001-01-01T00:00:00.000Z", FIRST_MS},
        {"9999-12-31T23:59:59.999Z", LAST_MS},
    };
    char text[WHS_DATE_TEXT_SIZE];
    for (size_t i = 0; i < LEN(rows); i++) {
        whs_date_format(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void
random_instants_agree_with_the_c_library_in_any_time_zone(void **state)
{
    (void)state;
    setenv("TZ", "America/St_Johns", 1);
    tzset();
    uint64_t seed = 3;
    for (int round = 0; round < 50000; round++) {
        uint64_t span = (uint64_t)(LAST_MS - FIRST_MS + 1);
        int64_t ms = FIRST_MS + (int64_t)(texts_random(&seed) % span), back;
        /* Half of them near today. */
        if (round % 2)
            ms = (int64_t)(texts_random(&seed) % UINT64_C(4102444800000));
        time_t seconds = (ms >= 0 ? ms : ms - 999) / 1000;
        struct tm parts;
        assert_non_null(gmtime_r(&seconds, &parts));
        char expected[64], text[WHS_DATE_TEXT_SIZE];
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                 parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                 parts.tm_min, parts.tm_sec, (int)(ms - seconds * 1000));
        whs_date_format(ms, text);
        assert_string_equal(text, expected);
        assert_true(parse(whs_slice_of(text), &back));
        assert_true(back == ms);
        assert_true(timegm(&parts) == seconds);
    }
    unsetenv("TZ");
    tzset();
}

/* Every text of the grammar, possible or not, against timegm, which shifts an
 * impossible date to a possible one. */
static void
random_texts_agree_with_the_c_library(void **state)
{
    (void)state;
    uint64_t seed = 4;
    size_t good = 0;
    for (int round = 0; round < 50000; round++) {
        int year = 1 + (int)(texts_random(&seed) % 9999);
        struct tm parts = {.tm_year = year - 1900,
                           .tm_mon = (int)(texts_random(&seed) % 14) - 1,
                           .tm_mday = (int)(texts_random(&seed) % 33),
                           .tm_hour = (int)(texts_random(&seed) % 25),
                           .tm_min = (int)(texts_random(&seed) % 61),
                           .tm_sec = (int)(texts_random(&seed) % 61)};
        char text[64];
        snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ", year,
                 parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                 parts.tm_sec);
        struct tm shifted = parts;
        int64_t ms = 0, expected = (int64_t)timegm(&shifted) * 1000;
        bool possible =
            shifted.tm_mon == parts.tm_mon && shifted.tm_mday == parts.tm_mday &&
            shifted.tm_hour == parts.tm_hour && shifted.tm_min == parts.tm_min &&
            shifted.tm_sec == parts.tm_sec;
        if (parse(whs_slice_of(text), &ms) != possible || (possible && ms != expected))
            fail_msg("%s", text);
        good += possible;
    }
    assert_in_range(good, 25000, 45000);
}

static void
mutated_dates_are_refused_or_are_instants_that_can_be_written(void **state)
{
    (void)state;
    static const struct whs_slice models[] = {{"2029-07-07T14:40:40-03:00", 25},
                                              {"9999-12-31T23:59:59.999Z", 24},
                                              {"0001-01-01T00:00:00+00:00", 25}};
    uint64_t seed = 5;
    for (int round = 0; round < 60000; round++) {
        struct whs_slice text = texts_mutate(models[round % 3], &seed);
        int64_t ms = 0, back;
        char written[WHS_DATE_TEXT_SIZE];
        if (whs_date_parse(text, &ms)) {
            whs_date_format(ms, written);
            if (!whs_date_parse(whs_slice_of(written), &back) || back != ms)
                fail_msg("%.*s", (int)text.len, text.ptr);
        }
        texts_free(text);
    }
}

/* --- HTTP-date. ---------------------------------------------------------------------
 */

#define NOW_MS INT64_C(1795000000000) /* 2026-11-18 */

static bool
parse_http(const char *text, int64_t now_ms, int64_t *ms)
{
    struct whs_slice exact = texts_exact(whs_slice_of(text));
    bool good = whs_http_date_parse(exact, now_ms, ms);
    texts_free(exact);
    return good;
}

static void
all_three_forms_of_an_http_date_are_read(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", INT64_C(784111777000)},
        {"Sunday, 06-Nov-94 08:49:37 GMT", INT64_C(784111777000)},
        {"Sun Nov  6 08:49:37 1994", INT64_C(784111777000)},
        {"Wed Nov 16 08:49:37 1994", INT64_C(784975777000)},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Fri, 31 Dec 9999 23:59:59 GMT", INT64_C(253402300799000)},
        {"Sat, 31 Dec 2016 23:59:60 GMT", INT64_C(1483228799000)},
        {"Tue, 29 Feb 2000 00:00:00 GMT", INT64_C(951782400000)},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        int64_t ms = 42;
        if (!parse_http(rows[i].text, NOW_MS, &ms) || ms != rows[i].ms)
            fail_msg("%s: %lld", rows[i].text, (long long)ms);
    }
}

static void
a_year_of_two_digits_is_at_most_fifty_ahead(void **state)
{
    (void)state;
    static const struct {
        const char *text, *now, *expected;
    } rows[] = {
        {"Monday, 01-Jan-26 00:00:00 GMT", "2026-11-18T00:00:00Z", "2026"},
        {"Monday, 01-Jan-76 00:00:00 GMT", "2026-11-18T00:00:00Z", "2076"},
        {"Monday, 01-Jan-77 00:00:00 GMT", "2026-11-18T00:00:00Z", "1977"},
        {"Monday, 01-Jan-99 00:00:00 GMT", "2026-11-18T00:00:00Z", "1999"},
        {"Monday, 01-Jan-00 00:00:00 GMT", "1999-11-18T00:00:00Z", "1900"},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        int64_t now, ms;
        char text[WHS_DATE_TEXT_SIZE];
        assert_true(parse(whs_slice_of(rows[i].now), &now));
        assert_true(parse_http(rows[i].text, now, &ms));
        whs_date_format(ms, text);
        assert_memory_equal(text, rows[i].expected, 4);
    }
}

static void
what_is_no_http_date_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "soon",
        "120",
        ", 06 Nov 1994 08:49:37 GMT",
        "Su, 06 Nov 1994 08:49:37 GMT",
        "Wednesdays, 06-Nov-94 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 30 Feb 2000 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  16 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 GMT",
        "1994-11-06T08:49:37Z",
    };
    for (size_t i = 0; i < LEN(texts); i++) {
        int64_t ms = 42;
        if (parse_http(texts[i], NOW_MS, &ms) || ms != 42)
            fail_msg("%s", texts[i]);
    }
}

static void
random_http_dates_agree_with_the_c_library(void **state)
{
    (void)state;
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT",
                                        "%a %b %e %H:%M:%S %Y",
                                        "%A, %d-%b-%y %H:%M:%S GMT"};
    uint64_t seed = 6;
    for (int round = 0; round < 20000; round++) {
        /* The last form knows only the years around now. */
        time_t seconds = (time_t)(texts_random(&seed) % 3000000000);
        struct tm parts;
        char text[64];
        int64_t ms = 0;
        assert_non_null(gmtime_r(&seconds, &parts));
        assert_true(strftime(text, sizeof(text), forms[round % 3], &parts) > 0);
        if (round % 3 == 2 && parts.tm_year + 1900 > 2069)
            continue;
        if (round % 3 == 2 && parts.tm_year + 1900 < 1977)
            continue;
        if (!parse_http(text, NOW_MS, &ms) || ms != (int64_t)seconds * 1000)
            fail_msg("%s: %lld", text, (long long)ms);
    }
}

static void
mutated_http_dates_are_read_within_their_bytes(void **state)
{
    (void)state;
    static const char *const models[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                         "Sunday, 06-Nov-94 08:49:37 GMT",
                                         "Sun Nov  6 08:49:37 1994"};
    uint64_t seed = 7;
    for (int round = 0; round < 30000; round++) {
        struct whs_slice text = texts_mutate(whs_slice_of(models[round % 3]), &seed);
        int64_t ms;
        if (whs_http_date_parse(text, NOW_MS, &ms))
            assert_true(ms >= FIRST_MS && ms <= LAST_MS);
        texts_free(text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instant_is_read_with_its_offset),
        cmocka_unit_test(what_is_no_rfc_3339_date_time_is_refused),
        cmocka_unit_test(every_prefix_of_a_date_is_refused),
        cmocka_unit_test(an_instant_is_written_in_utc_with_milliseconds),
        cmocka_unit_test(random_instants_agree_with_the_c_library_in_any_time_zone),
        cmocka_unit_test(random_texts_agree_with_the_c_library),
        cmocka_unit_test(mutated_dates_are_refused_or_are_instants_that_can_be_written),
        cmocka_unit_test(all_three_forms_of_an_http_date_are_read),
        cmocka_unit_test(a_year_of_two_digits_is_at_most_fifty_ahead),
        cmocka_unit_test(what_is_no_http_date_is_refused),
        cmocka_unit_test(random_http_dates_agree_with_the_c_library),
        cmocka_unit_test(mutated_http_dates_are_read_within_their_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
