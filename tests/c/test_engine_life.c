/* SPDX-License-Identifier: MIT
 *
 * engine: what may stop a start, what changes under way, and how it ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "rig.h"
#include "work.h"

#define NEVER_ANSWERED                                                                 \
    {                                                                                  \
        .takes_ms = FAKE_NEVER                                                         \
    }

/* --- Push. --- */

static void
who_has_a_row_already_is_left_out(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    for (int64_t seq = 1; seq <= 4; seq++)
        rig_put(&rig, (struct world_sub){.seq = seq});
    static const int64_t settled[] = {1, 3, 99};
    size_t matches = 0;
    struct whs_event *event = world_event(1, "t1", NULL);
    assert_int_equal(whs_engine_push(rig.engine, event, settled, 3, &matches, NULL),
                     WHS_OK);
    assert_int_equal(matches, 2);
    static const int64_t all[] = {1, 2, 3, 4};
    assert_int_equal(whs_engine_push(rig.engine, event, all, 4, &matches, NULL),
                     WHS_OK);
    assert_int_equal(matches, 0);
    whs_event_unref(event);
    rig_turn(&rig);
    int64_t sum = 0;
    for (struct whs_report *each = rig_take(&rig); each; each = each->next)
        sum += each->deliveries[0].subscription_seq;
    assert_int_equal(sum, 2 + 4);
    rig_fini(&rig);
}

static void
an_unknown_path_is_refused_by_name(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    struct whs_slice paths[] = {WHS_SLICE("tenant/t1/nothing/x")};
    struct whs_event from = {.action = WHS_ACTION_UPDATE, .path_count = 1};
    struct whs_event *event = whs_event_create(&from, paths);
    size_t matches = 7;
    assert_int_equal(whs_engine_push(rig.engine, event, NULL, 0, &matches, NULL),
                     WHS_UNKNOWN_RESOURCE);
    assert_int_equal(matches, 0);
    whs_event_unref(event);
    rig_fini(&rig);
}

static void
allow_five_queued(struct whs_engine_config *config)
{
    config->limits.queue_deliveries_max = 5;
}

static void
a_full_queue_refuses_and_says_what_room_it_has(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, allow_five_queued);
    for (int64_t seq = 1; seq <= 3; seq++)
        rig_put(&rig, (struct world_sub){.seq = seq});
    assert_int_equal(whs_engine_room(rig.engine).deliveries, 5);
    assert_int_equal(rig_push(&rig, 1, "t1"), 3);
    assert_int_equal(whs_engine_room(rig.engine).deliveries, 2);
    assert_int_equal(rig_push(&rig, 2, "t1"), 3);
    assert_int_equal(whs_engine_room(rig.engine).deliveries, 0);
    size_t matches;
    struct whs_event *event = world_event(3, "t1", NULL);
    assert_int_equal(whs_engine_push(rig.engine, event, NULL, 0, &matches, NULL),
                     WHS_FULL);
    rig_turn(&rig);
    assert_int_equal(whs_engine_push(rig.engine, event, NULL, 0, &matches, NULL),
                     WHS_OK);
    whs_event_unref(event);
    rig_fini(&rig);
}

static void
a_row_of_several_paths_gets_the_one_that_it_covers(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    struct whs_slice paths[] = {WHS_SLICE("tenant/t1/network/p1"),
                                WHS_SLICE("tenant/t1/sidedrawer/s9")};
    struct whs_event from = {.action = WHS_ACTION_UPDATE, .path_count = 2};
    struct whs_event *event = whs_event_create(&from, paths);
    assert_int_equal(whs_engine_push_due(rig.engine, event, 1, 1, NULL), WHS_OK);
    whs_event_unref(event);
    rig_turn(&rig);
    assert_non_null(strstr(rig_request(&rig, 0)->body,
                           "\"resourcePath\":\"tenant/t1/sidedrawer/s9\""));
    rig_fini(&rig);
}

