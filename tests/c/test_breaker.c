/* SPDX-License-Identifier: MIT
 *
 * breaker: opens at its limit, lets one probe through, and closes by what it brings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "breaker.h"
#include "fake_clock.h"

#define FAILURES_MAX 3
#define OPEN_MS 1000

static enum whs_breaker_news
record(struct whs_breaker *breaker, bool failed, int64_t mono_ms)
{
    return whs_breaker_record(breaker, failed, FAILURES_MAX, OPEN_MS, mono_ms);
}

static struct whs_breaker
make_open(int64_t mono_ms)
{
    struct whs_breaker breaker = {0};
    for (int i = 0; i < FAILURES_MAX; i++)
        record(&breaker, true, mono_ms);
    return breaker;
}

static void
a_new_one_admits_everybody(void **state)
{
    (void)state;
    struct whs_breaker breaker = {0};
    for (int i = 0; i < 100; i++)
        assert_true(whs_breaker_admits(&breaker, i));
    assert_true(whs_breaker_blocked_until(&breaker) == 0);
}

static void
failures_in_a_row_open_it_at_the_limit(void **state)
{
    (void)state;
    struct whs_breaker breaker = {0};
    record(&breaker, true, 10);
    record(&breaker, true, 20);
    assert_true(whs_breaker_admits(&breaker, 20));
    record(&breaker, true, 30);
    assert_false(whs_breaker_admits(&breaker, 30));
    assert_true(whs_breaker_blocked_until(&breaker) == 30 + OPEN_MS);
}

static void
a_success_between_them_starts_the_count_anew(void **state)
{
    (void)state;
    struct whs_breaker breaker = {0};
    for (int i = 0; i < 10; i++) {
        record(&breaker, true, i);
        record(&breaker, true, i);
        record(&breaker, false, i);
        assert_true(whs_breaker_admits(&breaker, i));
    }
}

static void
one_probe_is_let_through_when_its_time_has_come(void **state)
{
    (void)state;
    struct whs_breaker breaker = make_open(0);
    assert_false(whs_breaker_admits(&breaker, OPEN_MS - 1));
    assert_true(whs_breaker_admits(&breaker, OPEN_MS));
    for (int64_t ms = OPEN_MS; ms < 100 * OPEN_MS; ms += OPEN_MS)
        assert_false(whs_breaker_admits(&breaker, ms));
}

static void
a_good_probe_closes_it_and_forgets(void **state)
{
    (void)state;
    struct whs_breaker breaker = make_open(0);
    assert_true(whs_breaker_admits(&breaker, OPEN_MS));
    record(&breaker, false, OPEN_MS + 5);
    assert_true(whs_breaker_blocked_until(&breaker) == 0);
    record(&breaker, true, OPEN_MS + 6);
    record(&breaker, true, OPEN_MS + 7);
    assert_true(whs_breaker_admits(&breaker, OPEN_MS + 8));
}

static void
a_bad_probe_opens_it_again_from_then(void **state)
{
    (void)state;
    struct whs_breaker breaker = make_open(0);
    for (int64_t ms = OPEN_MS; ms < 50 * OPEN_MS; ms += OPEN_MS + 7) {
        assert_true(whs_breaker_admits(&breaker, ms));
        record(&breaker, true, ms + 7);
        assert_true(whs_breaker_blocked_until(&breaker) == ms + 7 + OPEN_MS);
        assert_false(whs_breaker_admits(&breaker, ms + 7 + OPEN_MS - 1));
    }
}

/* Attempts that began before it opened end while it is open. */
static void
stragglers_that_fail_keep_it_open_and_one_that_succeeds_closes_it(void **state)
{
    (void)state;
    struct whs_breaker breaker = make_open(0);
    record(&breaker, true, 500);
    assert_true(whs_breaker_blocked_until(&breaker) == 500 + OPEN_MS);
    record(&breaker, false, 600);
    assert_true(whs_breaker_admits(&breaker, 600));
}

static void
it_says_when_it_opens_and_when_it_closes(void **state)
{
    (void)state;
    struct whs_breaker breaker = {0};
    assert_int_equal(record(&breaker, false, 0), WHS_BREAKER_AS_BEFORE);
    assert_int_equal(record(&breaker, true, 1), WHS_BREAKER_AS_BEFORE);
    assert_int_equal(record(&breaker, true, 2), WHS_BREAKER_AS_BEFORE);
    assert_int_equal(record(&breaker, true, 3), WHS_BREAKER_OPENED);
    assert_int_equal(record(&breaker, true, 4), WHS_BREAKER_OPENED);
    assert_true(whs_breaker_admits(&breaker, 4 + OPEN_MS));
    assert_int_equal(record(&breaker, true, 5 + OPEN_MS), WHS_BREAKER_OPENED);
    assert_true(whs_breaker_admits(&breaker, 5 + 2 * OPEN_MS));
    assert_int_equal(record(&breaker, false, 6 + 2 * OPEN_MS), WHS_BREAKER_CLOSED);
    assert_int_equal(record(&breaker, false, 7 + 2 * OPEN_MS), WHS_BREAKER_AS_BEFORE);
}

/* Whatever comes: while it is open and nobody probes, nobody waits for ever. */
static void
it_always_admits_somebody_again(void **state)
{
    (void)state;
    struct fake_random random = {9};
    struct whs_breaker breaker = {0};
    int64_t mono_ms = 0;
    int running = 0;
    for (int i = 0; i < 100000; i++) {
        mono_ms += (int64_t)fake_random_below(&random, 300);
        if (fake_random_below(&random, 2) && whs_breaker_admits(&breaker, mono_ms))
            running++;
        if (running > 0 && fake_random_below(&random, 2)) {
            running--;
            record(&breaker, fake_random_below(&random, 2), mono_ms);
        }
        if (running == 0) {
            assert_false(breaker.probing);
            assert_true(whs_breaker_blocked_until(&breaker) <= mono_ms + OPEN_MS);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_one_admits_everybody),
        cmocka_unit_test(failures_in_a_row_open_it_at_the_limit),
        cmocka_unit_test(a_success_between_them_starts_the_count_anew),
        cmocka_unit_test(one_probe_is_let_through_when_its_time_has_come),
        cmocka_unit_test(a_good_probe_closes_it_and_forgets),
        cmocka_unit_test(a_bad_probe_opens_it_again_from_then),
        cmocka_unit_test(
            stragglers_that_fail_keep_it_open_and_one_that_succeeds_closes_it),
        cmocka_unit_test(it_says_when_it_opens_and_when_it_closes),
        cmocka_unit_test(it_always_admits_somebody_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
