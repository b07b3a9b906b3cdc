/* SPDX-License-Identifier: MIT
 *
 * spill: what cannot start soon leaves the queue, no faster than reports have room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

#define NEVER_ANSWERED                                                                 \
    {                                                                                  \
        .takes_ms = FAKE_NEVER                                                         \
    }

struct tally {
    size_t reports;
    size_t deliveries;
    int64_t delay_ms; /* of the last */
    bool all_done;
};

/* Takes everything; counts what was spilled. */
static struct tally
take_spilled(struct rig *rig)
{
    struct tally tally = {.all_done = true};
    for (struct whs_report *each = rig_take(rig); each; each = each->next) {
        if (each->outcome != WHS_OUTCOME_SPILLED)
            continue;
        assert_false(each->holds_slot);
        assert_int_equal(each->started_at_ms, 0);
        tally.reports++;
        for (size_t i = 0; i < each->count; i++) {
            assert_int_equal(each->deliveries[i].state, WHS_DELIVERY_WAITING);
            assert_int_equal(each->deliveries[i].attempts, 0);
            tally.all_done &= each->deliveries[i].event_done;
            tally.delay_ms = each->deliveries[i].delay_ms;
            tally.deliveries++;
        }
    }
    rig_settle(rig);
    return tally;
}

static void
push_many(struct rig *rig, int64_t count)
{
    for (int64_t seq = 1; seq <= count; seq++)
        rig_push(rig, seq, "t1");
}

/* In steps, as a loop that wakes for its sweeps would see them. */
static void
let_pass(struct rig *rig, int64_t ms)
{
    for (; ms > 0; ms -= 100)
        rig_pass(rig, ms < 100 ? ms : 100);
}

static void
what_does_not_start_in_time_is_spilled(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    push_many(&rig, 100);
    rig_turn(&rig);
    let_pass(&rig, 1900);
    assert_int_equal(take_spilled(&rig).deliveries, 0);
    assert_int_equal(rig_stats(&rig).queued, 92);
    let_pass(&rig, 700);
    struct tally tally = take_spilled(&rig);
    assert_int_equal(tally.deliveries, 92);
    assert_int_equal(tally.reports, 1);
    assert_int_equal(tally.delay_ms, 0);
    assert_true(tally.all_done);
    assert_int_equal(rig_stats(&rig).spilled, 92);
    assert_int_equal(rig_stats(&rig).queued, 0);
    assert_int_equal(rig_stats(&rig).in_flight, 8);
    rig_fini(&rig);
}

static void
the_loop_wakes_to_spill(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    push_many(&rig, 9);
    int turns = 0;
    int64_t began_ms = 0;
    for (; rig_stats(&rig).spilled == 0 && turns < 20; turns++) {
        began_ms = rig.clock.wall_ms - FAKE_CLOCK_START_MS;
        whs_engine_turn(rig.engine, 60000);
    }
    assert_in_range(began_ms, 2000, 2500);
    assert_true(turns < 10);
    rig_fini(&rig);
}

static void
an_open_breaker_spills_until_it_closes(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual = (struct fake_answer)FAKE_OUTCOME(CONNECT_ERROR);
    push_many(&rig, 20);
    rig_turns(&rig, 3);
    struct tally tally = take_spilled(&rig);
    assert_int_equal(tally.deliveries, 12);
    assert_int_equal(tally.delay_ms, 30000);
    /* Newcomers too, with what is left of the time. */
    rig_pass(&rig, 10000);
    rig_push(&rig, 21, "t1");
    rig_turns(&rig, 2);
    tally = take_spilled(&rig);
    assert_int_equal(tally.deliveries, 1);
    assert_int_equal(tally.delay_ms, 20000);
    rig_fini(&rig);
}

static void
what_goes_elsewhere_now_is_not_held_up_by_where_it_went(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    fake_transport_rule(rig.transport, "https://dead",
                        (struct fake_answer)FAKE_OUTCOME(CONNECT_ERROR));
    rig_put(&rig, (struct world_sub){.seq = 1, .origin = "https://dead"});
    push_many(&rig, 8);
    rig_turns(&rig, 3);
    take_spilled(&rig);
    assert_int_equal(rig_stats(&rig).origins_blocked, 1);
    rig_put(&rig, (struct world_sub){.seq = 1, .origin = "https://alive"});
    for (int64_t seq = 9; seq <= 20; seq++)
        rig_push(&rig, seq, "t1");
    rig_turns(&rig, 5);
    assert_int_equal(take_spilled(&rig).deliveries, 0);
    assert_int_equal(rig_stats(&rig).delivered, 12);
    rig_fini(&rig);
}

