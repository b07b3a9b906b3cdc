/* SPDX-License-Identifier: MIT
 *
 * origin: shared by name, remembered while idle, ready only while it may start.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "fake_clock.h"
#include "origin.h"

#define IN_FLIGHT_MAX 2
#define FAILURES_MAX 2
#define OPEN_MS 1000

static struct whs_origins origins;
static struct whs_link lane; /* one that is ready, as far as an origin sees */

static int
setup(void **state)
{
    (void)state;
    struct fake_random random = {1};
    struct whs_random source = fake_random_random(&random);
    whs_link_init(&lane);
    return whs_origins_init(&origins, IN_FLIGHT_MAX, 0, &source) ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    whs_origins_fini(&origins);
    return 0;
}

static bool
is_ready(const struct whs_origin *origin)
{
    return !whs_link_is_alone(&origin->ring);
}

static struct whs_origin *
open_with_work(const char *name)
{
    struct whs_origin *origin = whs_origin_open(&origins, whs_slice_of(name));
    whs_list_append(&origin->lanes, &lane);
    whs_origin_place(&origins, origin);
    return origin;
}

static void
close_with_work(struct whs_origin *origin)
{
    whs_list_remove(&lane);
    whs_origin_place(&origins, origin);
    whs_origin_close(&origins, origin);
}

static void
record(struct whs_origin *origin, bool failed)
{
    whs_origin_record(&origins, origin, failed, FAILURES_MAX, OPEN_MS);
}

static void
one_name_is_one_origin(void **state)
{
    (void)state;
    char name[] = "https://a.test:443";
    struct whs_origin *a = whs_origin_open(&origins, whs_slice_of(name));
    struct whs_origin *b = whs_origin_open(&origins, WHS_SLICE("https://b.test:443"));
    memset(name, 'x', sizeof(name) - 1);
    assert_ptr_equal(whs_origin_open(&origins, WHS_SLICE("https://a.test:443")), a);
    assert_ptr_not_equal(a, b);
    whs_origin_close(&origins, a);
    whs_origin_close(&origins, a);
    whs_origin_close(&origins, b);
}

static void
it_is_ready_with_work_and_below_its_cap(void **state)
{
    (void)state;
    struct whs_origin *origin = whs_origin_open(&origins, WHS_SLICE("a"));
    whs_origin_place(&origins, origin);
    assert_false(is_ready(origin));
    whs_list_append(&origin->lanes, &lane);
    whs_origin_place(&origins, origin);
    assert_true(is_ready(origin));
    origin->in_flight = IN_FLIGHT_MAX;
    whs_origin_place(&origins, origin);
    assert_false(is_ready(origin));
    origin->in_flight--;
    whs_origin_place(&origins, origin);
    assert_true(is_ready(origin));
    close_with_work(origin);
    assert_false(is_ready(origin));
}

static void
an_open_breaker_takes_it_out_until_its_time(void **state)
{
    (void)state;
    struct whs_origin *origin = open_with_work("a");
    record(origin, true);
    assert_true(is_ready(origin));
    assert_int_equal(origins.blocked, 0);
    record(origin, true);
    assert_false(is_ready(origin));
    assert_int_equal(origins.blocked, 1);
    assert_true(whs_timers_next(&origins.reopening) == OPEN_MS);
    origins.mono_ms = OPEN_MS;
    whs_origin_place(&origins, origin);
    assert_true(is_ready(origin));
    assert_true(whs_breaker_admits(&origin->breaker, origins.mono_ms));
    whs_origin_place(&origins, origin);
    assert_false(is_ready(origin));
    record(origin, false);
    assert_true(is_ready(origin));
    assert_int_equal(origins.blocked, 0);
    close_with_work(origin);
}

static void
a_probe_that_did_not_happen_leaves_it_to_the_next(void **state)
{
    (void)state;
    struct whs_origin *origin = open_with_work("a");
    record(origin, true);
    record(origin, true);
    origins.mono_ms = OPEN_MS;
    assert_true(whs_breaker_admits(&origin->breaker, OPEN_MS));
    whs_origin_place(&origins, origin);
    assert_false(is_ready(origin));
    whs_origin_forgo(&origins, origin);
    assert_true(is_ready(origin));
    assert_true(whs_breaker_admits(&origin->breaker, OPEN_MS));
    assert_int_equal(origins.blocked, 1);
    close_with_work(origin);
}

static void
an_idle_one_remembers_its_breaker(void **state)
{
    (void)state;
    struct whs_origin *origin = whs_origin_open(&origins, WHS_SLICE("a"));
    record(origin, true);
    record(origin, true);
    whs_origin_close(&origins, origin);
    assert_int_equal(origins.idle_count, 1);
    origin = whs_origin_open(&origins, WHS_SLICE("a"));
    assert_int_equal(origins.idle_count, 0);
    assert_true(whs_origin_is_blocked(origin, OPEN_MS - 1));
    assert_false(whs_origin_is_blocked(origin, OPEN_MS));
    whs_origin_close(&origins, origin);
}

static void
the_memory_of_idle_ones_is_bounded_and_the_oldest_goes(void **state)
{
    (void)state;
    char name[32];
    size_t most = 0;
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "https://h%d.test", i);
        struct whs_origin *origin = whs_origin_open(&origins, whs_slice_of(name));
        record(origin, true);
        record(origin, true);
        whs_origin_close(&origins, origin);
        most = origins.idle_count > most ? origins.idle_count : most;
        assert_int_equal(origins.table.len, origins.idle_count);
        assert_int_equal(origins.blocked, origins.idle_count);
    }
    assert_true(most < 10000);
    struct whs_origin *newest = whs_origin_open(&origins, whs_slice_of(name));
    assert_true(whs_origin_is_blocked(newest, 0));
    struct whs_origin *oldest = whs_origin_open(&origins, WHS_SLICE("https://h0.test"));
    assert_false(whs_origin_is_blocked(oldest, 0));
    whs_origin_close(&origins, newest);
    whs_origin_close(&origins, oldest);
}

static void
without_memory_none_is_opened(void **state)
{
    (void)state;
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_origin *origin = whs_origin_open(&origins, WHS_SLICE("new"));
        assert_int_equal(origin != NULL, !failing_alloc_happened());
        failing_alloc_end();
        if (origin)
            whs_origin_close(&origins, origin);
        else
            assert_int_equal(origins.table.len, 0);
    }
}

static void
one_that_says_it_is_there_is_tried_at_once(void **state)
{
    (void)state;
    struct whs_origin *origin = open_with_work("socket:ann");
    whs_origin_record(&origins, origin, true, 1, OPEN_MS);
    assert_false(is_ready(origin));
    assert_int_equal(origins.blocked, 1);
    whs_origin_reopen(&origins, WHS_SLICE("socket:ann"));
    assert_true(is_ready(origin));
    assert_int_equal(origins.blocked, 0);
    assert_int_equal(whs_breaker_blocked_until(&origin->breaker), 0);
    whs_origin_reopen(&origins, WHS_SLICE("socket:ann"));
    whs_origin_reopen(&origins, WHS_SLICE("socket:nobody"));
    assert_int_equal(origins.blocked, 0);
    assert_true(is_ready(origin));
    close_with_work(origin);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_name_is_one_origin, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_ready_with_work_and_below_its_cap, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_open_breaker_takes_it_out_until_its_time,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_probe_that_did_not_happen_leaves_it_to_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(an_idle_one_remembers_its_breaker, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            the_memory_of_idle_ones_is_bounded_and_the_oldest_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_says_it_is_there_is_tried_at_once,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_none_is_opened, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
