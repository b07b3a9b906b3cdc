/* SPDX-License-Identifier: MIT
 *
 * timer: what is due comes in the order of its time, whatever was moved or cleared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_clock.h"
#include "timer.h"

static void
nothing_is_due_before_its_time(void **state)
{
    (void)state;
    struct whs_timers timers = {0};
    struct whs_timer timer = {0};
    assert_true(whs_timers_next(&timers) == INT64_MAX);
    whs_timer_set(&timers, &timer, 10);
    assert_int_equal(whs_timers_next(&timers), 10);
    assert_null(whs_timers_take_due(&timers, 9));
    assert_ptr_equal(whs_timers_take_due(&timers, 10), &timer);
    assert_false(timer.set);
    assert_null(whs_timers_take_due(&timers, 10));
    whs_timer_clear(&timers, &timer);
}

static void
setting_again_moves_it(void **state)
{
    (void)state;
    struct whs_timers timers = {0};
    struct whs_timer a = {0}, b = {0};
    whs_timer_set(&timers, &a, 10);
    whs_timer_set(&timers, &b, 20);
    whs_timer_set(&timers, &a, 30);
    assert_int_equal(whs_timers_next(&timers), 20);
    whs_timer_set(&timers, &b, 40);
    assert_int_equal(whs_timers_next(&timers), 30);
    whs_timer_clear(&timers, &a);
    assert_int_equal(whs_timers_next(&timers), 40);
}

#define COUNT 500

static int64_t
find_least(const struct whs_timer *timers)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < COUNT; i++)
        if (timers[i].set && timers[i].at_ms < least)
            least = timers[i].at_ms;
    return least;
}

static void
random_sets_and_clears_keep_the_order(void **state)
{
    (void)state;
    struct whs_timers timers = {0};
    struct whs_timer all[COUNT] = {0};
    struct fake_random random = {7};
    for (int step = 0; step < 20000; step++) {
        struct whs_timer *timer = &all[fake_random_below(&random, COUNT)];
        if (fake_random_below(&random, 3) == 0)
            whs_timer_clear(&timers, timer);
        else
            whs_timer_set(&timers, timer, (int64_t)fake_random_below(&random, 1000));
        if (fake_random_below(&random, 50) == 0) {
            struct whs_timer *due = whs_timers_take_due(&timers, INT64_MAX - 1);
            assert_true(!due || !due->set);
        }
        assert_true(whs_timers_next(&timers) == find_least(all));
    }
    int64_t last = 0;
    while (timers.first) {
        int64_t at_ms = timers.first->at_ms;
        assert_true(at_ms >= last);
        assert_non_null(whs_timers_take_due(&timers, at_ms));
        last = at_ms;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_due_before_its_time),
        cmocka_unit_test(setting_again_moves_it),
        cmocka_unit_test(random_sets_and_clears_keep_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
