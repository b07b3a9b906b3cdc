/* SPDX-License-Identifier: MIT
 *
 * engine: the same promises with its thread running and others pulling at it. Meant for
 * ThreadSanitizer.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine.h"
#include "fake_transport.h"
#include "sidedrawer.h"
#include "world.h"

#define PUSHERS 4
#define EVENTS_EACH 1500
#define EVENTS (PUSHERS * EVENTS_EACH)
#define STEADY 8   /* subscriptions that are there all the time */
#define CHANGING 8 /* and those that come and go */

struct stage {
    struct whs_catalog *catalog;
    struct fake_transport *transport;
    struct whs_engine *engine;
    atomic_bool stop;
    atomic_size_t matched;
    /* By the taker only. */
    uint8_t seen[EVENTS + 1][STEADY + CHANGING + 1];
    uint8_t done[EVENTS + 1];
    size_t rows;
    size_t twice;
};

static void
open_stage(struct stage *stage, bool spill)
{
    struct whs_engine_config config;
    memset(stage, 0, sizeof(*stage));
    whs_engine_config_default(&config);
    config.spill = spill;
    config.limits.queue_deliveries_max = 2000;
    config.limits.report_slots = 300;
    config.limits.spill_after_ms = 20;
    stage->catalog = sidedrawer_catalog();
    stage->transport = fake_transport_create(NULL);
    stage->transport->forgetful = true;
    assert_int_equal(whs_engine_create(&config, stage->catalog, &stage->transport->base,
                                       &stage->engine, NULL),
                     WHS_OK);
    assert_int_equal(whs_engine_start(stage->engine, NULL), WHS_OK);
}

static void
close_stage(struct stage *stage)
{
    whs_engine_destroy(stage->engine);
    whs_catalog_unref(stage->catalog);
}

static void
put(struct stage *stage, struct world_sub wanted)
{
    struct whs_subscriber *sub = world_subscriber(&wanted);
    assert_int_equal(whs_engine_put_subscriber(stage->engine, sub, NULL), WHS_OK);
    whs_subscriber_unref(sub);
}

struct pusher {
    struct stage *stage;
    int64_t first_seq;
};

static void *
push_events(void *arg)
{
    const struct pusher *pusher = arg;
    struct stage *stage = pusher->stage;
    for (int64_t i = 0; i < EVENTS_EACH; i++) {
        struct whs_event *event = world_event(pusher->first_seq + i, "t1", "{}");
        size_t matches;
        while (whs_engine_push(stage->engine, event, NULL, 0, &matches, NULL) ==
               WHS_FULL)
            sched_yield();
        atomic_fetch_add(&stage->matched, matches);
        whs_event_unref(event);
    }
    return NULL;
}

static void *
change_subscriptions(void *arg)
{
    struct stage *stage = arg;
    struct fake_random random = {3};
    while (!atomic_load(&stage->stop)) {
        int64_t seq = STEADY + 1 + (int64_t)fake_random_below(&random, CHANGING);
        uint64_t what = fake_random_below(&random, 4);
        if (what == 0)
            whs_engine_remove_subscriber(stage->engine, seq, WHS_REMOVAL_CANCEL);
        else if (what == 1)
            whs_engine_remove_subscriber(stage->engine, seq, WHS_REMOVAL_SPILL);
        else
            put(stage,
                (struct world_sub){.seq = seq,
                                   .origin = what == 2 ? "https://shared:443" : NULL,
                                   .batching = {what == 3 ? 5 : 0, 100000, 1}});
        whs_engine_extend_lease(stage->engine, 10000);
        struct whs_engine_stats stats;
        whs_engine_stats(stage->engine, &stats);
        whs_engine_room(stage->engine);
    }
    return NULL;
}

static void
note_report(struct stage *stage, const struct whs_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct whs_reported *row = &report->deliveries[i];
        stage->twice += stage->seen[row->event_seq][row->subscription_seq]++ > 0;
        stage->done[row->event_seq] =
            (uint8_t)(stage->done[row->event_seq] + row->event_done);
        stage->rows++;
    }
}

