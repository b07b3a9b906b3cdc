/* SPDX-License-Identifier: MIT
 *
 * rate: how much may start at once, and when the next one may.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rate.h"

#define NOW INT64_C(5000000)
#define PER_SECOND(n) ((uint32_t)((n)*WHS_RATE_MICROS))

/* From a full bucket: takes `taken` at once, then asks `waited_ms` later. */
static const struct {
    uint32_t micros;
    size_t taken;
    int64_t waited_ms;
    int64_t ready_in_ms; /* the next one, from then */
} rows[] = {
    {PER_SECOND(10), 0, 0, 0},
    {PER_SECOND(10), 9, 0, 0},
    {PER_SECOND(10), 10, 0, 100},
    {PER_SECOND(10), 10, 99, 1},
    {PER_SECOND(10), 10, 100, 0},
    /* A batch takes more than there is, and the rest is owed. */
    {PER_SECOND(10), 100, 0, 9100},
    {PER_SECOND(10), 100, 9000, 100},
    /* However long it waits, it is no fuller than full. */
    {PER_SECOND(10), 10, 1000000, 0},
    {PER_SECOND(1), 1, 0, 1000},
    {PER_SECOND(3), 3, 0, 334},
    /* Under one per second the bucket holds one. */
    {PER_SECOND(0.5), 0, 0, 0},
    {PER_SECOND(0.5), 1, 0, 2000},
    {WHS_RATE_MICROS_MIN, 1, 0, 100000},
    {WHS_RATE_MICROS_MIN, 1000, 0, 100000000},
    {WHS_RATE_MICROS_MAX, 999, 0, 0},
    {WHS_RATE_MICROS_MAX, 1000, 0, 1},
};

static void
one_is_ready_when_its_token_is_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct whs_rate rate = {0};
        int64_t then = NOW + rows[i].waited_ms;
        whs_rate_take(&rate, rows[i].micros, rows[i].taken, NOW);
        int64_t ready = whs_rate_ready_ms(&rate, rows[i].micros, 0, then) - then;
        if (ready != rows[i].ready_in_ms)
            fail_msg("row %zu: %lld", i, (long long)ready);
    }
}

static void
those_ahead_of_it_take_theirs_first(void **state)
{
    (void)state;
    struct whs_rate rate = {0};
    assert_int_equal(whs_rate_ready_ms(&rate, PER_SECOND(10), 9, NOW), NOW);
    assert_int_equal(whs_rate_ready_ms(&rate, PER_SECOND(10), 10, NOW), NOW + 100);
    whs_rate_take(&rate, PER_SECOND(10), 10, NOW);
    assert_int_equal(whs_rate_ready_ms(&rate, PER_SECOND(10), 4, NOW), NOW + 500);
}

static void
those_that_may_start_in_a_time_are_those_that_are_ready_by_then(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct whs_rate rate = {0};
        uint32_t micros = rows[i].micros;
        whs_rate_take(&rate, micros, rows[i].taken, NOW);
        size_t count = whs_rate_count(&rate, micros, NOW, NOW + 2000);
        assert_true(whs_rate_ready_ms(&rate, micros, count, NOW) > NOW + 2000);
        if (count > 0)
            assert_true(whs_rate_ready_ms(&rate, micros, count - 1, NOW) <= NOW + 2000);
    }
}

static void
an_hour_brings_what_the_rate_says(void **state)
{
    (void)state;
    const uint32_t rates[] = {WHS_RATE_MICROS_MIN, 333333, PER_SECOND(3), PER_SECOND(7),
                              WHS_RATE_MICROS_MAX};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct whs_rate rate = {0};
        double started = 0;
        int64_t now = NOW;
        for (; now < NOW + 3600000; started++) {
            whs_rate_take(&rate, rates[i], 1, now);
            now = whs_rate_ready_ms(&rate, rates[i], 0, now);
        }
        double per_second = (double)rates[i] / WHS_RATE_MICROS;
        double burst = per_second > 1 ? per_second : 1;
        assert_true(started <= 3600 * per_second + burst + 1);
        assert_true(started >= 3600 * per_second);
    }
}

static void
a_bucket_is_full_once_nothing_is_owed(void **state)
{
    (void)state;
    struct whs_rate rate = {0};
    assert_true(whs_rate_full_ms(&rate) <= NOW);
    whs_rate_take(&rate, PER_SECOND(10), 1, NOW);
    assert_int_equal(whs_rate_full_ms(&rate), NOW + 100);
    whs_rate_take(&rate, PER_SECOND(10), 100, NOW);
    assert_int_equal(whs_rate_full_ms(&rate), NOW + 10100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_ready_when_its_token_is_there),
        cmocka_unit_test(those_ahead_of_it_take_theirs_first),
        cmocka_unit_test(
            those_that_may_start_in_a_time_are_those_that_are_ready_by_then),
        cmocka_unit_test(an_hour_brings_what_the_rate_says),
        cmocka_unit_test(a_bucket_is_full_once_nothing_is_owed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
