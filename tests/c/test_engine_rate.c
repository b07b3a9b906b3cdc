/* SPDX-License-Identifier: MIT
 *
 * start, lane, spill: a subscription that says how much it wants to be sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rate.h"
#include "rig.h"

#define PER_SECOND(n) ((n)*WHS_RATE_MICROS)
#define BYTES_MAX 1000000

static void
forbid_spilling(struct whs_engine_config *config)
{
    config->spill = false;
}

static void
push_many(struct rig *rig, int64_t first, int64_t count)
{
    for (int64_t seq = first; seq < first + count; seq++)
        rig_push(rig, seq, "t1");
}

/* In steps of 10 ms, so that answers come; settles what is reported. */
static void
let_pass(struct rig *rig, int64_t ms)
{
    for (; ms > 0; ms -= 10) {
        rig_take(rig);
        rig_pass(rig, ms < 10 ? ms : 10);
    }
    rig_take(rig);
}

static void
its_lane_starts_a_seconds_worth_and_then_at_its_rate(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    rig_put(&rig, (struct world_sub){.seq = 1, .rate_micros = PER_SECOND(4)});
    push_many(&rig, 1, 20);
    rig_turn(&rig);
    let_pass(&rig, 240);
    assert_int_equal(rig.transport->request_count, 4);
    let_pass(&rig, 10);
    assert_int_equal(rig.transport->request_count, 5);
    let_pass(&rig, 2750);
    assert_int_equal(rig.transport->request_count, 16);
    let_pass(&rig, 1000);
    assert_int_equal(rig.transport->request_count, 20);
    assert_int_equal(rig_stats(&rig).delivered, 20);
    rig_fini(&rig);
}

static void
the_loop_wakes_when_the_next_may_start(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    rig_put(&rig, (struct world_sub){.seq = 1, .rate_micros = PER_SECOND(2) / 10});
    push_many(&rig, 1, 2);
    rig_turns(&rig, 3);
    assert_int_equal(rig.transport->request_count, 1);
    for (int i = 0; i < 12 && rig.transport->request_count < 2; i++)
        whs_engine_turn(rig.engine, 60000);
    assert_int_equal(rig.transport->request_count, 2);
    assert_int_equal(rig.clock.wall_ms - FAKE_CLOCK_START_MS, 5000);
    rig_fini(&rig);
}

static void
others_of_the_same_origin_do_not_wait_for_it(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    rig_put(&rig, (struct world_sub){
                      .seq = 1, .origin = "https://x", .rate_micros = PER_SECOND(1)});
    rig_put(&rig, (struct world_sub){.seq = 2, .tenant = "b", .origin = "https://x"});
    push_many(&rig, 1, 50);
    for (int64_t seq = 51; seq <= 100; seq++)
        rig_push(&rig, seq, "b");
    let_pass(&rig, 900);
    assert_int_equal(rig.transport->request_count, 51);
    rig_fini(&rig);
}

static void
a_batch_uses_a_token_for_each_notification(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    rig_put(&rig, (struct world_sub){.seq = 1,
                                     .batching = {30, BYTES_MAX, 0},
                                     .rate_micros = PER_SECOND(10)});
    push_many(&rig, 1, 90);
    rig_turn(&rig);
    /* 30 of a bucket of 10: the next when 21 more have come. */
    let_pass(&rig, 2090);
    assert_int_equal(rig.transport->request_count, 1);
    let_pass(&rig, 10);
    assert_int_equal(rig.transport->request_count, 2);
    let_pass(&rig, 2990);
    assert_int_equal(rig.transport->request_count, 2);
    let_pass(&rig, 10);
    assert_int_equal(rig.transport->request_count, 3);
    rig_fini(&rig);
}

