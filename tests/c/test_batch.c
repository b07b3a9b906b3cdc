/* SPDX-License-Identifier: MIT
 *
 * attempt, lane, conclude: several deliveries in one POST.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"
#include "rig.h"

#define NEVER_ANSWERED                                                                 \
    {                                                                                  \
        .takes_ms = FAKE_NEVER                                                         \
    }
#define BYTES_MAX 1000000

static size_t
count_in(const char *text, const char *word)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, word)); at++)
        count++;
    return count;
}

/* Members of the n-th request. */
static size_t
count_members(struct rig *rig, size_t n)
{
    return count_in(rig_request(rig, n)->body, "\"subscriptionId\"");
}

static void
push_many(struct rig *rig, int64_t count)
{
    for (int64_t seq = 1; seq <= count; seq++)
        rig_push(rig, seq, "t1");
}

static void
batching_three(struct rig *rig)
{
    rig_init(rig, NULL);
    rig_put(rig, (struct world_sub){.seq = 1, .batching = {3, BYTES_MAX, 200}});
}

static void
a_batch_starts_when_it_is_full(void **state)
{
    (void)state;
    struct rig rig;
    batching_three(&rig);
    push_many(&rig, 2);
    rig_turn(&rig);
    assert_int_equal(rig.transport->request_count, 0);
    rig_push(&rig, 3, "t1");
    rig_turn(&rig);
    assert_int_equal(rig.transport->request_count, 1);
    assert_int_equal(count_members(&rig, 0), 3);
    struct whs_report *report = rig_take(&rig);
    assert_null(report->next);
    assert_int_equal(report->count, 3);
    assert_true(report->holds_slot);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(report->deliveries[i].event_seq, (int64_t)i + 1);
        assert_int_equal(report->deliveries[i].state, WHS_DELIVERY_DELIVERED);
        assert_int_equal(report->deliveries[i].attempts, 1);
        assert_true(report->deliveries[i].event_done);
    }
    assert_int_equal(rig_stats(&rig).delivered, 3);
    assert_int_equal(rig_stats(&rig).attempts, 1);
    rig_fini(&rig);
}

static void
a_batch_that_is_not_full_lingers_and_then_starts(void **state)
{
    (void)state;
    struct rig rig;
    batching_three(&rig);
    rig_push(&rig, 1, "t1");
    rig_turn(&rig);
    rig_pass(&rig, 100);
    rig_push(&rig, 2, "t1");
    rig_pass(&rig, 99);
    assert_int_equal(rig.transport->request_count, 0);
    assert_int_equal(rig_stats(&rig).queued, 2);
    /* Left alone, the loop wakes when the oldest has waited for its linger. */
    whs_engine_turn(rig.engine, 60000);
    assert_int_equal(rig.clock.wall_ms - FAKE_CLOCK_START_MS, 200);
    rig_turn(&rig);
    assert_int_equal(count_members(&rig, 0), 2);
    rig_fini(&rig);
}

/* What lingers is not what cannot start: as a waiting row it would linger anew. */
static void
a_batch_that_lingers_longer_than_others_may_wait_is_sent_and_not_spilled(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1, .batching = {3, BYTES_MAX, 9000}});
    rig_push(&rig, 1, "t1");
    for (int ms = 0; ms < 8900; ms += 100)
        rig_pass(&rig, 100);
    assert_null(rig_take(&rig));
    assert_int_equal(rig.transport->request_count, 0);
    rig_pass(&rig, 200);
    assert_int_equal(rig.transport->request_count, 1);
    assert_int_equal(rig_take_one(&rig)->state, WHS_DELIVERY_DELIVERED);
    rig_fini(&rig);
}

static void
a_batch_that_gets_full_after_a_long_linger_is_sent_whole(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1, .batching = {3, BYTES_MAX, 9000}});
    push_many(&rig, 2);
    for (int ms = 0; ms < 5000; ms += 100)
        rig_pass(&rig, 100);
    rig_push(&rig, 3, "t1");
    rig_pass(&rig, 1000);
    assert_int_equal(count_members(&rig, 0), 3);
    assert_int_equal(rig_stats(&rig).spilled, 0);
    rig_fini(&rig);
}