static void
what_is_delivered_at_pace_stays_however_long_the_queue(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig.transport->forgetful = true;
    rig_put(&rig, (struct world_sub){.seq = 1});
    /* 8 at once, 10 ms each: 800/s, and four seconds of work. */
    rig.transport->usual = (struct fake_answer){.takes_ms = 10};
    push_many(&rig, 3200);
    size_t spilled = 0;
    for (int64_t start_ms = rig.clock.wall_ms; rig.clock.wall_ms < start_ms + 4500;) {
        whs_engine_turn(rig.engine, 100);
        spilled += take_spilled(&rig).deliveries;
    }
    /* At two seconds what is left takes two more: nearly all of it stays. */
    assert_true(spilled < 320);
    assert_int_equal(rig_stats(&rig).delivered + (int64_t)spilled, 3200);
    rig_fini(&rig);
}

static void
what_is_far_beyond_the_pace_is_spilled(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig.transport->forgetful = true;
    rig_put(&rig, (struct world_sub){.seq = 1});
    /* 8 at once, 1 s each: 8/s. */
    rig.transport->usual = (struct fake_answer){.takes_ms = 1000};
    push_many(&rig, 3200);
    size_t spilled = 0;
    for (int64_t start_ms = rig.clock.wall_ms; rig.clock.wall_ms < start_ms + 2600;) {
        whs_engine_turn(rig.engine, 100);
        spilled += take_spilled(&rig).deliveries;
    }
    assert_true(spilled > 3100);
    /* Its share goes on all the while. */
    assert_int_equal(rig_stats(&rig).in_flight, 8);
    rig_fini(&rig);
}

static void
allow_ten_slots(struct whs_engine_config *config)
{
    config->limits.report_slots = 10;
}

static void
spilling_stops_when_the_store_stands_still(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, allow_ten_slots);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    push_many(&rig, 100);
    rig_turn(&rig);
    let_pass(&rig, 5000);
    /* Eight slots are in use by attempts: two deliveries may go. */
    assert_int_equal(rig_stats(&rig).spilled, 2);
    assert_int_equal(rig_stats(&rig).queued, 90);
    let_pass(&rig, 5000);
    assert_int_equal(rig_stats(&rig).spilled, 2);
    /* The store is back. */
    size_t spilled = 0;
    for (int i = 0; i < 60; i++) {
        spilled += take_spilled(&rig).deliveries;
        let_pass(&rig, 500);
    }
    assert_int_equal(spilled, 92);
    assert_int_equal(rig_stats(&rig).queued, 0);
    rig_fini(&rig);
}

static void
leaving_waits_for_room_and_goes_on_when_there_is_some(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, allow_ten_slots);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    push_many(&rig, 30);
    rig_turn(&rig);
    whs_engine_remove_subscriber(rig.engine, 1, WHS_REMOVAL_CANCEL);
    rig_turns(&rig, 3);
    assert_int_equal(rig_stats(&rig).cancelled, 2);
    assert_int_equal(rig_stats(&rig).queued, 20);
    int wakes = rig.transport->wakes;
    rig_take(&rig);
    rig_settle(&rig);
    assert_true(rig.transport->wakes > wakes);
    rig_turn(&rig);
    assert_int_equal(rig_stats(&rig).cancelled, 4);
    rig_fini(&rig);
}

static void
forbid_spilling(struct whs_engine_config *config)
{
    config->spill = false;
}

static void
without_a_store_everything_stays_queued(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    push_many(&rig, 20);
    rig_turn(&rig);
    let_pass(&rig, 10000);
    assert_int_equal(rig_stats(&rig).spilled, 0);
    assert_int_equal(rig_stats(&rig).queued, 12);
    rig_fini(&rig);
}

static void
one_report_is_for_one_origin(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    for (int64_t seq = 1; seq <= 3; seq++)
        rig_put(&rig, (struct world_sub){.seq = seq});
    push_many(&rig, 20);
    whs_engine_close(rig.engine, 0);
    size_t reports = 0;
    for (struct whs_report *each = rig_take(&rig); each; each = each->next) {
        for (size_t i = 0; i < each->count; i++)
            assert_int_equal(each->deliveries[i].subscription_seq + 1000,
                             each->origin_seq);
        reports++;
    }
    assert_true(reports >= 3);
    rig_fini(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_start_in_time_is_spilled),
        cmocka_unit_test(the_loop_wakes_to_spill),
        cmocka_unit_test(an_open_breaker_spills_until_it_closes),
        cmocka_unit_test(what_goes_elsewhere_now_is_not_held_up_by_where_it_went),
        cmocka_unit_test(what_is_delivered_at_pace_stays_however_long_the_queue),
        cmocka_unit_test(what_is_far_beyond_the_pace_is_spilled),
        cmocka_unit_test(spilling_stops_when_the_store_stands_still),
        cmocka_unit_test(leaving_waits_for_room_and_goes_on_when_there_is_some),
        cmocka_unit_test(without_a_store_everything_stays_queued),
        cmocka_unit_test(one_report_is_for_one_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
