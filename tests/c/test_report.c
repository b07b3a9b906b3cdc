/* SPDX-License-Identifier: MIT
 *
 * report: slots that run out, and reports that do not get lost between the two threads.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "failing_alloc.h"
#include "report.h"

static struct whs_report *
make_report(int64_t event_seq, size_t count, bool holds_slot)
{
    struct whs_report *report = whs_report_create(count);
    assert_non_null(report);
    report->holds_slot = holds_slot;
    for (size_t i = 0; i < count; i++)
        report->deliveries[i].event_seq = event_seq;
    return report;
}

static void
count_call(void *ctx)
{
    ++*(int *)ctx;
}

static void
slots_run_out_and_come_back_only_when_settled(void **state)
{
    (void)state;
    struct whs_report_queue *queue = whs_report_queue_create(2);
    assert_true(whs_report_queue_reserve(queue));
    assert_true(whs_report_queue_reserve(queue));
    assert_false(whs_report_queue_reserve(queue));

    whs_report_queue_put(queue, make_report(1, 1, true));
    assert_false(whs_report_queue_reserve(queue));
    struct whs_report *taken = whs_report_queue_take(queue, 10, 0);
    assert_non_null(taken);
    assert_false(whs_report_queue_reserve(queue));
    assert_int_equal(whs_report_queue_used(queue), 2);

    whs_report_queue_settled(queue, taken);
    assert_true(whs_report_queue_reserve(queue));
    assert_false(whs_report_queue_reserve(queue));
    whs_report_queue_unreserve(queue);
    assert_true(whs_report_queue_reserve(queue));
    whs_report_queue_destroy(queue);
}

static void
what_was_never_attempted_has_the_room_that_slots_leave(void **state)
{
    (void)state;
    struct whs_report_queue *queue = whs_report_queue_create(10);
    assert_true(whs_report_queue_reserve(queue));
    assert_int_equal(whs_report_queue_room(queue), 9);
    whs_report_queue_put(queue, make_report(1, 4, false));
    assert_int_equal(whs_report_queue_room(queue), 5);
    whs_report_queue_put(queue, make_report(2, 7, false));
    assert_int_equal(whs_report_queue_room(queue), 0);
    /* It never takes a slot away from an attempt. */
    assert_true(whs_report_queue_reserve(queue));
    assert_int_equal(whs_report_queue_used(queue), 2);

    whs_report_queue_settled(queue, whs_report_queue_take(queue, 100, 0));
    assert_int_equal(whs_report_queue_room(queue), 8);
    assert_int_equal(whs_report_queue_used(queue), 2);
    whs_report_queue_destroy(queue);
}

static void
whoever_was_refused_is_called_once_at_the_next_settle(void **state)
{
    (void)state;
    int calls = 0;
    struct whs_report_queue *queue = whs_report_queue_create(1);
    whs_report_queue_on_room(queue, count_call, &calls);
    assert_true(whs_report_queue_reserve(queue));
    whs_report_queue_put(queue, make_report(1, 1, true));
    whs_report_queue_settled(queue, whs_report_queue_take(queue, 1, 0));
    assert_int_equal(calls, 0);

    assert_true(whs_report_queue_reserve(queue));
    assert_false(whs_report_queue_reserve(queue));
    assert_int_equal(whs_report_queue_room(queue), 0);
    whs_report_queue_put(queue, make_report(2, 1, true));
    whs_report_queue_settled(queue, whs_report_queue_take(queue, 1, 0));
    assert_int_equal(calls, 1);
    whs_report_queue_settled(queue, NULL);
    assert_int_equal(calls, 1);
    whs_report_queue_destroy(queue);
}

static void
take_gives_the_oldest_up_to_max_deliveries_and_always_one(void **state)
{
    (void)state;
    struct whs_report_queue *queue = whs_report_queue_create(10);
    assert_null(whs_report_queue_take(queue, 10, 0));
    struct whs_report *chain = make_report(1, 5, false);
    chain->next = make_report(2, 2, false);
    chain->next->next = make_report(3, 2, false);
    whs_report_queue_put(queue, chain);
    whs_report_queue_put(queue, make_report(4, 1, false));

    struct whs_report *first = whs_report_queue_take(queue, 1, 0);
    assert_int_equal(first->deliveries[0].event_seq, 1);
    assert_null(first->next);
    struct whs_report *second = whs_report_queue_take(queue, 4, 0);
    assert_int_equal(second->deliveries[0].event_seq, 2);
    assert_int_equal(second->next->deliveries[0].event_seq, 3);
    assert_null(second->next->next);
    struct whs_report *third = whs_report_queue_take(queue, 4, 0);
    assert_int_equal(third->deliveries[0].event_seq, 4);
    assert_null(whs_report_queue_take(queue, 4, 0));
    whs_report_queue_settled(queue, first);
    whs_report_queue_settled(queue, second);
    whs_report_queue_settled(queue, third);
    whs_report_queue_destroy(queue);
}