/* Every seventh time the store fails and gives them back. */
static void *
take_reports(void *arg)
{
    struct stage *stage = arg;
    struct whs_report_queue *queue = whs_engine_reports(stage->engine);
    for (int round = 1;; round++) {
        bool last = atomic_load(&stage->stop);
        struct whs_report *reports = whs_report_queue_take(queue, 200, last ? 0 : 50);
        if (!reports && last)
            return NULL;
        if (round % 7 == 0) {
            whs_report_queue_return(queue, reports);
            continue;
        }
        for (struct whs_report *each = reports; each; each = each->next)
            note_report(stage, each);
        whs_report_queue_settled(queue, reports);
    }
}

static void
nothing_is_lost_or_told_twice_whatever_changes(void **state)
{
    (void)state;
    struct stage *stage = malloc(sizeof(*stage));
    open_stage(stage, true);
    for (int64_t seq = 1; seq <= STEADY; seq++)
        put(stage, (struct world_sub){.seq = seq});
    pthread_t pushers[PUSHERS], changer, taker;
    struct pusher args[PUSHERS];
    assert_int_equal(pthread_create(&taker, NULL, take_reports, stage), 0);
    assert_int_equal(pthread_create(&changer, NULL, change_subscriptions, stage), 0);
    for (int i = 0; i < PUSHERS; i++) {
        args[i] = (struct pusher){stage, 1 + i * EVENTS_EACH};
        assert_int_equal(pthread_create(&pushers[i], NULL, push_events, &args[i]), 0);
    }
    for (int i = 0; i < PUSHERS; i++)
        pthread_join(pushers[i], NULL);
    assert_int_equal(whs_engine_wait_idle(stage->engine, 60000), WHS_OK);
    whs_engine_close(stage->engine, 1000);
    atomic_store(&stage->stop, true);
    whs_report_queue_wake(whs_engine_reports(stage->engine));
    pthread_join(changer, NULL);
    pthread_join(taker, NULL);

    assert_int_equal(stage->rows, atomic_load(&stage->matched));
    assert_int_equal(stage->twice, 0);
    for (int seq = 1; seq <= EVENTS; seq++) {
        assert_int_equal(stage->done[seq], 1);
        for (int sub = 1; sub <= STEADY; sub++)
            assert_int_equal(stage->seen[seq][sub], 1);
    }
    struct whs_engine_stats stats;
    whs_engine_stats(stage->engine, &stats);
    assert_int_equal(stats.queued, 0);
    assert_int_equal(stats.queued_bytes, 0);
    assert_int_equal(stats.unsettled, 0);
    close_stage(stage);
    free(stage);
}

static void
a_push_wakes_a_sleeping_engine_every_time(void **state)
{
    (void)state;
    struct stage *stage = malloc(sizeof(*stage));
    open_stage(stage, false);
    put(stage, (struct world_sub){.seq = 1});
    for (int64_t seq = 1; seq <= 2000; seq++) {
        size_t matches;
        struct whs_event *event = world_event(seq, "t1", "{}");
        assert_int_equal(whs_engine_push(stage->engine, event, NULL, 0, &matches, NULL),
                         WHS_OK);
        whs_event_unref(event);
        /* One missed wake would cost the loop's minute. */
        assert_int_equal(whs_engine_wait_idle(stage->engine, 30000), WHS_OK);
        struct whs_report_queue *queue = whs_engine_reports(stage->engine);
        struct whs_report *report = whs_report_queue_take(queue, 1, 0);
        assert_non_null(report);
        assert_int_equal(report->deliveries[0].event_seq, seq);
        whs_report_queue_settled(queue, report);
    }
    close_stage(stage);
    free(stage);
}

