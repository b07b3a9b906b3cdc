/* SPDX-License-Identifier: MIT
 *
 * attempt, conclude: what is sent, and what becomes of a delivery by its answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

#define DAY_MS INT64_C(86400000)

/* --- What is sent. --- */

static void
assert_header(struct rig *rig, size_t request, const char *name, const char *value)
{
    char *sent = fake_request_header(rig_request(rig, request), name);
    if (!value)
        assert_null(sent);
    else
        assert_string_equal(sent, value);
    free(sent);
}

static void
a_request_carries_the_notification_and_its_id(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 7});
    rig_push(&rig, 1, "t1");
    rig_turn(&rig);
    const struct fake_request *request = rig_request(&rig, 0);
    assert_string_equal(request->url, "https://host-7.test:443/hook");
    assert_string_equal(request->origin, "https://host-7.test:443");
    assert_false(request->fresh_connection);
    assert_header(&rig, 0, "Content-Type", "application/json");
    assert_header(&rig, 0, "User-Agent", "webhooksub");
    assert_header(&rig, 0, "webhook-timestamp", "1767225600");
    assert_header(&rig, 0, "webhook-signature", NULL);
    assert_header(&rig, 0, "integrityHash", NULL);
    char *id = fake_request_header(request, "webhook-id"), body[512];
    snprintf(
        body, sizeof(body),
        "{\"id\":\"%s\",\"subscriptionId\":\"07000000-0000-0000-0000-000000000000\","
        "\"resource\":\"tenant/t1/sidedrawer\","
        "\"resourcePath\":\"tenant/t1/sidedrawer/s1\","
        "\"modificationType\":\"update\",\"rawTime\":\"2026-01-01T00:00:00.000Z\","
        "\"data\":{\"n\":1}}",
        id);
    assert_string_equal(request->body, body);
    free(id);
    rig_fini(&rig);
}

static void
name_the_header_otherwise(struct whs_engine_config *config)
{
    snprintf(config->integrity_header, sizeof(config->integrity_header), "x-hash");
    config->integrity_encoding = WHS_ENCODING_BASE64;
}

static void
a_key_signs_the_very_bytes_in_both_ways(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, name_the_header_otherwise);
    rig_put(&rig, (struct world_sub){.seq = 1, .key = "a shared secret of 24 bytes"});
    rig_push(&rig, 1, "t1");
    rig_turn(&rig);
    const struct fake_request *request = rig_request(&rig, 0);
    struct whs_keys keys = {{whs_slice_of("a shared secret of 24 bytes")}, 1};
    char *hash = fake_request_header(request, "x-hash"),
         *signature = fake_request_header(request, "webhook-signature"),
         *id = fake_request_header(request, "webhook-id"),
         *timestamp = fake_request_header(request, "webhook-timestamp");
    struct whs_slice body = whs_slice_of(request->body);
    assert_int_equal(strlen(hash), 44);
    assert_int_equal(whs_verify_integrity(&keys, whs_slice_of(hash), body), WHS_OK);
    assert_int_equal(whs_verify_standard(&keys, whs_slice_of(id),
                                         whs_slice_of(timestamp),
                                         whs_slice_of(signature), body,
                                         rig.clock.wall_ms / 1000, 300, NULL),
                     WHS_OK);
    free(hash), free(signature), free(id), free(timestamp);
    rig_fini(&rig);
}

static void
a_subscriptions_own_headers_are_sent(void **state)
{
    (void)state;
    static const struct whs_header own[] = {{WHS_SLICE("X-One"), WHS_SLICE("1")},
                                            {WHS_SLICE("X-Two"), WHS_SLICE("2")}};
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1, .headers = own, .header_count = 2});
    rig_push(&rig, 1, "t1");
    rig_turn(&rig);
    assert_header(&rig, 0, "X-One", "1");
    assert_header(&rig, 0, "X-Two", "2");
    rig_fini(&rig);
}

static void
an_own_header_of_the_operators_name_of_the_hash_is_not_sent(void **state)
{
    (void)state;
    static const struct whs_header own[] = {{WHS_SLICE("X-HASH"), WHS_SLICE("mine")},
                                            {WHS_SLICE("X-Two"), WHS_SLICE("2")}};
    struct rig rig;
    rig_init(&rig, name_the_header_otherwise);
    rig_put(&rig, (struct world_sub){.seq = 1, .headers = own, .header_count = 2});
    rig_put(&rig, (struct world_sub){
                      .seq = 2, .key = "k", .headers = own, .header_count = 2});
    rig_push(&rig, 1, "t1");
    rig_turn(&rig);
    for (size_t n = 0; n < 2; n++) {
        assert_null(strstr(rig_request(&rig, n)->headers, "mine"));
        assert_header(&rig, n, "X-Two", "2");
    }
    rig_fini(&rig);
}