/* --- What stops a start. --- */

static void
nothing_starts_after_expiry(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig,
            (struct world_sub){.seq = 1, .expires_at_ms = FAKE_CLOCK_START_MS + 1000});
    rig_push(&rig, 1, "t1");
    rig_turn(&rig);
    assert_int_equal(rig_take_one(&rig)->state, WHS_DELIVERY_DELIVERED);
    rig_push(&rig, 2, "t1");
    rig_push(&rig, 3, "t1");
    rig_pass(&rig, 1000);
    assert_int_equal(rig.transport->request_count, 1);
    struct whs_report *report = rig_take(&rig);
    assert_int_equal(report->count, 2);
    assert_int_equal(report->outcome, WHS_OUTCOME_EXPIRED);
    assert_int_equal(report->started_at_ms, 0);
    assert_false(report->holds_slot);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(report->deliveries[i].state, WHS_DELIVERY_EXPIRED);
        assert_int_equal(report->deliveries[i].attempts, 0);
        assert_true(report->deliveries[i].event_done);
    }
    assert_int_equal(rig_stats(&rig).expired, 2);
    assert_int_equal(rig_stats(&rig).queued, 0);
    rig_fini(&rig);
}

static void
nothing_starts_without_a_lease(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    whs_engine_extend_lease(rig.engine, 1000);
    rig_push(&rig, 1, "t1");
    rig_pass(&rig, 999);
    assert_int_equal(rig.transport->request_count, 1);
    rig_push(&rig, 2, "t1");
    rig_pass(&rig, 1);
    rig_turns(&rig, 3);
    assert_int_equal(rig.transport->request_count, 1);
    assert_int_equal(rig_stats(&rig).lease_stops, 1);
    /* What it has started it may still finish and report. */
    assert_int_equal(rig_take_one(&rig)->event_seq, 1);

    whs_engine_extend_lease(rig.engine, 1000);
    rig_turn(&rig);
    assert_int_equal(rig.transport->request_count, 2);
    rig_push(&rig, 3, "t1");
    rig_pass(&rig, 1000);
    assert_int_equal(rig.transport->request_count, 2);
    assert_int_equal(rig_stats(&rig).lease_stops, 2);
    rig_fini(&rig);
}

static void
what_was_too_late_to_leave_waits_and_is_no_attempt(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1, .max_retries = 1}); /* 0: one attempt */
    whs_engine_extend_lease(rig.engine, 1000);
    static const struct fake_answer late = {.outcome = WHS_OUTCOME_SPILLED,
                                            .takes_ms = 2000};
    fake_transport_script(rig.transport, &late, 1);
    rig_push(&rig, 1, "t1");
    rig_turn(&rig);
    const struct whs_request *request = &rig.transport->requests[0].exchange->request;
    assert_false(whs_request_is_late(request, rig.clock.mono_ms));
    rig_pass(&rig, 1000);
    assert_true(whs_request_is_late(request, rig.clock.mono_ms));
    whs_engine_extend_lease(rig.engine, 5000);
    assert_false(whs_request_is_late(request, rig.clock.mono_ms));

    rig_pass(&rig, 1000);
    rig_turn(&rig);
    const struct whs_reported *row = rig_take_one(&rig);
    assert_int_equal(row->state, WHS_DELIVERY_WAITING);
    assert_int_equal(row->attempts, 0);
    assert_int_equal(row->delay_ms, 0);
    assert_int_equal(rig.taken->outcome, WHS_OUTCOME_SPILLED);
    assert_int_equal(rig.taken->started_at_ms, 0);
    assert_false(rig.taken->subscription_failing);
    assert_false(whs_report_is_attempt(rig.taken, row));
    assert_int_equal(rig_stats(&rig).attempts, 0);
    assert_int_equal(rig_stats(&rig).spilled, 1);
    rig_fini(&rig);
}

