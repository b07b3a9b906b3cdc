/* SPDX-License-Identifier: MIT
 *
 * attempt, conclude: what is for sockets, and what becomes of it while nobody listens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

#define MINUTE_MS INT64_C(60000)
#define ANN "socket:ann"
#define BOB "socket:bob"

static const struct world_sub ann = {.seq = 1, .origin = ANN, .event = "changed"};
static const struct fake_answer absent = FAKE_OUTCOME(NOT_CONNECTED);

static void
a_socket_is_sent_the_event_and_the_notification_and_no_url(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, ann);
    rig_put(&rig, (struct world_sub){.seq = 2});
    rig_push(&rig, 1, "t1");
    rig_turns(&rig, 2);
    assert_int_equal(rig.transport->request_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct fake_request *request = rig_request(&rig, i);
        bool socket = strcmp(request->origin, ANN) == 0;
        assert_true(socket == (request->socket_event != NULL));
        assert_true(socket == (request->url == NULL));
        if (socket)
            assert_string_equal(request->socket_event, "changed");
        assert_non_null(strstr(request->body, "\"data\":{\"n\":1}}"));
    }
    rig_fini(&rig);
}

static void
who_is_absent_costs_no_attempt_and_the_delivery_waits(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    fake_transport_rule(rig.transport, ANN, absent);
    struct world_sub once = ann;
    once.max_retries = 1; /* 0: one attempt */
    rig_put(&rig, once);
    rig_push(&rig, 1, "t1");
    rig_turns(&rig, 2);
    const struct whs_reported *row = rig_take_one(&rig);
    assert_int_equal(row->state, WHS_DELIVERY_WAITING);
    assert_int_equal(row->attempts, 0);
    assert_int_equal(row->delay_ms, 10 * MINUTE_MS);
    assert_int_equal(rig.taken->outcome, WHS_OUTCOME_NOT_CONNECTED);
    assert_int_equal(rig.taken->started_at_ms, 0);
    assert_false(rig.taken->subscription_failing);
    assert_false(whs_report_is_attempt(rig.taken, row));
    assert_int_equal(rig.taken->origin_news, WHS_BREAKER_OPENED);
    assert_int_equal(rig.taken->origin_blocked_ms, 10 * MINUTE_MS);
    assert_int_equal(rig_stats(&rig).attempts, 0);
    assert_int_equal(rig_stats(&rig).spilled, 1);
    rig_fini(&rig);
}

static void
what_comes_while_nobody_listens_is_spilled_unsent(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    fake_transport_rule(rig.transport, ANN, absent);
    rig_put(&rig, ann);
    rig_push(&rig, 1, "t1");
    rig_turns(&rig, 2);
    rig_take_one(&rig);
    rig_push(&rig, 2, "t1");
    rig_turns(&rig, 2);
    const struct whs_reported *row = rig_take_one(&rig);
    assert_int_equal(rig.taken->outcome, WHS_OUTCOME_SPILLED);
    assert_int_equal(row->attempts, 0);
    assert_int_equal(rig.transport->request_count, 1);
    rig_fini(&rig);
}

static void
who_comes_is_sent_to_at_once_and_others_stay_absent(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    fake_transport_rule(rig.transport, ANN, absent);
    fake_transport_rule(rig.transport, BOB, absent);
    rig_put(&rig, ann);
    rig_put(&rig, (struct world_sub){.seq = 2, .origin = BOB, .event = "changed"});
    rig_push(&rig, 1, "t1");
    rig_turns(&rig, 2);
    fake_transport_rule(rig.transport, ANN, (struct fake_answer)FAKE_OK);
    assert_int_equal(whs_engine_reopen(rig.engine, WHS_SLICE(ANN)), WHS_OK);
    rig_turn(&rig);
    rig_take(&rig);
    assert_int_equal(rig_push_due(&rig, 1, "t1", 1, 0), WHS_OK);
    rig_turns(&rig, 2);
    const struct whs_reported *row = rig_take_one(&rig);
    assert_int_equal(row->state, WHS_DELIVERY_DELIVERED);
    assert_int_equal(row->attempts, 1);
    assert_int_equal(rig_stats(&rig).origins_blocked, 1);
    rig_fini(&rig);
}

static void
who_is_absent_for_long_is_not_disabled_and_is_looked_for(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    fake_transport_rule(rig.transport, ANN, absent);
    rig_put(&rig, ann);
    for (int i = 1; i <= 1000; i++) {
        rig_pass(&rig, 10 * MINUTE_MS);
        assert_int_equal(rig_push_due(&rig, i, "t1", 1, 0), WHS_OK);
        rig_turns(&rig, 2);
        assert_int_equal(rig_take_one(&rig)->state, WHS_DELIVERY_WAITING);
        assert_int_equal(rig.transport->request_count, i);
        assert_false(rig.taken->subscription_disabled);
    }
    rig_fini(&rig);
}

static void
an_acknowledgement_that_does_not_come_is_a_failed_attempt(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    fake_transport_rule(rig.transport, ANN, (struct fake_answer)FAKE_OUTCOME(TIMEOUT));
    rig_put(&rig, ann);
    rig_push(&rig, 1, "t1");
    rig_turns(&rig, 2);
    const struct whs_reported *row = rig_take_one(&rig);
    assert_int_equal(row->state, WHS_DELIVERY_WAITING);
    assert_int_equal(row->attempts, 1);
    assert_int_equal(row->delay_ms, 5000);
    assert_true(whs_report_is_attempt(rig.taken, row));
    assert_int_equal(rig_stats(&rig).origins_blocked, 0);
    rig_fini(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_is_sent_the_event_and_the_notification_and_no_url),
        cmocka_unit_test(who_is_absent_costs_no_attempt_and_the_delivery_waits),
        cmocka_unit_test(what_comes_while_nobody_listens_is_spilled_unsent),
        cmocka_unit_test(who_comes_is_sent_to_at_once_and_others_stay_absent),
        cmocka_unit_test(who_is_absent_for_long_is_not_disabled_and_is_looked_for),
        cmocka_unit_test(an_acknowledgement_that_does_not_come_is_a_failed_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