static void
returned_reports_are_taken_again_first_and_keep_their_slots(void **state)
{
    (void)state;
    struct whs_report_queue *queue = whs_report_queue_create(2);
    assert_true(whs_report_queue_reserve(queue));
    whs_report_queue_put(queue, make_report(1, 1, true));
    whs_report_queue_put(queue, make_report(2, 1, false));
    struct whs_report *taken = whs_report_queue_take(queue, 5, 0);
    whs_report_queue_return(queue, taken);
    whs_report_queue_put(queue, make_report(3, 1, false));
    assert_int_equal(whs_report_queue_used(queue), 1);

    taken = whs_report_queue_take(queue, 5, 0);
    int64_t seq = 0;
    for (struct whs_report *each = taken; each; each = each->next)
        assert_int_equal(each->deliveries[0].event_seq, ++seq);
    assert_int_equal(seq, 3);
    whs_report_queue_settled(queue, taken);
    assert_int_equal(whs_report_queue_used(queue), 0);

    /* Into an empty queue too. */
    whs_report_queue_return(queue, NULL);
    whs_report_queue_put(queue, make_report(4, 1, false));
    struct whs_report *fourth = whs_report_queue_take(queue, 5, 0);
    whs_report_queue_return(queue, fourth);
    whs_report_queue_put(queue, make_report(5, 1, false));
    fourth = whs_report_queue_take(queue, 5, 0);
    assert_int_equal(fourth->deliveries[0].event_seq, 4);
    assert_int_equal(fourth->next->deliveries[0].event_seq, 5);
    whs_report_queue_settled(queue, fourth);
    whs_report_queue_destroy(queue);
}

static void
destroy_frees_what_nobody_took(void **state)
{
    (void)state;
    struct whs_report_queue *queue = whs_report_queue_create(2);
    struct whs_report *report = make_report(1, 1, false);
    report->snippet = whs_alloc(4);
    report->snippet_len = 4;
    whs_report_queue_put(queue, report);
    whs_report_queue_destroy(queue);
    whs_report_queue_destroy(NULL);
}

static void *
put_after_a_while(void *arg)
{
    struct whs_report_queue *queue = arg;
    for (int64_t seq = 1; seq <= 1000; seq++) {
        while (!whs_report_queue_reserve(queue))
            sched_yield();
        whs_report_queue_put(queue, make_report(seq, 1, true));
    }
    return NULL;
}

static void
a_taker_that_waits_sees_every_report_in_order(void **state)
{
    (void)state;
    struct whs_report_queue *queue = whs_report_queue_create(16);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, put_after_a_while, queue), 0);
    int64_t seen = 0;
    while (seen < 1000) {
        struct whs_report *taken = whs_report_queue_take(queue, 4, 10000);
        assert_non_null(taken);
        for (struct whs_report *each = taken; each; each = each->next)
            assert_int_equal(each->deliveries[0].event_seq, ++seen);
        whs_report_queue_settled(queue, taken);
    }
    pthread_join(thread, NULL);
    assert_int_equal(whs_report_queue_used(queue), 0);
    whs_report_queue_destroy(queue);
}

static void *
wake_it(void *arg)
{
    whs_report_queue_wake(arg);
    return NULL;
}

static void
wake_ends_a_wait_of_now_or_the_next_one(void **state)
{
    (void)state;
    struct whs_report_queue *queue = whs_report_queue_create(1);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_it, queue), 0);
    /* An hour, unless it works. */
    assert_null(whs_report_queue_take(queue, 1, 3600 * 1000));
    pthread_join(thread, NULL);
    whs_report_queue_destroy(queue);
}

struct gathering {
    struct whs_report_queue *queue;
    atomic_size_t takes;
    size_t taken;
};

static void *
take_all(void *arg)
{
    struct gathering *gathering = arg;
    while (gathering->taken < 8) {
        struct whs_report *reports =
            whs_report_queue_take(gathering->queue, 100, 60000);
        for (struct whs_report *each = reports; each; each = each->next)
            gathering->taken += each->count;
        whs_report_queue_settled(gathering->queue, reports);
        atomic_fetch_add(&gathering->takes, 1);
    }
    return NULL;
}