static void
tell_the_trace(struct whs_engine_config *config)
{
    config->traceparent = true;
}

static void
a_notification_names_its_events_trace_where_that_is_asked_for(void **state)
{
    (void)state;
    static const struct whs_header own[] = {
        {WHS_SLICE("TraceParent"), WHS_SLICE("mine")}};
    for (int asked = 0; asked < 2; asked++) {
        struct rig rig;
        rig_init(&rig, asked ? tell_the_trace : NULL);
        rig_put(&rig, (struct world_sub){.seq = 1, .headers = own, .header_count = 1});
        rig_push(&rig, 1, "t1");
        rig_turn(&rig);
        char *sent = fake_request_header(rig_request(&rig, 0), "traceparent");
        assert_int_equal(sent != NULL, asked);
        if (sent)
            assert_int_equal(strlen(sent), WHS_TRACEPARENT_SIZE - 1);
        free(sent);
        assert_header(&rig, 0, "TraceParent", asked ? NULL : "mine");
        rig_fini(&rig);
    }
}

static void
a_retry_has_the_same_id_and_its_own_timestamp(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig_push(&rig, 1, "t1");
    rig_turn(&rig);
    fake_clock_advance(&rig.clock, 5000);
    assert_int_equal(rig_push_due(&rig, 1, "t1", 1, 1), WHS_OK);
    rig_turn(&rig);
    char *id = fake_request_header(rig_request(&rig, 0), "webhook-id");
    assert_header(&rig, 1, "webhook-id", id);
    assert_header(&rig, 1, "webhook-timestamp", "1767225605");
    assert_string_equal(rig_request(&rig, 1)->body, rig_request(&rig, 0)->body);
    free(id);
    rig_fini(&rig);
}

/* --- What becomes of it. --- */

static void
a_delivery_that_succeeds_is_reported_once_and_ends_its_event(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 7});
    rig.transport->usual = (struct fake_answer){.outcome = WHS_OUTCOME_SUCCESS,
                                                .http_status = 202,
                                                .takes_ms = 30,
                                                .body = "thank you"};
    assert_int_equal(rig_push(&rig, 1, "t1"), 1);
    assert_int_equal(rig_stats(&rig).queued, 1);
    whs_engine_turn(rig.engine, 100);
    const struct whs_reported *row = rig_take_one(&rig);
    assert_int_equal(row->state, WHS_DELIVERY_DELIVERED);
    assert_int_equal(row->event_seq, 1);
    assert_int_equal(row->subscription_seq, 7);
    assert_int_equal(row->attempts, 1);
    assert_true(row->event_done);
    assert_false(row->claimed_row);
    const struct whs_report *report = rig.taken;
    assert_int_equal(report->outcome, WHS_OUTCOME_SUCCESS);
    assert_int_equal(report->http_status, 202);
    assert_int_equal(report->duration_ms, 30);
    assert_int_equal(report->origin_seq, 1007);
    assert_true(report->started_at_ms == FAKE_CLOCK_START_MS);
    assert_string_equal(report->address, "192.0.2.1");
    assert_string_equal(report->batch, "");
    assert_null(report->snippet);
    assert_true(report->holds_slot);
    assert_false(report->subscription_failing || report->subscription_recovered ||
                 report->subscription_disabled);
    rig_turn(&rig);
    assert_null(rig_take(&rig));
    struct whs_engine_stats stats = rig_stats(&rig);
    assert_int_equal(stats.delivered, 1);
    assert_int_equal(stats.attempts, 1);
    assert_int_equal(stats.queued, 0);
    assert_int_equal(stats.queued_bytes, 0);
    assert_int_equal(stats.in_flight, 0);
    assert_int_equal(stats.unsettled, 0);
    rig_fini(&rig);
}

