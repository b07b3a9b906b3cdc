/* SPDX-License-Identifier: MIT
 *
 * transport_host: what a host takes, how it answers, and what ends without it. The last
 * one has two threads and is meant for ThreadSanitizer.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "fake_transport.h"
#include "transport_host.h"

#define MANY 200
#define TIMEOUT_MS 15000

struct desk {
    struct fake_clock clock;
    struct fake_transport *http;
    struct whs_transport *transport;
    struct whs_host *host;
    struct whs_exchange each[MANY];
};

static void
open_desk(struct desk *desk, bool serves, bool real_time)
{
    struct whs_host_config config = whs_host_config_default;
    memset(desk, 0, sizeof(*desk));
    fake_clock_init(&desk->clock);
    desk->http = fake_transport_create(real_time ? NULL : &desk->clock);
    config.serves = serves;
    config.answer_timeout_ms = TIMEOUT_MS;
    if (!real_time)
        config.clock = fake_clock_clock(&desk->clock);
    assert_int_equal(whs_transport_host_create(&config, &desk->http->base,
                                               &desk->transport, &desk->host, NULL),
                     WHS_OK);
    for (size_t i = 0; i < MANY; i++)
        desk->each[i].request = (struct whs_request){
            .method = WHS_METHOD_POST,
            .origin = WHS_SLICE("socket:ann"),
            .socket_event = WHS_SLICE("changed"),
            .body = WHS_SLICE("{\"n\":1}"),
        };
}

static void
close_desk(struct desk *desk)
{
    desk->transport->verbs->destroy(desk->transport);
}

static enum whs_status
start(struct desk *desk, size_t n)
{
    return desk->transport->verbs->start(desk->transport, &desk->each[n], NULL);
}

static struct whs_exchange *
poll_for(struct desk *desk, int timeout_ms)
{
    return desk->transport->verbs->poll(desk->transport, timeout_ms);
}

/* Takes one, which must be there. */
static uint64_t
take_one(struct desk *desk)
{
    struct whs_host_request *request = whs_host_take(desk->host, 1, 0);
    assert_non_null(request);
    assert_null(request->next);
    uint64_t ticket = request->ticket;
    whs_host_request_destroy(request);
    return ticket;
}

static void
the_host_takes_a_copy_and_its_answer_ends_the_exchange(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk, true, false);
    assert_int_equal(start(&desk, 0), WHS_OK);
    struct whs_host_request *request = whs_host_take(desk.host, 10, 0);
    assert_true(whs_slice_equal(request->origin, WHS_SLICE("socket:ann")));
    assert_true(whs_slice_equal(request->event, WHS_SLICE("changed")));
    assert_true(whs_slice_equal(request->body, WHS_SLICE("{\"n\":1}")));
    assert_null(whs_host_take(desk.host, 10, 0));
    assert_null(poll_for(&desk, 0));
    fake_clock_advance(&desk.clock, 70);
    assert_true(whs_host_answer(desk.host, request->ticket, WHS_OUTCOME_SUCCESS));
    assert_false(whs_host_answer(desk.host, request->ticket, WHS_OUTCOME_TIMEOUT));
    struct whs_exchange *done = poll_for(&desk, 1000);
    assert_ptr_equal(done, &desk.each[0]);
    assert_null(done->next_done);
    assert_int_equal(done->answer.outcome, WHS_OUTCOME_SUCCESS);
    assert_int_equal(done->answer.duration_ms, 70);
    assert_null(poll_for(&desk, 0));
    whs_host_request_destroy(request);
    close_desk(&desk);
}

static void
what_is_for_no_socket_goes_on_to_http(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk, true, false);
    desk.each[1].request.socket_event = (struct whs_slice){0};
    desk.each[1].request.url = WHS_SLICE("https://hooks.example/a");
    assert_int_equal(start(&desk, 0), WHS_OK);
    assert_int_equal(start(&desk, 1), WHS_OK);
    assert_int_equal(desk.http->request_count, 1);
    assert_true(whs_host_answer(desk.host, take_one(&desk), WHS_OUTCOME_SUCCESS));
    struct whs_exchange *done = poll_for(&desk, 0);
    assert_ptr_equal(done, &desk.each[0]);
    assert_ptr_equal(done->next_done, &desk.each[1]);
    assert_null(done->next_done->next_done);
    close_desk(&desk);
}

static void
without_an_answer_it_ends_in_time_and_a_late_one_is_nobodys(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk, true, false);
    assert_int_equal(start(&desk, 0), WHS_OK);
    uint64_t ticket = take_one(&desk);
    fake_clock_advance(&desk.clock, 5000);
    assert_int_equal(start(&desk, 1), WHS_OK);
    struct whs_exchange *done = poll_for(&desk, 60000);
    assert_ptr_equal(done, &desk.each[0]);
    assert_null(done->next_done);
    assert_int_equal(done->answer.outcome, WHS_OUTCOME_TIMEOUT);
    assert_int_equal(done->answer.duration_ms, TIMEOUT_MS);
    assert_false(whs_host_answer(desk.host, ticket, WHS_OUTCOME_SUCCESS));
    /* The other one was taken by nobody, so that it is nobody's failure but ours. */
    done = poll_for(&desk, 60000);
    assert_ptr_equal(done, &desk.each[1]);
    assert_int_equal(done->answer.outcome, WHS_OUTCOME_LOCAL_ERROR);
    assert_null(whs_host_take(desk.host, 10, 0));
    close_desk(&desk);
}