static void
a_lease_that_is_back_wakes_the_loop_once_whatever_may_start(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    whs_engine_extend_lease(rig.engine, 0);
    rig_push(&rig, 1, "t1");
    rig_turn(&rig);
    whs_engine_remove_subscriber(rig.engine, 1, WHS_REMOVAL_CANCEL);
    whs_engine_extend_lease(rig.engine, 100000);
    rig_turn(&rig);
    assert_int_equal(rig_take_one(&rig)->state, WHS_DELIVERY_CANCELLED);
    whs_engine_turn(rig.engine, 5000);
    assert_int_equal(rig.clock.wall_ms - FAKE_CLOCK_START_MS, 5000);
    rig_fini(&rig);
}

static void
allow_three_slots(struct whs_engine_config *config)
{
    config->limits.report_slots = 3;
}

static void
nothing_starts_without_a_place_in_the_report_queue(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, allow_three_slots);
    rig_put(&rig, (struct world_sub){.seq = 1});
    for (int64_t seq = 1; seq <= 10; seq++)
        rig_push(&rig, seq, "t1");
    rig_turns(&rig, 5);
    assert_int_equal(rig.transport->request_count, 3);
    assert_int_equal(rig_stats(&rig).unsettled, 3);
    /* The store takes them, and fails: still nothing. */
    whs_report_queue_return(
        whs_engine_reports(rig.engine),
        whs_report_queue_take(whs_engine_reports(rig.engine), 100, 0));
    rig_turns(&rig, 5);
    assert_int_equal(rig.transport->request_count, 3);
    assert_int_equal(rig_stats(&rig).queued, 7);
    rig_take(&rig);
    rig_turns(&rig, 5);
    assert_int_equal(rig.transport->request_count, 3);

    int wakes = rig.transport->wakes;
    rig_settle(&rig);
    assert_int_equal(rig.transport->wakes, wakes + 1);
    rig_turns(&rig, 5);
    assert_int_equal(rig.transport->request_count, 6);
    rig_fini(&rig);
}

/* --- What changes under way. --- */

static void
unsubscribing_cancels_what_is_queued_and_what_would_be_retried(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    for (int64_t seq = 1; seq <= 10; seq++)
        rig_push(&rig, seq, "t1");
    rig_turn(&rig);
    assert_int_equal(rig.transport->in_flight, 8);
    assert_int_equal(whs_engine_remove_subscriber(rig.engine, 1, WHS_REMOVAL_CANCEL),
                     WHS_OK);
    rig_turn(&rig);
    struct whs_report *report = rig_take(&rig);
    assert_null(report->next);
    assert_int_equal(report->count, 2);
    assert_int_equal(report->outcome, WHS_OUTCOME_CANCELLED);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(report->deliveries[i].state, WHS_DELIVERY_CANCELLED);
        assert_int_equal(report->deliveries[i].event_seq, 9 + (int64_t)i);
        assert_true(report->deliveries[i].event_done);
    }
    assert_int_equal(rig_push(&rig, 11, "t1"), 0);

    fake_transport_release(rig.transport, (struct fake_answer)FAKE_STATUS(500));
    rig_turn(&rig);
    int cancelled = 0;
    for (report = rig_take(&rig); report; report = report->next) {
        assert_int_equal(report->outcome, WHS_OUTCOME_HTTP_ERROR);
        cancelled += report->deliveries[0].state == WHS_DELIVERY_CANCELLED;
    }
    assert_int_equal(cancelled, 8);
    assert_int_equal(rig_stats(&rig).cancelled, 10);
    assert_int_equal(whs_engine_remove_subscriber(rig.engine, 1, WHS_REMOVAL_CANCEL),
                     WHS_NOT_FOUND);
    rig_fini(&rig);
}