static void
an_event_is_done_with_the_last_of_its_matches(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    for (int64_t seq = 1; seq <= 3; seq++)
        rig_put(&rig, (struct world_sub){.seq = seq});
    fake_transport_rule(rig.transport, "https://host-2.test:443",
                        (struct fake_answer){.takes_ms = 1000});
    assert_int_equal(rig_push(&rig, 1, "t1"), 3);
    rig_turn(&rig);
    int seen = 0;
    for (struct whs_report *each = rig_take(&rig); each; each = each->next, seen++)
        assert_false(each->deliveries[0].event_done);
    assert_int_equal(seen, 2);
    assert_true(rig_stats(&rig).queued_bytes > 0);
    rig_pass(&rig, 1000);
    assert_true(rig_take_one(&rig)->event_done);
    assert_int_equal(rig_stats(&rig).queued_bytes, 0);
    rig_fini(&rig);
}

static void
a_claimed_row_goes_on_counting_and_ends_no_event(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    assert_int_equal(rig_push_due(&rig, 5, "t1", 1, 3), WHS_OK);
    rig_turn(&rig);
    const struct whs_reported *row = rig_take_one(&rig);
    assert_int_equal(row->event_seq, 5);
    assert_int_equal(row->attempts, 4);
    assert_true(row->claimed_row);
    assert_false(row->event_done);
    assert_int_equal(rig_push_due(&rig, 5, "t1", 99, 3), WHS_NOT_FOUND);
    assert_int_equal(rig_stats(&rig).queued, 0);
    rig_fini(&rig);
}

static void
a_failure_waits_for_the_schedule_or_longer(void **state)
{
    (void)state;
    static const struct {
        struct fake_answer answer;
        int attempts; /* before */
        int64_t delay_ms;
    } cases[] = {
        {FAKE_STATUS(500), 0, 5000},
        {FAKE_STATUS(404), 0, 5000},
        {FAKE_STATUS(500), 1, 300000},
        {FAKE_OUTCOME(TIMEOUT), 2, 1800000},
        {FAKE_OUTCOME(CONNECT_ERROR), 0, 5000},
        {FAKE_OUTCOME(TLS_CERTIFICATE), 0, DAY_MS},
        {{WHS_OUTCOME_HTTP_ERROR, 429, 60000, 0, NULL}, 0, 60000},
        {{WHS_OUTCOME_HTTP_ERROR, 503, 1000, 0, NULL}, 0, 5000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        rig_init(&rig, NULL);
        rig_put(&rig, (struct world_sub){.seq = 1});
        rig.transport->usual = cases[i].answer;
        assert_int_equal(rig_push_due(&rig, 1, "t1", 1, cases[i].attempts), WHS_OK);
        rig_turn(&rig);
        const struct whs_reported *row = rig_take_one(&rig);
        assert_int_equal(row->state, WHS_DELIVERY_WAITING);
        assert_int_equal(row->attempts, cases[i].attempts + 1);
        assert_int_equal(row->delay_ms, cases[i].delay_ms);
        assert_int_equal(rig.taken->outcome, cases[i].answer.outcome);
        assert_int_equal(rig.taken->http_status, cases[i].answer.http_status);
        assert_int_equal(rig_stats(&rig).retried, 1);
        rig_fini(&rig);
    }
}

static void
a_failure_that_waits_lets_its_event_go(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual = (struct fake_answer)FAKE_STATUS(500);
    rig_push(&rig, 1, "t1");
    rig_turn(&rig);
    assert_true(rig_take_one(&rig)->event_done);
    assert_int_equal(rig_stats(&rig).queued_bytes, 0);
    rig_fini(&rig);
}

static void
the_first_bytes_of_a_refusal_are_reported(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual = (struct fake_answer){
        .outcome = WHS_OUTCOME_HTTP_ERROR, .http_status = 500, .body = "no such table"};
    rig_push(&rig, 1, "t1");
    rig_turn(&rig);
    rig_take_one(&rig);
    assert_int_equal(rig.taken->snippet_len, strlen("no such table"));
    assert_memory_equal(rig.taken->snippet, "no such table", rig.taken->snippet_len);
    rig_fini(&rig);
}

static void
the_last_permitted_attempt_is_fresh_and_then_it_is_dead(void **state)
{
    (void)state;
    static const struct {
        int max_retries; /* plus 1 */
        int attempts;
        bool last;
    } cases[] = {{0, 0, false}, {0, 8, false}, {0, 9, true}, {1, 0, true},
                 {4, 2, false}, {4, 3, true},  {4, 50, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        rig_init(&rig, NULL);
        rig_put(&rig,
                (struct world_sub){.seq = 1, .max_retries = cases[i].max_retries});
        rig.transport->usual = (struct fake_answer)FAKE_STATUS(500);
        assert_int_equal(rig_push_due(&rig, 1, "t1", 1, cases[i].attempts), WHS_OK);
        rig_turn(&rig);
        assert_int_equal(rig_request(&rig, 0)->fresh_connection, cases[i].last);
        assert_int_equal(rig_take_one(&rig)->state,
                         cases[i].last ? WHS_DELIVERY_DEAD : WHS_DELIVERY_WAITING);
        assert_int_equal(rig_stats(&rig).dead, cases[i].last);
        rig_fini(&rig);
    }
}

/* --- What becomes of the subscription. --- */

static void
failing_and_recovering_are_told_once_each(void **state)
{
    (void)state;
    static const struct fake_answer answers[] = {
        {0}, FAKE_STATUS(500), FAKE_OUTCOME(TIMEOUT), {0}, {0}};
    static const bool failing[] = {false, true, false, false, false};
    static const bool recovered[] = {false, false, false, true, false};
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    fake_transport_script(rig.transport, answers, 5);
    for (int64_t i = 0; i < 5; i++) {
        rig_push(&rig, i + 1, "t1");
        rig_turn(&rig);
        rig_take_one(&rig);
        assert_int_equal(rig.taken->subscription_failing, failing[i]);
        assert_int_equal(rig.taken->subscription_recovered, recovered[i]);
    }
    rig_fini(&rig);
}

static void
what_the_store_knows_of_failing_is_not_told_again(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1,
                                     .failing_since_ms = FAKE_CLOCK_START_MS - DAY_MS});
    rig.transport->usual = (struct fake_answer)FAKE_STATUS(500);
    rig_push(&rig, 1, "t1");
    rig_turn(&rig);
    rig_take_one(&rig);
    assert_false(rig.taken->subscription_failing);
    rig.transport->usual = (struct fake_answer){0};
    rig_push(&rig, 2, "t1");
    rig_turn(&rig);
    rig_take_one(&rig);
    assert_true(rig.taken->subscription_recovered);
    rig_fini(&rig);
}