static void
a_full_batch_that_cannot_start_is_spilled_whatever_its_linger(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig.transport->usual = (struct fake_answer){.takes_ms = 60000};
    rig_put(&rig, (struct world_sub){.seq = 1, .batching = {1, BYTES_MAX, 60000}});
    push_many(&rig, 30);
    for (int ms = 0; ms < 3000; ms += 100)
        rig_pass(&rig, 100);
    assert_int_equal(rig.transport->request_count, 8);
    assert_int_equal(rig_stats(&rig).spilled, 22);
    rig_fini(&rig);
}

static void
a_batch_is_an_array_with_an_id_of_its_members(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){
                      .seq = 1, .key = "secret", .batching = {2, BYTES_MAX, 0}});
    push_many(&rig, 2);
    rig_turn(&rig);
    const struct fake_request *request = rig_request(&rig, 0);
    struct whs_slice body = whs_slice_of(request->body);
    assert_int_equal(request->body[0], '[');
    assert_int_equal(request->body[body.len - 1], ']');
    assert_int_equal(count_in(request->body, "},{"), 1);

    char ids[2][WHS_NOTIFICATION_ID_SIZE], expected[WHS_NOTIFICATION_ID_SIZE];
    const char *first = strstr(request->body, "\"id\":\"") + 6;
    memcpy(ids[0], first, sizeof(ids[0]) - 1);
    memcpy(ids[1], strstr(first, "\"id\":\"") + 6, sizeof(ids[1]) - 1);
    ids[0][sizeof(ids[0]) - 1] = ids[1][sizeof(ids[1]) - 1] = '\0';
    whs_batch_id((const char(*)[WHS_NOTIFICATION_ID_SIZE])ids, 2, expected);
    char *id = fake_request_header(request, "webhook-id"),
         *hash = fake_request_header(request, "integrityHash");
    struct whs_keys keys = {{WHS_SLICE("secret")}, 1};
    assert_string_equal(id, expected);
    assert_int_equal(whs_verify_integrity(&keys, whs_slice_of(hash), body), WHS_OK);
    rig_take(&rig);
    assert_string_equal(rig.taken->batch, expected);
    free(id), free(hash);
    rig_fini(&rig);
}

static void
a_batch_stops_before_its_bytes(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1, .batching = {100, 5000, 100000}});
    static char data[2001];
    memset(data, '7', sizeof(data) - 1);
    for (int64_t seq = 1; seq <= 4; seq++) {
        size_t matches;
        struct whs_event *event = world_event(seq, "t1", data);
        assert_int_equal(whs_engine_push(rig.engine, event, NULL, 0, &matches, NULL),
                         WHS_OK);
        whs_event_unref(event);
    }
    rig_turns(&rig, 3);
    assert_true(rig.transport->request_count >= 2);
    for (size_t i = 0; i < rig.transport->request_count; i++)
        assert_true(strlen(rig_request(&rig, i)->body) <= 5000);
    rig_fini(&rig);
}

static void
one_that_is_too_large_for_a_batch_goes_alone(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1, .batching = {10, 100, 100000}});
    push_many(&rig, 3);
    rig_turns(&rig, 2);
    assert_int_equal(rig.transport->request_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(count_members(&rig, i), 1);
    rig_fini(&rig);
}

static void
a_failed_batch_waits_as_one(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1, .batching = {3, BYTES_MAX, 0}});
    rig.transport->usual = (struct fake_answer)FAKE_STATUS(503);
    push_many(&rig, 3);
    rig_turn(&rig);
    assert_int_equal(rig.transport->request_count, 1);
    struct whs_report *report = rig_take(&rig);
    assert_int_equal(report->count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(report->deliveries[i].state, WHS_DELIVERY_WAITING);
        assert_int_equal(report->deliveries[i].delay_ms, 5000);
        assert_int_equal(report->deliveries[i].attempts, 1);
    }
    rig_fini(&rig);
}

static void
add_jitter(struct whs_engine_config *config)
{
    config->retry.jitter = 0.2;
}

