/* SPDX-License-Identifier: MIT
 *
 * lane: first in, first out, whatever is taken, cut or put back, and its sums with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "fake_clock.h"
#include "lane.h"
#include "world.h"

#define DELIVERIES 12

static struct whs_lanes lanes;
static struct whs_fanout *fanout;

/* A fan-out whose deliveries are all for one subscriber: the lane does not mind. */
static struct whs_lane *
open_lane(struct world_sub wanted)
{
    struct fake_random random = {1};
    struct whs_random source = fake_random_random(&random);
    struct whs_subscriber *sub = world_subscriber(&wanted);
    struct whs_match matches[DELIVERIES];
    struct whs_event *event = world_event(1, "t1", "{\"n\":1}");
    for (int i = 0; i < DELIVERIES; i++)
        matches[i] = (struct whs_match){.sub = whs_subscriber_ref(sub)};
    fanout = whs_fanout_create(event, matches, DELIVERIES);
    fanout->linked = DELIVERIES;
    for (int i = 0; i < DELIVERIES; i++)
        fanout->deliveries[i].time_ms = i;
    assert_true(whs_lanes_init(&lanes, 8, 0, 2, &source));
    struct whs_lane *lane = whs_lane_create(&lanes, sub, 0);
    assert_non_null(lane);
    whs_event_unref(event);
    whs_subscriber_unref(sub);
    return lane;
}

static void
append(struct whs_lane *lane, int from, int to)
{
    for (int i = from; i < to; i++)
        whs_lane_append(lane, &fanout->deliveries[i]);
    whs_lane_place(&lanes, lane);
}

static long
number_of(const struct whs_delivery *dlv)
{
    return dlv - fanout->deliveries;
}

/* These and no others, in this order, with sums that agree. */
static void
assert_holds(const struct whs_lane *lane, const long *numbers, size_t count)
{
    size_t weight = 0, at = 0;
    for (const struct whs_delivery *dlv = lane->first; dlv; dlv = dlv->next) {
        assert_true(at < count);
        assert_int_equal(number_of(dlv), numbers[at++]);
        weight += dlv->weight;
    }
    assert_int_equal(at, count);
    assert_int_equal(lane->count, count);
    assert_int_equal(lane->weight, weight);
    assert_int_equal(lane->origin->queued, count);
    assert_null(*lane->last);
}

#define HOLDS(lane, ...)                                                               \
    assert_holds(lane, (const long[]){__VA_ARGS__},                                    \
                 sizeof((const long[]){__VA_ARGS__}) / sizeof(long))

static void
close_lanes(struct whs_lane *lane)
{
    while (lane->first)
        whs_lane_take_one(lane);
    whs_lane_place(&lanes, lane);
    whs_lanes_fini(&lanes);
    for (int i = 0; i < DELIVERIES; i++)
        whs_delivery_drop(&fanout->deliveries[i]);
}

static bool
is_ready(const struct whs_lane *lane)
{
    return !whs_link_is_alone(&lane->ring);
}

static void
the_first_in_is_the_first_out(void **state)
{
    (void)state;
    size_t count;
    struct whs_lane *lane = open_lane((struct world_sub){.seq = 1});
    append(lane, 0, 3);
    HOLDS(lane, 0, 1, 2);
    struct whs_delivery *dlv = whs_lane_take(lane, &count);
    assert_int_equal(count, 1);
    assert_int_equal(number_of(dlv), 0);
    assert_null(dlv->next);
    append(lane, 3, 4);
    HOLDS(lane, 1, 2, 3);
    assert_int_equal(number_of(whs_lane_take_one(lane)), 1);
    assert_int_equal(number_of(whs_lane_take_one(lane)), 2);
    assert_int_equal(number_of(whs_lane_take_one(lane)), 3);
    assert_holds(lane, NULL, 0);
    append(lane, 4, 6);
    HOLDS(lane, 4, 5);
    close_lanes(lane);
}

