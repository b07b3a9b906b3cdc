/* SPDX-License-Identifier: MIT
 *
 * ask: requests that are no attempts, first by hand, then with the engine's thread and
 * many that ask at once. The second half is meant for ThreadSanitizer.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ask.h"
#include "engine.h"
#include "fake_transport.h"
#include "sidedrawer.h"
#include "world.h"

#define MANY (WHS_ASKS_UNDER_WAY_MAX + 4)
#define ASKERS 6
#define ASKS_EACH 300

static struct whs_request
a_request(void)
{
    return (struct whs_request){
        .method = WHS_METHOD_OPTIONS,
        .url = WHS_SLICE("https://hooks.example/a"),
        .origin = WHS_SLICE("https://hooks.example:443"),
        .headers = {{WHS_SLICE("WebHook-Request-Origin"), WHS_SLICE("me.example")}},
        .header_count = 1,
        .body = WHS_SLICE("hello"),
    };
}

/* --- By hand. --- */

struct desk {
    struct fake_clock clock;
    struct fake_transport *transport;
    struct whs_asks asks;
    struct whs_ask each[MANY];
};

static void
open_desk(struct desk *desk)
{
    struct whs_request request = a_request();
    fake_clock_init(&desk->clock);
    desk->transport = fake_transport_create(&desk->clock);
    whs_asks_init(&desk->asks);
    for (size_t i = 0; i < MANY; i++)
        whs_ask_init(&desk->each[i], &request);
}

static void
close_desk(struct desk *desk)
{
    for (size_t i = 0; i < MANY; i++)
        whs_ask_fini(&desk->each[i]);
    whs_asks_fini(&desk->asks);
    desk->transport->base.verbs->destroy(&desk->transport->base);
}

static void
put(struct desk *desk, size_t n)
{
    assert_int_equal(whs_asks_put(&desk->asks, &desk->each[n], NULL), WHS_OK);
}

static void
start(struct desk *desk)
{
    whs_asks_start(&desk->asks, &desk->transport->base);
}

static void
end_answered(struct desk *desk)
{
    struct whs_exchange *done =
        desk->transport->base.verbs->poll(&desk->transport->base, 0);
    while (done) {
        struct whs_exchange *next = done->next_done;
        assert_non_null(whs_ask_of(done));
        whs_asks_end(&desk->asks, whs_ask_of(done));
        done = next;
    }
}

static enum whs_outcome
outcome_of(const struct desk *desk, size_t n)
{
    return desk->each[n].exchange.answer.outcome;
}

static void
the_request_is_sent_as_it_was_given_and_its_answer_comes_back(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk);
    desk.transport->usual =
        (struct fake_answer){WHS_OUTCOME_HTTP_ERROR, 418, .body = "no"};
    put(&desk, 0);
    start(&desk);
    const struct fake_request *sent = &desk.transport->requests[0];
    assert_int_equal(sent->method, WHS_METHOD_OPTIONS);
    assert_string_equal(sent->url, "https://hooks.example/a");
    assert_string_equal(sent->headers, "WebHook-Request-Origin: me.example\n");
    assert_string_equal(sent->body, "hello");
    end_answered(&desk);
    assert_true(whs_asks_wait(&desk.asks, &desk.each[0], -1));
    const struct whs_answer *answer = &desk.each[0].exchange.answer;
    assert_int_equal(answer->outcome, WHS_OUTCOME_HTTP_ERROR);
    assert_int_equal(answer->http_status, 418);
    assert_memory_equal(answer->body.ptr, "no", 2);
    close_desk(&desk);
}

static void
no_more_are_under_way_than_the_limit_and_the_others_follow_in_order(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk);
    for (size_t i = 0; i < MANY; i++)
        put(&desk, i);
    start(&desk);
    assert_int_equal(desk.transport->in_flight, WHS_ASKS_UNDER_WAY_MAX);
    assert_false(whs_asks_has_news(&desk.asks));
    end_answered(&desk);
    assert_true(whs_asks_has_news(&desk.asks));
    start(&desk);
    assert_int_equal(desk.transport->in_flight, MANY - WHS_ASKS_UNDER_WAY_MAX);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(desk.transport->requests[i].exchange, &desk.each[i].exchange);
    end_answered(&desk);
    assert_false(whs_asks_has_news(&desk.asks));
    assert_int_equal(desk.transport->in_flight_peak, WHS_ASKS_UNDER_WAY_MAX);
    close_desk(&desk);
}