static void
an_attempt_under_way_may_still_succeed_after_unsubscribing(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    rig_push(&rig, 1, "t1");
    rig_turn(&rig);
    whs_engine_remove_subscriber(rig.engine, 1, WHS_REMOVAL_CANCEL);
    rig_turn(&rig);
    fake_transport_release(rig.transport, (struct fake_answer){0});
    rig_turn(&rig);
    assert_int_equal(rig_take_one(&rig)->state, WHS_DELIVERY_DELIVERED);
    rig_fini(&rig);
}

static void
pausing_spills_and_resuming_delivers_anew(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    for (int64_t seq = 1; seq <= 9; seq++)
        rig_push(&rig, seq, "t1");
    rig_turn(&rig);
    whs_engine_remove_subscriber(rig.engine, 1, WHS_REMOVAL_SPILL);
    rig_turn(&rig);
    const struct whs_reported *row = rig_take_one(&rig);
    assert_int_equal(rig.taken->outcome, WHS_OUTCOME_SPILLED);
    assert_int_equal(row->state, WHS_DELIVERY_WAITING);
    assert_int_equal(row->delay_ms, 0);
    assert_int_equal(row->attempts, 0);
    assert_true(row->event_done);

    /* Resumed: a new lane beside the attempts of the old one, which are retried. */
    rig_put(&rig, (struct world_sub){.seq = 1});
    assert_int_equal(rig_push_due(&rig, 9, "t1", 1, 0), WHS_OK);
    rig.transport->usual = (struct fake_answer){0};
    fake_transport_release(rig.transport, (struct fake_answer)FAKE_STATUS(500));
    rig_turns(&rig, 2);
    int waiting = 0, delivered = 0;
    for (struct whs_report *each = rig_take(&rig); each; each = each->next) {
        waiting += each->deliveries[0].state == WHS_DELIVERY_WAITING;
        delivered += each->deliveries[0].state == WHS_DELIVERY_DELIVERED;
    }
    assert_int_equal(waiting, 8);
    assert_int_equal(delivered, 1);
    rig_fini(&rig);
}

static void
whoever_ends_between_match_and_queue_gets_nothing(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig_put(&rig, (struct world_sub){.seq = 2});
    rig_push(&rig, 1, "t1");
    /* As if its removal had overtaken the fan-out. */
    assert_int_equal(whs_matcher_remove(whs_engine_matcher(rig.engine), 1), WHS_OK);
    rig_turn(&rig);
    assert_int_equal(rig.transport->request_count, 1);
    assert_string_equal(rig_request(&rig, 0)->origin, "https://host-2.test:443");
    int spilled = 0;
    for (struct whs_report *each = rig_take(&rig); each; each = each->next)
        if (each->outcome == WHS_OUTCOME_SPILLED) {
            assert_int_equal(each->deliveries[0].subscription_seq, 1);
            spilled++;
        }
    assert_int_equal(spilled, 1);
    rig_fini(&rig);
}

static void
a_removal_stops_starts_before_it_is_worked_off(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    for (int64_t seq = 1; seq <= 9; seq++)
        rig_push(&rig, seq, "t1");
    rig_turn(&rig);
    /* Gone from the matcher, the generation moved on, the removal not yet queued. */
    whs_matcher_remove(whs_engine_matcher(rig.engine), 1);
    rig_put(&rig, (struct world_sub){.seq = 2, .tenant = "other"});
    fake_transport_release(rig.transport, (struct fake_answer){0});
    rig_turns(&rig, 3);
    assert_int_equal(rig.transport->request_count, 8);
    assert_int_equal(rig_stats(&rig).queued, 1);
    whs_engine_remove_subscriber(rig.engine, 1, WHS_REMOVAL_CANCEL);
    rig_turn(&rig);
    assert_int_equal(rig_stats(&rig).cancelled, 1);
    assert_int_equal(rig_stats(&rig).queued, 0);
    rig_fini(&rig);
}