static void
a_taker_waits_for_company_until_enough_are_there_or_none_comes(void **state)
{
    (void)state;
    struct gathering gathering = {.queue = whs_report_queue_create(10)};
    pthread_t thread;
    whs_report_queue_gather(gathering.queue, 5, 60000);
    assert_int_equal(pthread_create(&thread, NULL, take_all, &gathering), 0);
    for (int64_t seq = 1; seq <= 5; seq++) {
        assert_int_equal(atomic_load(&gathering.takes), 0);
        whs_report_queue_put(gathering.queue, make_report(seq, 1, false));
    }
    while (atomic_load(&gathering.takes) == 0)
        sched_yield();
    whs_report_queue_put(gathering.queue, make_report(6, 1, false));
    whs_report_queue_put(gathering.queue, make_report(7, 2, false));
    assert_int_equal(atomic_load(&gathering.takes), 1);
    whs_report_queue_quiet(gathering.queue);
    pthread_join(thread, NULL);
    assert_int_equal(gathering.taken, 8);
    assert_int_equal(atomic_load(&gathering.takes), 2);
    whs_report_queue_destroy(gathering.queue);
}

static struct whs_report *
settle_one(struct whs_report_queue *queue, struct whs_report *report, bool attempted)
{
    if (attempted)
        assert_true(whs_report_queue_reserve(queue));
    report->holds_slot = attempted;
    report->snippet = whs_alloc(1);
    report->address[0] = report->batch[0] = 'x';
    report->deliveries[0].event_seq = 7;
    whs_report_queue_put(queue, report);
    assert_ptr_equal(whs_report_queue_take(queue, 10, 0), report);
    whs_report_queue_settled(queue, report);
    return report;
}

static void
an_attempts_report_is_used_again_and_says_nothing_of_before(void **state)
{
    (void)state;
    struct whs_report_queue *queue = whs_report_queue_create(2);
    struct whs_report *first = whs_report_queue_blank(queue, 1);
    settle_one(queue, first, true);
    struct whs_report *again = whs_report_queue_blank(queue, 1), *zero;
    assert_ptr_equal(again, first);
    zero = whs_report_create(1);
    assert_memory_equal(again, zero, sizeof(*zero) + sizeof(zero->deliveries[0]));
    whs_report_destroy(zero);
    whs_report_destroy(again);
    whs_report_queue_destroy(queue);
}

static void
only_as_many_are_kept_for_that_as_there_were_slots_used(void **state)
{
    (void)state;
    struct whs_report_queue *queue = whs_report_queue_create(3);
    struct whs_report *reports[4], *spare[3];
    for (int i = 0; i < 3; i++)
        reports[i] = whs_report_queue_blank(queue, 1);
    for (int i = 0; i < 3; i++)
        settle_one(queue, reports[i], true);
    settle_one(queue, whs_report_create(1), false);
    settle_one(queue, whs_report_queue_blank(queue, 2), true);
    for (int i = 0; i < 3; i++) {
        spare[i] = whs_report_queue_blank(queue, 1);
        assert_ptr_equal(spare[i], reports[2 - i]);
    }
    failing_alloc_begin(1);
    assert_null(whs_report_queue_blank(queue, 1));
    failing_alloc_end();
    for (int i = 0; i < 3; i++)
        whs_report_destroy(spare[i]);
    whs_report_queue_destroy(queue);
}

static void
without_memory_there_is_no_queue_and_no_report(void **state)
{
    (void)state;
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_report_queue *queue = whs_report_queue_create(1);
        struct whs_report *report = whs_report_create(3);
        failing_alloc_end();
        assert_int_equal(!queue || !report, failing_alloc_happened());
        whs_report_destroy(report);
        whs_report_queue_destroy(queue);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_run_out_and_come_back_only_when_settled),
        cmocka_unit_test(what_was_never_attempted_has_the_room_that_slots_leave),
        cmocka_unit_test(whoever_was_refused_is_called_once_at_the_next_settle),
        cmocka_unit_test(take_gives_the_oldest_up_to_max_deliveries_and_always_one),
        cmocka_unit_test(returned_reports_are_taken_again_first_and_keep_their_slots),
        cmocka_unit_test(destroy_frees_what_nobody_took),
        cmocka_unit_test(a_taker_that_waits_sees_every_report_in_order),
        cmocka_unit_test(wake_ends_a_wait_of_now_or_the_next_one),
        cmocka_unit_test(
            a_taker_waits_for_company_until_enough_are_there_or_none_comes),
        cmocka_unit_test(an_attempts_report_is_used_again_and_says_nothing_of_before),
        cmocka_unit_test(only_as_many_are_kept_for_that_as_there_were_slots_used),
        cmocka_unit_test(without_memory_there_is_no_queue_and_no_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