static void
one_that_cannot_be_sent_ends_as_our_own_failure(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk);
    desk.transport->refuses = WHS_NO_MEMORY;
    put(&desk, 0);
    put(&desk, 1);
    start(&desk);
    assert_true(whs_asks_wait(&desk.asks, &desk.each[0], -1));
    assert_true(whs_asks_wait(&desk.asks, &desk.each[1], -1));
    assert_int_equal(outcome_of(&desk, 1), WHS_OUTCOME_LOCAL_ERROR);
    assert_false(whs_asks_has_news(&desk.asks));
    close_desk(&desk);
}

static void
closing_cancels_those_under_way_and_those_that_wait_and_refuses_the_next(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk);
    desk.transport->usual = (struct fake_answer){.takes_ms = FAKE_NEVER};
    for (size_t i = 0; i + 1 < MANY; i++)
        put(&desk, i);
    start(&desk);
    whs_asks_close(&desk.asks, &desk.transport->base);
    assert_int_equal(desk.transport->cancelled, WHS_ASKS_UNDER_WAY_MAX);
    for (size_t i = 0; i + 1 < MANY; i++) {
        assert_true(whs_asks_wait(&desk.asks, &desk.each[i], -1));
        assert_int_equal(outcome_of(&desk, i), WHS_OUTCOME_CANCELLED);
    }
    assert_int_equal(whs_asks_put(&desk.asks, &desk.each[MANY - 1], NULL), WHS_CLOSED);
    close_desk(&desk);
}

static void
one_that_is_given_up_ends_and_leaves_its_place(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk);
    desk.transport->usual = (struct fake_answer){.takes_ms = FAKE_NEVER};
    for (size_t i = 0; i < MANY; i++)
        put(&desk, i);
    start(&desk);
    assert_false(whs_asks_has_news(&desk.asks));
    assert_false(whs_asks_wait(&desk.asks, &desk.each[0], 0));
    whs_asks_give_up(&desk.asks, &desk.each[0]);
    whs_asks_give_up(&desk.asks, &desk.each[MANY - 1]);
    assert_true(whs_asks_has_news(&desk.asks));
    start(&desk);
    assert_true(whs_asks_wait(&desk.asks, &desk.each[0], -1));
    assert_true(whs_asks_wait(&desk.asks, &desk.each[MANY - 1], -1));
    assert_int_equal(outcome_of(&desk, 0), WHS_OUTCOME_CANCELLED);
    assert_int_equal(outcome_of(&desk, MANY - 1), WHS_OUTCOME_CANCELLED);
    assert_int_equal(desk.transport->cancelled, 1);
    assert_int_equal(desk.transport->in_flight, WHS_ASKS_UNDER_WAY_MAX);
    assert_false(whs_asks_wait(&desk.asks, &desk.each[1], 0));
    whs_asks_close(&desk.asks, &desk.transport->base);
    close_desk(&desk);
}

/* --- With the engine's thread. --- */

struct stage {
    struct whs_catalog *catalog;
    struct fake_transport *transport;
    struct whs_engine *engine;
    int patience_ms; /* negative: without end */
    atomic_size_t answered, cancelled, refused;
};

static void
open_stage(struct stage *stage)
{
    struct whs_engine_config config;
    memset(stage, 0, sizeof(*stage));
    stage->patience_ms = -1;
    whs_engine_config_default(&config);
    stage->catalog = sidedrawer_catalog();
    stage->transport = fake_transport_create(NULL);
    stage->transport->forgetful = true;
    assert_int_equal(whs_engine_create(&config, stage->catalog, &stage->transport->base,
                                       &stage->engine, NULL),
                     WHS_OK);
}

static void
close_stage(struct stage *stage)
{
    whs_engine_destroy(stage->engine);
    whs_catalog_unref(stage->catalog);
}

static enum whs_status
ask_once(struct stage *stage)
{
    struct whs_request request = a_request();
    struct whs_ask ask;
    whs_ask_init(&ask, &request);
    enum whs_status status = whs_engine_ask(stage->engine, &ask, NULL);
    if (status == WHS_OK &&
        !whs_engine_ask_wait(stage->engine, &ask, stage->patience_ms)) {
        whs_engine_ask_give_up(stage->engine, &ask);
        (void)whs_engine_ask_wait(stage->engine, &ask, -1);
    }
    if (status != WHS_OK)
        atomic_fetch_add(&stage->refused, 1);
    else if (ask.exchange.answer.outcome == WHS_OUTCOME_CANCELLED)
        atomic_fetch_add(&stage->cancelled, 1);
    else
        atomic_fetch_add(&stage->answered, 1);
    whs_ask_fini(&ask);
    return status;
}

static void *
ask_many(void *arg)
{
    for (int i = 0; i < ASKS_EACH; i++)
        (void)ask_once(arg);
    return NULL;
}