static void
what_is_put_back_stands_in_front(void **state)
{
    (void)state;
    size_t count;
    struct whs_lane *lane = open_lane((struct world_sub){
        .seq = 1, .batching = {.max_notifications = 3, .max_bytes = 1000000}});
    append(lane, 0, 5);
    struct whs_delivery *first = whs_lane_take(lane, &count);
    assert_int_equal(count, 3);
    HOLDS(lane, 3, 4);
    whs_lane_put_back(lane, first, &fanout->deliveries[2], 3);
    HOLDS(lane, 0, 1, 2, 3, 4);
    while (lane->first)
        whs_lane_take_one(lane);
    fanout->deliveries[0].next = &fanout->deliveries[1];
    whs_lane_put_back(lane, &fanout->deliveries[0], &fanout->deliveries[1], 2);
    append(lane, 2, 3);
    HOLDS(lane, 0, 1, 2);
    close_lanes(lane);
}

static void
a_cut_takes_the_old_behind_those_that_are_kept(void **state)
{
    (void)state;
    static const struct {
        size_t keep;
        int64_t before_ms;
        size_t max, cut;
    } rows[] = {
        {0, 100, 100, 6}, {0, -1, 100, 0},  {0, 2, 100, 3},
        {2, 3, 100, 2},   {6, 100, 100, 0}, {9, 100, 100, 0},
        {0, 100, 2, 2},   {5, 100, 100, 1}, {1, 100, 0, 0},
    };
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct whs_lane *lane = open_lane((struct world_sub){.seq = 1});
        long left[6];
        size_t kept = 0, cut = 0;
        append(lane, 0, 6);
        for (struct whs_delivery *dlv =
                 whs_lane_cut(lane, rows[r].keep, rows[r].before_ms, rows[r].max);
             dlv; dlv = dlv->next)
            assert_int_equal(number_of(dlv), rows[r].keep + cut++);
        assert_int_equal(cut, rows[r].cut);
        for (size_t i = 0; i < 6; i++)
            if (i < rows[r].keep || i >= rows[r].keep + cut)
                left[kept++] = (long)i;
        assert_holds(lane, left, kept);
        append(lane, 6, 7);
        assert_int_equal(lane->count, kept + 1);
        close_lanes(lane);
    }
}

static void
it_is_ready_below_its_cap(void **state)
{
    (void)state;
    size_t count;
    struct whs_lane *lane = open_lane((struct world_sub){.seq = 1});
    assert_false(is_ready(lane));
    append(lane, 0, 3);
    assert_true(is_ready(lane));
    assert_int_equal(lane->stand, WHS_LANE_BUSY);
    for (int i = 0; i < 2; i++) {
        whs_lane_take(lane, &count);
        whs_lane_begin(&lanes, lane);
    }
    assert_false(is_ready(lane));
    assert_int_equal(lane->origin->in_flight, 2);
    whs_lane_end(&lanes, lane, lane->origin);
    assert_true(is_ready(lane));
    whs_lane_take(lane, &count);
    whs_lane_end(&lanes, lane, lane->origin);
    assert_int_equal(lane->stand, WHS_LANE_IDLE);
    assert_ptr_equal(whs_lane_find(&lanes, 1), lane);
    close_lanes(lane);
}

static void
a_batch_lingers_until_it_is_full_or_its_time_has_come(void **state)
{
    (void)state;
    struct whs_lane *lane = open_lane((struct world_sub){
        .seq = 1,
        .batching = {.max_notifications = 3, .max_bytes = 1000000, .linger_ms = 50}});
    append(lane, 0, 2);
    assert_false(is_ready(lane));
    assert_true(whs_lanes_next(&lanes) == 50);
    whs_lanes_wake(&lanes, 49);
    assert_false(is_ready(lane));
    whs_lanes_wake(&lanes, 50);
    assert_true(is_ready(lane));
    whs_lanes_wake(&lanes, 0);
    whs_lane_place(&lanes, lane);
    assert_false(is_ready(lane));
    append(lane, 2, 3);
    assert_true(is_ready(lane));
    close_lanes(lane);
}