static void
a_replaced_subscription_counts_for_what_starts_later(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1, .origin = "https://old", .key = "old"});
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    for (int64_t seq = 1; seq <= 10; seq++)
        rig_push(&rig, seq, "t1");
    rig_turn(&rig);
    rig_put(&rig, (struct world_sub){.seq = 1, .origin = "https://new", .key = "new"});
    fake_transport_release(rig.transport, (struct fake_answer){0});
    rig.transport->usual = (struct fake_answer){0};
    rig_turns(&rig, 3);
    assert_int_equal(rig.transport->request_count, 10);
    for (size_t i = 0; i < 10; i++) {
        const struct fake_request *request = rig_request(&rig, i);
        bool old = i < 8;
        char *hash = fake_request_header(request, "integrityHash");
        struct whs_keys keys = {{whs_slice_of(old ? "old" : "new")}, 1};
        assert_string_equal(request->origin, old ? "https://old" : "https://new");
        assert_int_equal(whs_verify_integrity(&keys, whs_slice_of(hash),
                                              whs_slice_of(request->body)),
                         WHS_OK);
        free(hash);
    }
    assert_int_equal(rig_stats(&rig).delivered, 10);
    rig_fini(&rig);
}

/* --- The end. --- */

static void
closing_spills_what_is_queued_and_waits_for_what_runs(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual = (struct fake_answer){.takes_ms = 500};
    for (int64_t seq = 1; seq <= 10; seq++)
        rig_push(&rig, seq, "t1");
    rig_turn(&rig);
    whs_engine_close(rig.engine, 1000);
    assert_int_equal(rig.clock.wall_ms - FAKE_CLOCK_START_MS, 500);
    int delivered = 0, spilled = 0;
    for (struct whs_report *each = rig_take(&rig); each; each = each->next)
        for (size_t i = 0; i < each->count; i++) {
            delivered += each->deliveries[i].state == WHS_DELIVERY_DELIVERED;
            spilled += each->outcome == WHS_OUTCOME_SPILLED;
        }
    assert_int_equal(delivered, 8);
    assert_int_equal(spilled, 2);
    whs_engine_close(rig.engine, 0);
    struct whs_event *event = world_event(11, "t1", NULL);
    size_t matches;
    assert_int_equal(whs_engine_push(rig.engine, event, NULL, 0, &matches, NULL),
                     WHS_CLOSED);
    assert_int_equal(whs_engine_push_due(rig.engine, event, 1, 0, NULL), WHS_CLOSED);
    whs_event_unref(event);
    assert_int_equal(whs_engine_start(rig.engine, NULL), WHS_CLOSED);
    assert_int_equal(whs_engine_wait_idle(rig.engine, 0), WHS_OK);
    rig_fini(&rig);
}

static void
what_runs_beyond_the_grace_is_given_up_as_unknown(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    rig_push(&rig, 1, "t1");
    rig_turn(&rig);
    whs_engine_close(rig.engine, 1000);
    assert_int_equal(rig.clock.wall_ms - FAKE_CLOCK_START_MS, 1000);
    assert_int_equal(rig.transport->cancelled, 1);
    const struct whs_reported *row = rig_take_one(&rig);
    assert_int_equal(rig.taken->outcome, WHS_OUTCOME_UNKNOWN);
    assert_int_equal(row->state, WHS_DELIVERY_WAITING);
    assert_int_equal(row->attempts, 1);
    assert_int_equal(row->delay_ms, 0);
    assert_true(row->event_done);
    assert_int_equal(rig_stats(&rig).in_flight, 0);
    rig_fini(&rig);
}

static void
closing_needs_no_room_in_the_report_queue(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, allow_three_slots);
    rig_put(&rig, (struct world_sub){.seq = 1});
    for (int64_t seq = 1; seq <= 50; seq++)
        rig_push(&rig, seq, "t1");
    rig_turn(&rig);
    whs_engine_close(rig.engine, 0);
    size_t count = 0;
    for (struct whs_report *each = rig_take(&rig); each; each = each->next)
        count += each->count;
    assert_int_equal(count, 50);
    assert_int_equal(rig_stats(&rig).queued, 0);
    assert_int_equal(rig_stats(&rig).queued_bytes, 0);
    rig_fini(&rig);
}