static void
waiting_for_idleness_ends_at_its_timeout(void **state)
{
    (void)state;
    struct stage *stage = malloc(sizeof(*stage));
    open_stage(stage, false);
    stage->transport->usual = (struct fake_answer){.takes_ms = FAKE_NEVER};
    put(stage, (struct world_sub){.seq = 1});
    assert_int_equal(whs_engine_wait_idle(stage->engine, 30000), WHS_OK);
    size_t matches;
    struct whs_event *event = world_event(1, "t1", "{}");
    assert_int_equal(whs_engine_push(stage->engine, event, NULL, 0, &matches, NULL),
                     WHS_OK);
    whs_event_unref(event);
    assert_int_equal(whs_engine_wait_idle(stage->engine, 20), WHS_TIMEOUT);
    close_stage(stage);
    free(stage);
}

static void *
close_engine(void *arg)
{
    struct stage *stage = arg;
    whs_engine_close(stage->engine, 0);
    return NULL;
}

static void *
wait_until_closed(void *arg)
{
    struct stage *stage = arg;
    (void)!whs_engine_wait_idle(stage->engine, 30000);
    return NULL;
}

static void
two_may_close_while_one_waits_and_attempts_hang(void **state)
{
    (void)state;
    struct stage *stage = malloc(sizeof(*stage));
    open_stage(stage, true);
    stage->transport->usual = (struct fake_answer){.takes_ms = FAKE_NEVER};
    put(stage, (struct world_sub){.seq = 1});
    size_t matches;
    struct whs_event *event = world_event(1, "t1", "{}");
    for (int i = 0; i < 20; i++)
        assert_int_equal(whs_engine_push(stage->engine, event, NULL, 0, &matches, NULL),
                         WHS_OK);
    whs_event_unref(event);
    pthread_t waiter, closers[2];
    pthread_create(&waiter, NULL, wait_until_closed, stage);
    for (int i = 0; i < 2; i++)
        pthread_create(&closers[i], NULL, close_engine, stage);
    for (int i = 0; i < 2; i++)
        pthread_join(closers[i], NULL);
    pthread_join(waiter, NULL);
    struct whs_report_queue *queue = whs_engine_reports(stage->engine);
    size_t rows = 0;
    struct whs_report *reports = whs_report_queue_take(queue, SIZE_MAX, 0);
    for (struct whs_report *each = reports; each; each = each->next)
        rows += each->count;
    assert_int_equal(rows, 20);
    whs_report_queue_settled(queue, reports);
    close_stage(stage);
    free(stage);
}

static void *
close_patiently(void *arg)
{
    struct stage *stage = arg;
    whs_engine_close(stage->engine, 600000);
    return NULL;
}

/* Who waited with patience is interrupted by whoever has none. */
static void
a_second_close_ends_the_grace_of_the_first(void **state)
{
    (void)state;
    struct stage *stage = malloc(sizeof(*stage));
    size_t matches;
    pthread_t patient;
    open_stage(stage, true);
    stage->transport->usual = (struct fake_answer){.takes_ms = FAKE_NEVER};
    put(stage, (struct world_sub){.seq = 1});
    struct whs_event *event = world_event(1, "t1", "{}");
    assert_int_equal(whs_engine_push(stage->engine, event, NULL, 0, &matches, NULL),
                     WHS_OK);
    whs_event_unref(event);
    assert_int_equal(whs_engine_wait_idle(stage->engine, 20), WHS_TIMEOUT);
    pthread_create(&patient, NULL, close_patiently, stage);
    whs_engine_close(stage->engine, 0);
    pthread_join(patient, NULL);
    close_stage(stage);
    free(stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_or_told_twice_whatever_changes),
        cmocka_unit_test(a_push_wakes_a_sleeping_engine_every_time),
        cmocka_unit_test(waiting_for_idleness_ends_at_its_timeout),
        cmocka_unit_test(two_may_close_while_one_waits_and_attempts_hang),
        cmocka_unit_test(a_second_close_ends_the_grace_of_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