static void
members_of_one_failed_batch_come_due_together(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, add_jitter);
    rig_put(&rig, (struct world_sub){.seq = 1, .batching = {50, BYTES_MAX, 0}});
    rig.transport->usual = (struct fake_answer)FAKE_OUTCOME(TIMEOUT);
    push_many(&rig, 50);
    rig_turn(&rig);
    struct whs_report *report = rig_take(&rig);
    assert_int_equal(report->count, 50);
    assert_int_not_equal(report->deliveries[0].delay_ms, 5000);
    for (size_t i = 1; i < 50; i++)
        assert_int_equal(report->deliveries[i].delay_ms,
                         report->deliveries[0].delay_ms);
    rig_fini(&rig);
}

static void
each_member_of_a_mixed_batch_has_its_own_count(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){
                      .seq = 1, .max_retries = 3, .batching = {3, BYTES_MAX, 0}});
    rig.transport->usual = (struct fake_answer)FAKE_STATUS(500);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_push_due(&rig, i + 1, "t1", 1, i), WHS_OK);
    rig_turn(&rig);
    assert_true(rig_request(&rig, 0)->fresh_connection);
    struct whs_report *report = rig_take(&rig);
    static const struct {
        enum whs_delivery_state state;
        int64_t delay_ms;
    } expected[] = {{WHS_DELIVERY_WAITING, 5000},
                    {WHS_DELIVERY_WAITING, 300000},
                    {WHS_DELIVERY_DEAD, 0}};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(report->deliveries[i].state, expected[i].state);
        assert_int_equal(report->deliveries[i].delay_ms, expected[i].delay_ms);
        assert_int_equal(report->deliveries[i].attempts, i + 1);
        assert_true(report->deliveries[i].claimed_row);
    }
    rig_fini(&rig);
}

static void
a_batch_refused_for_its_content_is_halved_at_once(void **state)
{
    (void)state;
    static const int statuses[] = {400, 413, 422};
    for (size_t s = 0; s < 3; s++) {
        const struct fake_answer answers[] = {FAKE_STATUS(statuses[s]), {0}, {0}};
        struct rig rig;
        rig_init(&rig, NULL);
        rig_put(&rig, (struct world_sub){.seq = 1, .batching = {5, BYTES_MAX, 1000}});
        fake_transport_script(rig.transport, answers, 3);
        push_many(&rig, 5);
        rig_turns(&rig, 2);
        assert_int_equal(rig.transport->request_count, 3);
        assert_int_equal(count_members(&rig, 0), 5);
        assert_int_equal(count_members(&rig, 1), 3);
        assert_int_equal(count_members(&rig, 2), 2);
        int64_t seq = 0;
        for (struct whs_report *each = rig_take(&rig); each; each = each->next)
            for (size_t i = 0; i < each->count; i++) {
                assert_int_equal(each->deliveries[i].event_seq, ++seq);
                assert_int_equal(each->deliveries[i].attempts, 2);
                assert_int_equal(each->deliveries[i].state, WHS_DELIVERY_DELIVERED);
            }
        assert_int_equal(seq, 5);
        assert_int_equal(rig_stats(&rig).attempts, 3);
        rig_fini(&rig);
    }
}

static void
halving_ends_at_the_one_that_is_at_fault(void **state)
{
    (void)state;
    static const struct fake_answer answers[] = {
        FAKE_STATUS(413), /* 4 */
        FAKE_STATUS(413), /* 1 2 */
        {0},              /* 3 4 */
        FAKE_STATUS(413), /* 1 */
        {0},              /* 2 */
    };
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1, .batching = {4, BYTES_MAX, 1000}});
    fake_transport_script(rig.transport, answers, 5);
    push_many(&rig, 4);
    rig_turns(&rig, 4);
    assert_int_equal(rig.transport->request_count, 5);
    int delivered = 0, waiting = 0;
    for (struct whs_report *each = rig_take(&rig); each; each = each->next)
        for (size_t i = 0; i < each->count; i++) {
            const struct whs_reported *row = &each->deliveries[i];
            if (row->state == WHS_DELIVERY_WAITING) {
                assert_int_equal(row->event_seq, 1);
                assert_int_equal(row->attempts, 3);
                waiting++;
            }
            delivered += row->state == WHS_DELIVERY_DELIVERED;
        }
    assert_int_equal(waiting, 1);
    assert_int_equal(delivered, 3);
    assert_int_equal(rig_stats(&rig).unsettled, 3);
    rig_settle(&rig);
    assert_int_equal(rig_stats(&rig).unsettled, 0);
    assert_int_equal(rig_stats(&rig).queued, 0);
    rig_fini(&rig);
}