static void
an_idle_engine_sleeps_as_long_as_it_may(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    int64_t before_ms = rig.clock.mono_ms;
    whs_engine_turn(rig.engine, 60000);
    assert_int_equal(rig.clock.mono_ms - before_ms, 60000);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    rig_push(&rig, 1, "t1");
    rig_turn(&rig);
    before_ms = rig.clock.mono_ms;
    whs_engine_turn(rig.engine, 60000);
    assert_int_equal(rig.clock.mono_ms - before_ms, 60000);
    rig_fini(&rig);
}

static void
a_limit_below_one_is_no_configuration(void **state)
{
    (void)state;
    struct whs_engine_config config;
    whs_engine_config_default(&config);
    config.limits.report_slots = 0;
    struct whs_engine *engine;
    struct whs_error err;
    struct whs_catalog *catalog = NULL;
    assert_int_equal(whs_engine_create(&config, catalog,
                                       &fake_transport_create(NULL)->base, &engine,
                                       &err),
                     WHS_CONFIGURATION);
    assert_null(engine);
}

static void
in_a_forked_child_it_is_left_alone(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig_push(&rig, 1, "t1");
    assert_false(whs_engine_forked(rig.engine));
    pid_t child = fork();
    if (child == 0) {
        size_t matches;
        struct whs_event *event = world_event(1, "t1", NULL);
        bool ok = whs_engine_forked(rig.engine);
        ok &= whs_engine_push(rig.engine, event, NULL, 0, &matches, NULL) == WHS_FORKED;
        ok &= whs_engine_push_due(rig.engine, event, 1, 0, NULL) == WHS_FORKED;
        ok &= whs_engine_start(rig.engine, NULL) == WHS_FORKED;
        ok &= whs_engine_wait_idle(rig.engine, 0) == WHS_FORKED;
        ok &= whs_engine_remove_subscriber(rig.engine, 1, WHS_REMOVAL_CANCEL) ==
              WHS_FORKED;
        ok &= whs_engine_room(rig.engine).deliveries == 0;
        ok &= rig_stats(&rig).queued == 0;
        whs_engine_close(rig.engine, 0);
        whs_engine_destroy(rig.engine);
        _exit(ok ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    rig_turn(&rig);
    assert_int_equal(rig_take_one(&rig)->state, WHS_DELIVERY_DELIVERED);
    rig_fini(&rig);
}

/* --- Without memory. --- */

/* Push, deliver, fail, spill: the n-th allocation fails, for every n. Whatever was
 * taken in is reported once, or is still queued. */
static void
run_with_failures(struct rig *rig, struct whs_event *const *events, size_t *pushed)
{
    for (size_t i = 0; i < 4; i++) {
        size_t matches = 0;
        if (whs_engine_push(rig->engine, events[i], NULL, 0, &matches, NULL) == WHS_OK)
            *pushed += matches;
        else
            assert_int_equal(matches, 0);
    }
    rig_turn(rig);
    whs_engine_remove_subscriber(rig->engine, 3, WHS_REMOVAL_SPILL);
    for (int i = 0; i < 5; i++)
        rig_pass(rig, WHS_BREATHE_MS);
}

static void
prepare_for_failures(struct rig *rig)
{
    rig_init(rig, NULL);
    rig_put(rig, (struct world_sub){.seq = 1, .key = "secret"});
    rig_put(rig, (struct world_sub){.seq = 2});
    rig_put(rig, (struct world_sub){.seq = 3});
    rig_put(rig, (struct world_sub){
                     .seq = 4, .tenant = "batches", .batching = {2, 100000, 10}});
    fake_transport_rule(rig->transport, "https://host-2.test:443",
                        (struct fake_answer){.outcome = WHS_OUTCOME_HTTP_ERROR,
                                             .http_status = 500,
                                             .body = "no"});
}

static void
assert_all_reported(struct rig *rig, size_t pushed)
{
    size_t reported = 0;
    for (struct whs_report *each = rig_take(rig); each; each = each->next)
        reported += each->count;
    assert_int_equal(reported, pushed);
    rig_settle(rig);
    struct whs_engine_stats stats = rig_stats(rig);
    assert_int_equal(stats.queued, 0);
    assert_int_equal(stats.queued_bytes, 0);
    assert_int_equal(stats.in_flight, 0);
    assert_int_equal(stats.unsettled, 0);
}

static void
without_memory_no_delivery_is_lost(void **state)
{
    (void)state;
    struct whs_event *events[4];
    for (int64_t seq = 0; seq < 4; seq++)
        events[seq] = world_event(seq, seq < 2 ? "t1" : "batches", "{}");
    bool more = true;
    for (unsigned n = 1; more; n++) {
        struct rig rig;
        size_t pushed = 0;
        prepare_for_failures(&rig);
        more = failing_alloc_begin(n);
        if (more)
            run_with_failures(&rig, events, &pushed);
        failing_alloc_end();
        rig_pass(&rig, WHS_BREATHE_MS);
        rig_turns(&rig, 3);
        assert_all_reported(&rig, pushed);
        rig_fini(&rig);
    }
    for (int i = 0; i < 4; i++)
        whs_event_unref(events[i]);
}

static void
without_memory_there_is_no_engine(void **state)
{
    (void)state;
    struct whs_engine_config config;
    whs_engine_config_default(&config);
    struct rig rig;
    rig_init(&rig, NULL);
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_engine *engine;
        enum whs_status status = whs_engine_create(
            &config, rig.catalog, &fake_transport_create(NULL)->base, &engine, NULL);
        failing_alloc_end();
        assert_int_equal(status, failing_alloc_happened() ? WHS_NO_MEMORY : WHS_OK);
        assert_int_equal(engine == NULL, failing_alloc_happened());
        whs_engine_destroy(engine);
    }
    rig_fini(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_a_row_already_is_left_out),
        cmocka_unit_test(an_unknown_path_is_refused_by_name),
        cmocka_unit_test(a_full_queue_refuses_and_says_what_room_it_has),
        cmocka_unit_test(a_row_of_several_paths_gets_the_one_that_it_covers),
        cmocka_unit_test(nothing_starts_after_expiry),
        cmocka_unit_test(nothing_starts_without_a_lease),
        cmocka_unit_test(what_was_too_late_to_leave_waits_and_is_no_attempt),
        cmocka_unit_test(a_lease_that_is_back_wakes_the_loop_once_whatever_may_start),
        cmocka_unit_test(nothing_starts_without_a_place_in_the_report_queue),
        cmocka_unit_test(
            unsubscribing_cancels_what_is_queued_and_what_would_be_retried),
        cmocka_unit_test(an_attempt_under_way_may_still_succeed_after_unsubscribing),
        cmocka_unit_test(pausing_spills_and_resuming_delivers_anew),
        cmocka_unit_test(whoever_ends_between_match_and_queue_gets_nothing),
        cmocka_unit_test(a_removal_stops_starts_before_it_is_worked_off),
        cmocka_unit_test(a_replaced_subscription_counts_for_what_starts_later),
        cmocka_unit_test(closing_spills_what_is_queued_and_waits_for_what_runs),
        cmocka_unit_test(what_runs_beyond_the_grace_is_given_up_as_unknown),
        cmocka_unit_test(closing_needs_no_room_in_the_report_queue),
        cmocka_unit_test(an_idle_engine_sleeps_as_long_as_it_may),
        cmocka_unit_test(a_limit_below_one_is_no_configuration),
        cmocka_unit_test(in_a_forked_child_it_is_left_alone),
        cmocka_unit_test(without_memory_no_delivery_is_lost),
        cmocka_unit_test(without_memory_there_is_no_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