static void
a_lane_follows_its_subscription_to_another_origin(void **state)
{
    (void)state;
    struct whs_lane *lane = open_lane((struct world_sub){.seq = 1});
    struct whs_origin *left = lane->origin;
    struct whs_subscriber *moved = world_subscriber(&(struct world_sub){
        .seq = 1,
        .origin = "https://elsewhere.test:443",
        .batching = {.max_notifications = 10, .max_bytes = 1000000}});
    append(lane, 0, 4);
    assert_int_equal(lane->weight, 0);
    assert_true(whs_lane_adopt(&lanes, lane, moved));
    whs_lane_place(&lanes, lane);
    assert_ptr_not_equal(lane->origin, left);
    assert_int_equal(left->queued, 0);
    assert_true(whs_link_is_alone(&left->ring));
    assert_true(lane->weight > 0);
    HOLDS(lane, 0, 1, 2, 3);
    whs_subscriber_unref(moved);
    close_lanes(lane);
}

static void
a_removed_lane_ends_with_its_last_attempt(void **state)
{
    (void)state;
    size_t count;
    struct whs_lane *lane = open_lane((struct world_sub){.seq = 1});
    append(lane, 0, 1);
    whs_lane_take(lane, &count);
    whs_lane_begin(&lanes, lane);
    whs_lane_remove(&lanes, lane, true);
    assert_null(whs_lane_find(&lanes, 1));
    assert_true(lane->cancelled);
    struct whs_subscriber *again = world_subscriber(&(struct world_sub){.seq = 1});
    struct whs_lane *next = whs_lane_create(&lanes, again, 1);
    assert_ptr_equal(whs_lane_find(&lanes, 1), next);
    assert_ptr_equal(next->origin, lane->origin);
    whs_lane_end(&lanes, lane, lane->origin);
    assert_int_equal(next->origin->in_flight, 0);
    assert_int_equal(next->origin->refs, 1);
    whs_subscriber_unref(again);
    close_lanes(next);
}

static void
without_memory_there_is_no_lane_and_none_moves(void **state)
{
    (void)state;
    struct whs_lane *lane = open_lane((struct world_sub){.seq = 1});
    struct whs_subscriber *other = world_subscriber(&(struct world_sub){.seq = 2});
    append(lane, 0, 2);
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_lane *made = whs_lane_create(&lanes, other, 0);
        assert_int_equal(made != NULL, !failing_alloc_happened());
        failing_alloc_end();
        if (made)
            whs_lane_remove(&lanes, made, false);
        assert_null(whs_lane_find(&lanes, 2));
    }
    struct whs_subscriber *moved = world_subscriber(
        &(struct world_sub){.seq = 1, .origin = "https://elsewhere.test:443"});
    struct whs_origin *before = lane->origin;
    assert_true(failing_alloc_begin(1));
    assert_false(whs_lane_adopt(&lanes, lane, moved));
    failing_alloc_end();
    assert_ptr_equal(lane->origin, before);
    HOLDS(lane, 0, 1);
    whs_subscriber_unref(moved);
    whs_subscriber_unref(other);
    close_lanes(lane);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_in_is_the_first_out),
        cmocka_unit_test(what_is_put_back_stands_in_front),
        cmocka_unit_test(a_cut_takes_the_old_behind_those_that_are_kept),
        cmocka_unit_test(it_is_ready_below_its_cap),
        cmocka_unit_test(a_batch_lingers_until_it_is_full_or_its_time_has_come),
        cmocka_unit_test(a_lane_follows_its_subscription_to_another_origin),
        cmocka_unit_test(a_removed_lane_ends_with_its_last_attempt),
        cmocka_unit_test(without_memory_there_is_no_lane_and_none_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