static void
other_refusals_and_last_attempts_are_not_halved(void **state)
{
    (void)state;
    static const struct {
        int status, max_retries, expected;
    } cases[] = {{500, 0, WHS_DELIVERY_WAITING},
                 {429, 0, WHS_DELIVERY_WAITING},
                 {404, 0, WHS_DELIVERY_WAITING},
                 {413, 1, WHS_DELIVERY_DEAD}};
    for (size_t s = 0; s < sizeof(cases) / sizeof(cases[0]); s++) {
        struct rig rig;
        rig_init(&rig, NULL);
        rig_put(&rig, (struct world_sub){.seq = 1,
                                         .max_retries = cases[s].max_retries,
                                         .batching = {2, BYTES_MAX, 0}});
        rig.transport->usual = (struct fake_answer)FAKE_STATUS(cases[s].status);
        push_many(&rig, 2);
        rig_turns(&rig, 3);
        assert_int_equal(rig.transport->request_count, 1);
        assert_int_equal(rig_take(&rig)->count, 2);
        assert_int_equal(rig.taken->deliveries[0].state, cases[s].expected);
        rig_fini(&rig);
    }
}

static void
halves_are_cancelled_with_their_subscription(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1, .batching = {4, BYTES_MAX, 0}});
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    push_many(&rig, 4);
    rig_turn(&rig);
    whs_engine_remove_subscriber(rig.engine, 1, WHS_REMOVAL_CANCEL);
    rig_turn(&rig);
    fake_transport_release(rig.transport, (struct fake_answer)FAKE_STATUS(413));
    rig_turns(&rig, 2);
    assert_int_equal(rig.transport->request_count, 1);
    assert_int_equal(rig_take(&rig)->count, 4);
    assert_int_equal(rig.taken->deliveries[3].state, WHS_DELIVERY_CANCELLED);
    rig_fini(&rig);
}

static void
a_subscription_may_begin_and_cease_to_batch(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 1, .batching = {4, BYTES_MAX, 60000}});
    push_many(&rig, 3);
    rig_turn(&rig);
    assert_int_equal(rig.transport->request_count, 0);
    rig_put(&rig, (struct world_sub){.seq = 1});
    rig_push(&rig, 4, "t1");
    rig_turns(&rig, 3);
    assert_int_equal(rig.transport->request_count, 4);
    assert_int_equal(rig_request(&rig, 0)->body[0], '{');
    rig_put(&rig, (struct world_sub){.seq = 1, .batching = {2, BYTES_MAX, 60000}});
    push_many(&rig, 2);
    rig_turns(&rig, 3);
    assert_int_equal(rig.transport->request_count, 5);
    assert_int_equal(count_members(&rig, 4), 2);
    rig_fini(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_starts_when_it_is_full),
        cmocka_unit_test(a_batch_that_is_not_full_lingers_and_then_starts),
        cmocka_unit_test(
            a_batch_that_lingers_longer_than_others_may_wait_is_sent_and_not_spilled),
        cmocka_unit_test(a_batch_that_gets_full_after_a_long_linger_is_sent_whole),
        cmocka_unit_test(a_full_batch_that_cannot_start_is_spilled_whatever_its_linger),
        cmocka_unit_test(a_batch_is_an_array_with_an_id_of_its_members),
        cmocka_unit_test(a_batch_stops_before_its_bytes),
        cmocka_unit_test(one_that_is_too_large_for_a_batch_goes_alone),
        cmocka_unit_test(a_failed_batch_waits_as_one),
        cmocka_unit_test(members_of_one_failed_batch_come_due_together),
        cmocka_unit_test(each_member_of_a_mixed_batch_has_its_own_count),
        cmocka_unit_test(a_batch_refused_for_its_content_is_halved_at_once),
        cmocka_unit_test(halving_ends_at_the_one_that_is_at_fault),
        cmocka_unit_test(other_refusals_and_last_attempts_are_not_halved),
        cmocka_unit_test(halves_are_cancelled_with_their_subscription),
        cmocka_unit_test(a_subscription_may_begin_and_cease_to_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