/* A recovery that only the lane remembers must not be forgotten while the lane is idle:
 * a later failure would count from the old date. */
static void
a_recovered_subscription_starts_failing_anew(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig,
            (struct world_sub){.seq = 1,
                               .tenant = "a",
                               .failing_since_ms = FAKE_CLOCK_START_MS - 4 * DAY_MS});
    rig_push(&rig, 1, "a");
    rig_turn(&rig);
    rig_take(&rig);
    /* So many others that idle lanes are thrown away. */
    for (int64_t seq = 2; seq <= 2000; seq++)
        rig_put(&rig, (struct world_sub){.seq = seq, .tenant = "b"});
    rig_push(&rig, 2, "b");
    rig_turns(&rig, 30);
    rig_take(&rig);
    fake_clock_advance(&rig.clock, 2 * DAY_MS);
    rig.transport->usual = (struct fake_answer)FAKE_STATUS(500);
    rig_push(&rig, 3, "a");
    rig_turn(&rig);
    assert_int_equal(rig_take_one(&rig)->state, WHS_DELIVERY_WAITING);
    assert_true(rig.taken->subscription_failing);
    rig_fini(&rig);
}

static void
gone_disables_once_and_spills_what_was_queued(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->usual =
        (struct fake_answer){.outcome = WHS_OUTCOME_GONE, .http_status = 410};
    for (int64_t seq = 1; seq <= 20; seq++)
        rig_push(&rig, seq, "t1");
    rig_turns(&rig, 3);
    int disabled = 0, dead = 0, spilled = 0;
    for (struct whs_report *each = rig_take(&rig); each; each = each->next) {
        disabled += each->subscription_disabled;
        for (size_t i = 0; i < each->count; i++) {
            const struct whs_reported *row = &each->deliveries[i];
            assert_true(row->event_done);
            if (row->state == WHS_DELIVERY_DEAD) {
                assert_int_equal(each->outcome, WHS_OUTCOME_GONE);
                dead++;
            } else {
                assert_int_equal(row->state, WHS_DELIVERY_WAITING);
                assert_int_equal(each->outcome, WHS_OUTCOME_DISABLED);
                assert_int_equal(row->attempts, 0);
                spilled++;
            }
        }
    }
    assert_int_equal(disabled, 1);
    assert_int_equal(dead, 8);
    assert_int_equal(spilled, 12);
    assert_int_equal(rig_push(&rig, 21, "t1"), 0);
    rig_fini(&rig);
}