static void *
ask_until_refused(void *arg)
{
    while (ask_once(arg) == WHS_OK) {
    }
    return NULL;
}

static void
run_askers(struct stage *stage, pthread_t askers[ASKERS], void *(*function)(void *))
{
    for (int i = 0; i < ASKERS; i++)
        assert_int_equal(pthread_create(&askers[i], NULL, function, stage), 0);
}

static void
join_askers(pthread_t askers[ASKERS])
{
    for (int i = 0; i < ASKERS; i++)
        pthread_join(askers[i], NULL);
}

static void
an_engine_that_does_not_run_refuses(void **state)
{
    (void)state;
    struct stage stage;
    open_stage(&stage);
    assert_int_equal(ask_once(&stage), WHS_CLOSED);
    assert_int_equal(whs_engine_start(stage.engine, NULL), WHS_OK);
    assert_int_equal(ask_once(&stage), WHS_OK);
    whs_engine_close(stage.engine, 0);
    assert_int_equal(ask_once(&stage), WHS_CLOSED);
    close_stage(&stage);
}

/* One missed wake would cost the loop's minute. */
static void
everyone_who_asks_is_answered_beside_deliveries(void **state)
{
    (void)state;
    struct stage stage;
    pthread_t askers[ASKERS];
    open_stage(&stage);
    assert_int_equal(whs_engine_start(stage.engine, NULL), WHS_OK);
    struct world_sub wanted = {.seq = 1};
    struct whs_subscriber *sub = world_subscriber(&wanted);
    assert_int_equal(whs_engine_put_subscriber(stage.engine, sub, NULL), WHS_OK);
    whs_subscriber_unref(sub);
    run_askers(&stage, askers, ask_many);
    for (int64_t seq = 1; seq <= 200; seq++) {
        size_t matches;
        struct whs_event *event = world_event(seq, "t1", "{}");
        assert_int_equal(whs_engine_push(stage.engine, event, NULL, 0, &matches, NULL),
                         WHS_OK);
        whs_event_unref(event);
    }
    join_askers(askers);
    assert_int_equal(whs_engine_wait_idle(stage.engine, 30000), WHS_OK);
    assert_int_equal(atomic_load(&stage.answered), ASKERS * ASKS_EACH);
    struct whs_report_queue *queue = whs_engine_reports(stage.engine);
    struct whs_report *reports = whs_report_queue_take(queue, SIZE_MAX, 0);
    size_t rows = 0;
    for (struct whs_report *each = reports; each; each = each->next)
        rows += each->count;
    assert_int_equal(rows, 200);
    whs_report_queue_settled(queue, reports);
    close_stage(&stage);
}

static void
closing_lets_all_go_that_wait_for_an_answer(void **state)
{
    (void)state;
    struct stage stage;
    pthread_t askers[ASKERS];
    open_stage(&stage);
    stage.transport->usual = (struct fake_answer){.takes_ms = FAKE_NEVER};
    assert_int_equal(whs_engine_start(stage.engine, NULL), WHS_OK);
    run_askers(&stage, askers, ask_until_refused);
    whs_engine_close(stage.engine, 60000);
    join_askers(askers);
    assert_int_equal(atomic_load(&stage.answered), 0);
    assert_int_equal(atomic_load(&stage.refused), ASKERS);
    close_stage(&stage);
}

static void
those_that_lose_patience_are_let_go(void **state)
{
    (void)state;
    struct stage stage;
    pthread_t askers[ASKERS];
    open_stage(&stage);
    stage.patience_ms = 0;
    assert_int_equal(whs_engine_start(stage.engine, NULL), WHS_OK);
    run_askers(&stage, askers, ask_many);
    join_askers(askers);
    assert_int_equal(atomic_load(&stage.answered) + atomic_load(&stage.cancelled),
                     ASKERS * ASKS_EACH);
    close_stage(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_is_sent_as_it_was_given_and_its_answer_comes_back),
        cmocka_unit_test(
            no_more_are_under_way_than_the_limit_and_the_others_follow_in_order),
        cmocka_unit_test(one_that_cannot_be_sent_ends_as_our_own_failure),
        cmocka_unit_test(
            closing_cancels_those_under_way_and_those_that_wait_and_refuses_the_next),
        cmocka_unit_test(one_that_is_given_up_ends_and_leaves_its_place),
        cmocka_unit_test(those_that_lose_patience_are_let_go),
        cmocka_unit_test(an_engine_that_does_not_run_refuses),
        cmocka_unit_test(everyone_who_asks_is_answered_beside_deliveries),
        cmocka_unit_test(closing_lets_all_go_that_wait_for_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