static void
a_lane_without_work_remembers_until_its_bucket_is_full(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    rig_put(&rig, (struct world_sub){.seq = 1, .rate_micros = PER_SECOND(1)});
    push_many(&rig, 1, 1);
    rig_turn(&rig);
    let_pass(&rig, 100);
    assert_int_equal(rig_stats(&rig).delivered, 1);
    /* So many lanes are idle that the first would have been given up. */
    for (int64_t seq = 2; seq <= 2000; seq++)
        rig_put(&rig, (struct world_sub){.seq = seq, .tenant = "many"});
    rig_push(&rig, 5000, "many");
    let_pass(&rig, 500);
    size_t before = rig.transport->request_count;
    assert_int_equal(before, 2000);
    push_many(&rig, 6000, 1);
    let_pass(&rig, 390);
    assert_int_equal(rig.transport->request_count, before);
    let_pass(&rig, 10);
    assert_int_equal(rig.transport->request_count, before + 1);
    rig_fini(&rig);
}

static void
another_rate_counts_at_once(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    rig_put(&rig, (struct world_sub){.seq = 1, .rate_micros = WHS_RATE_MICROS_MIN});
    push_many(&rig, 1, 20);
    let_pass(&rig, 1000);
    assert_int_equal(rig.transport->request_count, 1);
    rig_put(&rig, (struct world_sub){.seq = 1, .rate_micros = PER_SECOND(5)});
    let_pass(&rig, 1100);
    assert_in_range(rig.transport->request_count, 6, 7);
    let_pass(&rig, 3000);
    assert_int_equal(rig.transport->request_count, 20);
    rig_fini(&rig);
}

static void
what_its_rate_does_not_let_go_soon_is_spilled_until_it_does(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1, .rate_micros = PER_SECOND(10)});
    push_many(&rig, 1, 100);
    size_t spilled = 0;
    int64_t last_due_ms = 0, at_ms = 0;
    for (; at_ms < 3000; at_ms += 10) {
        for (struct whs_report *each = rig_take(&rig); each; each = each->next)
            for (size_t i = 0; each->outcome == WHS_OUTCOME_SPILLED && i < each->count;
                 i++, spilled++) {
                assert_true(at_ms + each->deliveries[i].delay_ms > last_due_ms);
                last_due_ms = at_ms + each->deliveries[i].delay_ms;
            }
        rig_pass(&rig, 10);
    }
    /* 10 at once, 10 in each second; what stays starts within the time for which it
     * would have been let stay. */
    assert_in_range(spilled, 45, 55);
    assert_in_range(last_due_ms, 8900, 9200);
    let_pass(&rig, 3000);
    assert_int_equal(rig_stats(&rig).delivered, 100 - spilled);
    assert_int_equal(rig_stats(&rig).queued, 0);
    rig_fini(&rig);
}

static void
what_is_spilled_comes_back_to_hear_of_another_rate(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1, .rate_micros = WHS_RATE_MICROS_MIN});
    push_many(&rig, 1, 50);
    int64_t longest_ms = 0;
    for (int i = 0; i < 300; i++) {
        for (struct whs_report *each = rig_take(&rig); each; each = each->next)
            for (size_t n = 0; n < each->count; n++)
                if (each->deliveries[n].delay_ms > longest_ms)
                    longest_ms = each->deliveries[n].delay_ms;
        rig_pass(&rig, 10);
    }
    assert_int_equal(longest_ms, 600000);
    rig_fini(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_lane_starts_a_seconds_worth_and_then_at_its_rate),
        cmocka_unit_test(the_loop_wakes_when_the_next_may_start),
        cmocka_unit_test(others_of_the_same_origin_do_not_wait_for_it),
        cmocka_unit_test(a_batch_uses_a_token_for_each_notification),
        cmocka_unit_test(a_lane_without_work_remembers_until_its_bucket_is_full),
        cmocka_unit_test(another_rate_counts_at_once),
        cmocka_unit_test(what_its_rate_does_not_let_go_soon_is_spilled_until_it_does),
        cmocka_unit_test(what_is_spilled_comes_back_to_hear_of_another_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