static void
five_days_of_only_failures_disable(void **state)
{
    (void)state;
    for (int days = 4; days <= 5; days++) {
        struct rig rig;
        rig_init(&rig, NULL);
        rig_put(&rig, (struct world_sub){.seq = 1});
        rig.transport->usual = (struct fake_answer)FAKE_STATUS(500);
        rig_push(&rig, 1, "t1");
        rig_turn(&rig);
        assert_int_equal(rig_take_one(&rig)->state, WHS_DELIVERY_WAITING);
        fake_clock_advance(&rig.clock, days * DAY_MS);
        rig_push(&rig, 2, "t1");
        rig_turn(&rig);
        assert_int_equal(rig_take_one(&rig)->state,
                         days < 5 ? WHS_DELIVERY_WAITING : WHS_DELIVERY_DEAD);
        assert_int_equal(rig.taken->subscription_disabled, days >= 5);
        rig_fini(&rig);
    }
}

static void
a_failure_of_our_own_blames_nobody(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->refuses = WHS_SYSTEM;
    for (int64_t seq = 1; seq <= 10; seq++)
        rig_push(&rig, seq, "t1");
    rig_turn(&rig);
    int count = 0;
    for (struct whs_report *each = rig_take(&rig); each; each = each->next, count++) {
        assert_int_equal(each->outcome, WHS_OUTCOME_LOCAL_ERROR);
        assert_int_equal(each->deliveries[0].state, WHS_DELIVERY_WAITING);
        assert_int_equal(each->deliveries[0].delay_ms, 5000);
        assert_false(each->subscription_failing);
    }
    assert_int_equal(count, 10);
    assert_int_equal(rig_stats(&rig).origins_blocked, 0);
    rig_fini(&rig);
}

static void
without_memory_for_a_request_it_waits_a_moment_in_the_queue(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig.transport->refuses = WHS_NO_MEMORY;
    rig_push(&rig, 1, "t1");
    rig_turns(&rig, 3);
    assert_null(rig_take(&rig));
    assert_int_equal(rig_stats(&rig).queued, 1);
    assert_int_equal(rig_stats(&rig).in_flight, 0);
    assert_int_equal(rig_stats(&rig).unsettled, 0);
    rig.transport->refuses = WHS_OK;
    rig_turn(&rig);
    assert_int_equal(rig_stats(&rig).queued, 1);
    /* The loop wakes by itself. */
    whs_engine_turn(rig.engine, 60000);
    rig_turn(&rig);
    assert_int_equal(rig_take_one(&rig)->state, WHS_DELIVERY_DELIVERED);
    assert_int_equal(rig_take(&rig) == NULL, true);
    rig_fini(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_carries_the_notification_and_its_id),
        cmocka_unit_test(a_key_signs_the_very_bytes_in_both_ways),
        cmocka_unit_test(a_subscriptions_own_headers_are_sent),
        cmocka_unit_test(an_own_header_of_the_operators_name_of_the_hash_is_not_sent),
        cmocka_unit_test(a_notification_names_its_events_trace_where_that_is_asked_for),
        cmocka_unit_test(a_retry_has_the_same_id_and_its_own_timestamp),
        cmocka_unit_test(a_delivery_that_succeeds_is_reported_once_and_ends_its_event),
        cmocka_unit_test(an_event_is_done_with_the_last_of_its_matches),
        cmocka_unit_test(a_claimed_row_goes_on_counting_and_ends_no_event),
        cmocka_unit_test(a_failure_waits_for_the_schedule_or_longer),
        cmocka_unit_test(a_failure_that_waits_lets_its_event_go),
        cmocka_unit_test(the_first_bytes_of_a_refusal_are_reported),
        cmocka_unit_test(the_last_permitted_attempt_is_fresh_and_then_it_is_dead),
        cmocka_unit_test(failing_and_recovering_are_told_once_each),
        cmocka_unit_test(what_the_store_knows_of_failing_is_not_told_again),
        cmocka_unit_test(a_recovered_subscription_starts_failing_anew),
        cmocka_unit_test(gone_disables_once_and_spills_what_was_queued),
        cmocka_unit_test(five_days_of_only_failures_disable),
        cmocka_unit_test(a_failure_of_our_own_blames_nobody),
        cmocka_unit_test(without_memory_for_a_request_it_waits_a_moment_in_the_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