static void
what_was_offered_is_not_taken_once_its_lease_is_over(void **state)
{
    (void)state;
    struct desk desk;
    atomic_int_fast64_t lease_until_ms;
    open_desk(&desk, true, false);
    atomic_init(&lease_until_ms, desk.clock.mono_ms + 1000);
    for (size_t i = 0; i < 3; i++) {
        desk.each[i].request.lease_until_ms = &lease_until_ms;
        assert_int_equal(start(&desk, i), WHS_OK);
    }
    uint64_t ticket = take_one(&desk);
    fake_clock_advance(&desk.clock, 1000);
    assert_int_equal(desk.http->wakes, 0);
    assert_null(whs_host_take(desk.host, 10, 0));
    assert_int_equal(desk.http->wakes, 1); /* or the engine would hear of it late */
    struct whs_exchange *done = poll_for(&desk, 0);
    assert_ptr_equal(done, &desk.each[1]);
    assert_ptr_equal(done->next_done, &desk.each[2]);
    assert_int_equal(done->answer.outcome, WHS_OUTCOME_SPILLED);
    assert_int_equal(done->next_done->answer.outcome, WHS_OUTCOME_SPILLED);
    /* What had been taken before may end as ever. */
    assert_true(whs_host_answer(desk.host, ticket, WHS_OUTCOME_SUCCESS));
    assert_ptr_equal(poll_for(&desk, 0), &desk.each[0]);
    close_desk(&desk);
}

static void
where_no_host_serves_nobody_is_connected(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk, false, false);
    assert_int_equal(start(&desk, 0), WHS_OK);
    assert_null(whs_host_take(desk.host, 10, 0));
    struct whs_exchange *done = poll_for(&desk, 60000);
    assert_ptr_equal(done, &desk.each[0]);
    assert_int_equal(done->answer.outcome, WHS_OUTCOME_NOT_CONNECTED);
    assert_int_equal(done->answer.duration_ms, 0);
    close_desk(&desk);
}

static void
a_cancelled_one_is_taken_and_returned_by_nobody(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk, true, false);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(start(&desk, i), WHS_OK);
    uint64_t first = take_one(&desk), second = take_one(&desk);
    assert_true(whs_host_answer(desk.host, second, WHS_OUTCOME_SUCCESS));
    for (size_t i = 0; i < 3; i++)
        desk.transport->verbs->cancel(desk.transport, &desk.each[i]);
    assert_false(whs_host_answer(desk.host, first, WHS_OUTCOME_SUCCESS));
    assert_null(whs_host_take(desk.host, 10, 0));
    assert_null(poll_for(&desk, 0));
    close_desk(&desk);
}

static void
a_take_that_waits_is_woken(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk, true, true);
    whs_host_wake(desk.host);
    assert_null(whs_host_take(desk.host, 10, 60000));
    close_desk(&desk);
}

static void
without_memory_nothing_is_under_way(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct desk desk;
        open_desk(&desk, true, false);
        bool ended = !failing_alloc_begin(n);
        enum whs_status status = start(&desk, 0);
        bool failed = failing_alloc_happened();
        failing_alloc_end();
        assert_int_equal(status, failed ? WHS_NO_MEMORY : WHS_OK);
        if (status == WHS_OK)
            desk.transport->verbs->cancel(desk.transport, &desk.each[0]);
        assert_null(whs_host_take(desk.host, 10, 0));
        close_desk(&desk);
        if (ended || !failed)
            return;
    }
}

/* --- Two threads. --- */

static void *
answer_all(void *arg)
{
    struct desk *desk = arg;
    for (size_t count = 0; count < MANY;) {
        struct whs_host_request *requests = whs_host_take(desk->host, 7, 60000);
        for (const struct whs_host_request *r = requests; r; r = r->next, count++)
            whs_host_answer(desk->host, r->ticket, WHS_OUTCOME_SUCCESS);
        whs_host_request_destroy(requests);
    }
    return NULL;
}

static void
a_host_that_answers_from_a_thread_of_its_own_wakes_the_engine(void **state)
{
    (void)state;
    struct desk desk;
    pthread_t thread;
    open_desk(&desk, true, true);
    assert_int_equal(pthread_create(&thread, NULL, answer_all, &desk), 0);
    size_t ended = 0;
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(start(&desk, i), WHS_OK);
    while (ended < MANY)
        for (struct whs_exchange *done = poll_for(&desk, 60000); done;
             done = done->next_done, ended++)
            assert_int_equal(done->answer.outcome, WHS_OUTCOME_SUCCESS);
    pthread_join(thread, NULL);
    close_desk(&desk);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_host_takes_a_copy_and_its_answer_ends_the_exchange),
        cmocka_unit_test(what_is_for_no_socket_goes_on_to_http),
        cmocka_unit_test(without_an_answer_it_ends_in_time_and_a_late_one_is_nobodys),
        cmocka_unit_test(what_was_offered_is_not_taken_once_its_lease_is_over),
        cmocka_unit_test(where_no_host_serves_nobody_is_connected),
        cmocka_unit_test(a_cancelled_one_is_taken_and_returned_by_nobody),
        cmocka_unit_test(a_take_that_waits_is_woken),
        cmocka_unit_test(without_memory_nothing_is_under_way),
        cmocka_unit_test(a_host_that_answers_from_a_thread_of_its_own_wakes_the_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
