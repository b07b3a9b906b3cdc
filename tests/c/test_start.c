/* SPDX-License-Identifier: MIT
 *
 * start, lane, origin: who starts next, and how many run at once.
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

#define NEVER_ANSWERED                                                                 \
    {                                                                                  \
        .takes_ms = FAKE_NEVER                                                         \
    }

static void
forbid_spilling(struct whs_engine_config *config)
{
    config->spill = false;
}

static void
allow_two_at_once(struct whs_engine_config *config)
{
    config->spill = false;
    config->limits.in_flight_max = 2;
}

/* How many of the requests from `first` on went to `origin`. */
static size_t
count_to(struct rig *rig, size_t first, const char *origin)
{
    size_t count = 0;
    for (size_t i = first; i < rig->transport->request_count; i++)
        count += strcmp(rig->transport->requests[i].origin, origin) == 0;
    return count;
}

static void
turn_until_answered(struct rig *rig, size_t requests)
{
    for (int i = 0; i < 100000 && rig->transport->request_count < requests; i++) {
        rig_turn(rig);
        rig_take(rig);
    }
    assert_true(rig->transport->request_count >= requests);
}

static void
origins_take_turns_whatever_their_backlog(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, allow_two_at_once);
    rig_put(&rig, (struct world_sub){.seq = 1, .tenant = "a", .origin = "https://a"});
    rig_put(&rig, (struct world_sub){.seq = 2, .tenant = "b", .origin = "https://b"});
    rig_put(&rig, (struct world_sub){.seq = 3, .tenant = "c", .origin = "https://c"});
    for (int64_t seq = 1; seq <= 1000; seq++)
        rig_push(&rig, seq, "a");
    for (int64_t seq = 1001; seq <= 1010; seq++) {
        rig_push(&rig, seq, "b");
        rig_push(&rig, seq + 1000, "c");
    }
    turn_until_answered(&rig, 30);
    /* Each has had its third although a's thousand came first. */
    assert_in_range(count_to(&rig, 0, "https://a"), 9, 11);
    assert_in_range(count_to(&rig, 0, "https://b"), 9, 11);
    assert_in_range(count_to(&rig, 0, "https://c"), 9, 11);
    rig_fini(&rig);
}

static void
an_origin_that_never_answers_holds_only_its_share(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    rig.transport->usual = (struct fake_answer){0};
    fake_transport_rule(rig.transport, "https://dead",
                        (struct fake_answer)NEVER_ANSWERED);
    rig_put(&rig,
            (struct world_sub){.seq = 1, .tenant = "a", .origin = "https://dead"});
    rig_put(&rig,
            (struct world_sub){.seq = 2, .tenant = "a", .origin = "https://dead"});
    rig_put(&rig,
            (struct world_sub){.seq = 3, .tenant = "b", .origin = "https://live"});
    for (int64_t seq = 1; seq <= 500; seq++)
        rig_push(&rig, seq, "a");
    for (int64_t seq = 501; seq <= 1000; seq++)
        rig_push(&rig, seq, "b");
    turn_until_answered(&rig, 508);
    assert_int_equal(count_to(&rig, 0, "https://dead"), 8);
    assert_int_equal(count_to(&rig, 0, "https://live"), 500);
    assert_int_equal(rig_stats(&rig).delivered, 500);
    rig_fini(&rig);
}

static void
lanes_of_one_origin_take_turns(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, allow_two_at_once);
    rig_put(&rig, (struct world_sub){.seq = 1, .tenant = "a", .origin = "https://x"});
    rig_put(&rig, (struct world_sub){.seq = 2, .tenant = "b", .origin = "https://x"});
    for (int64_t seq = 1; seq <= 100; seq++)
        rig_push(&rig, seq, "a");
    rig_push(&rig, 101, "b");
    rig_turn(&rig);
    assert_int_equal(rig.transport->request_count, 2);
    assert_non_null(strstr(rig_request(&rig, 1)->body, "\"resource\":\"tenant/b"));
    rig_fini(&rig);
}

static void
one_subscription_is_served_in_the_order_of_publishing(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    rig_put(&rig, (struct world_sub){.seq = 1});
    for (int64_t seq = 1; seq <= 50; seq++)
        rig_push(&rig, seq, "t1");
    turn_until_answered(&rig, 50);
    for (int64_t seq = 1; seq <= 50; seq++) {
        char path[64];
        snprintf(path, sizeof(path), "/s%lld\"", (long long)seq);
        assert_non_null(strstr(rig_request(&rig, (size_t)seq - 1)->body, path));
    }
    rig_fini(&rig);
}

static void
limit_subscription_to_three(struct whs_engine_config *config)
{
    config->spill = false;
    config->limits.in_flight_per_subscription = 3;
}

static void
caps_hold_per_subscription_per_origin_and_in_total(void **state)
{
    (void)state;
    struct {
        void (*tweak)(struct whs_engine_config *config);
        size_t at_once;
    } cases[] = {
        {limit_subscription_to_three, 3}, /* one subscription */
        {forbid_spilling, 8},             /* two subscriptions of one origin */
        {allow_two_at_once, 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        rig_init(&rig, cases[i].tweak);
        rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
        rig_put(&rig, (struct world_sub){.seq = 1, .origin = "https://x"});
        if (i > 0)
            rig_put(&rig, (struct world_sub){.seq = 2, .origin = "https://x"});
        for (int64_t seq = 1; seq <= 20; seq++)
            rig_push(&rig, seq, "t1");
        rig_turns(&rig, 3);
        assert_int_equal(rig.transport->in_flight, cases[i].at_once);
        assert_int_equal(rig_stats(&rig).in_flight, cases[i].at_once);
        /* What ends makes room for as many. */
        fake_transport_release(rig.transport, (struct fake_answer){0});
        rig_turns(&rig, 2);
        assert_int_equal(rig.transport->in_flight, cases[i].at_once);
        assert_int_equal(rig.transport->in_flight_peak, cases[i].at_once);
        rig_fini(&rig);
    }
}

static void
reserve_two(struct whs_engine_config *config)
{
    config->spill = false;
    config->limits.in_flight_reserved_per_origin = 2;
}

static void
one_subscription_never_takes_all_of_a_shared_origin(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, reserve_two);
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    char tenant[] = "a";
    for (int64_t seq = 1; seq <= 4; seq++, tenant[0]++)
        rig_put(&rig, (struct world_sub){
                          .seq = seq, .tenant = tenant, .origin = "https://x"});
    for (int64_t seq = 1; seq <= 20; seq++)
        rig_push(&rig, seq, "a");
    rig_turns(&rig, 3);
    assert_int_equal(rig.transport->in_flight, 6);
    /* Two that have nothing in flight get one place each, however much they have. */
    for (int64_t seq = 21; seq <= 30; seq++)
        rig_push(&rig, seq, "b");
    rig_turns(&rig, 3);
    assert_int_equal(rig.transport->in_flight, 7);
    rig_push(&rig, 31, "c");
    rig_turns(&rig, 3);
    assert_int_equal(rig.transport->in_flight, 8);
    assert_non_null(strstr(rig_request(&rig, 7)->body, "\"resource\":\"tenant/c"));
    /* And the cap is the cap. */
    rig_push(&rig, 32, "d");
    rig_turns(&rig, 3);
    assert_int_equal(rig.transport->in_flight, 8);
    rig_fini(&rig);
}

static void
allow_three_of_an_origin(struct whs_engine_config *config)
{
    config->spill = false;
    config->limits.in_flight_per_origin = 3;
}

static void
whoever_has_nothing_in_flight_is_first(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, allow_three_of_an_origin);
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    rig_put(&rig, (struct world_sub){.seq = 1, .tenant = "a", .origin = "https://x"});
    rig_put(&rig, (struct world_sub){.seq = 2, .tenant = "b", .origin = "https://x"});
    rig_put(&rig, (struct world_sub){.seq = 3, .tenant = "c", .origin = "https://x"});
    for (int64_t seq = 1; seq <= 20; seq++)
        rig_push(&rig, seq, "a");
    rig_turns(&rig, 2);
    for (int64_t seq = 21; seq <= 40; seq++)
        rig_push(&rig, seq, seq % 2 ? "b" : "c");
    rig_turns(&rig, 2);
    assert_int_equal(rig.transport->request_count, 3);
    fake_transport_release(rig.transport, (struct fake_answer){0});
    rig_turns(&rig, 2);
    /* One of each, though a's work is the oldest and the most. */
    assert_int_equal(rig.transport->request_count, 6);
    const char *tenants[] = {"tenant/b", "tenant/c", "tenant/a"};
    for (size_t i = 0; i < 3; i++)
        assert_non_null(strstr(rig_request(&rig, 3 + i)->body, tenants[i]));
    rig_fini(&rig);
}

static void
reserve_all(struct whs_engine_config *config)
{
    config->spill = false;
    config->limits.in_flight_reserved_per_origin = 100;
}

static void
a_reserve_as_large_as_the_cap_leaves_one_place_to_each(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, reserve_all);
    rig_put(&rig, (struct world_sub){.seq = 1, .origin = "https://x"});
    for (int64_t seq = 1; seq <= 20; seq++)
        rig_push(&rig, seq, "t1");
    turn_until_answered(&rig, 20);
    assert_int_equal(rig.transport->in_flight_peak, 1);
    rig_fini(&rig);
}

static void
an_open_breaker_stops_its_origin_until_one_probe_succeeds(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    rig.transport->usual = (struct fake_answer)FAKE_OUTCOME(CONNECT_ERROR);
    rig_put(&rig, (struct world_sub){.seq = 1});
    for (int64_t seq = 1; seq <= 20; seq++)
        rig_push(&rig, seq, "t1");
    rig_turns(&rig, 5);
    /* Eight were under way when the fifth failure opened it. */
    assert_int_equal(rig.transport->request_count, 8);
    assert_int_equal(rig_stats(&rig).origins_blocked, 1);
    assert_int_equal(rig_stats(&rig).queued, 12);
    rig_pass(&rig, 29999);
    assert_int_equal(rig.transport->request_count, 8);

    /* One probe, and no second one while it is under way. */
    fake_transport_rule(rig.transport, "https://host-1.test:443",
                        (struct fake_answer)NEVER_ANSWERED);
    rig_pass(&rig, 1);
    rig_turns(&rig, 3);
    assert_int_equal(rig.transport->request_count, 9);
    fake_transport_rule(rig.transport, "https://host-1.test:443",
                        (struct fake_answer){0});
    fake_transport_release(rig.transport, (struct fake_answer){0});
    rig_turns(&rig, 10);
    assert_int_equal(rig.transport->request_count, 20);
    assert_int_equal(rig_stats(&rig).origins_blocked, 0);
    rig_fini(&rig);
}

/* Begun before it opened, ended while the probe is under way, and says nothing. */
static void
a_straggler_with_a_failure_of_our_own_lets_no_second_probe_through(void **state)
{
    (void)state;
    struct fake_answer answers[8];
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    for (size_t i = 0; i < 8; i++)
        answers[i] = (struct fake_answer)FAKE_OUTCOME(CONNECT_ERROR);
    answers[7] =
        (struct fake_answer){.outcome = WHS_OUTCOME_LOCAL_ERROR, .takes_ms = 31000};
    fake_transport_script(rig.transport, answers, 8);
    rig.transport->usual = (struct fake_answer)NEVER_ANSWERED;
    rig_put(&rig, (struct world_sub){.seq = 1});
    for (int64_t seq = 1; seq <= 20; seq++)
        rig_push(&rig, seq, "t1");
    rig_turns(&rig, 3);
    rig_pass(&rig, 30000);
    assert_int_equal(rig.transport->request_count, 9);
    rig_pass(&rig, 1000);
    rig_turns(&rig, 3);
    assert_int_equal(rig.transport->request_count, 9);
    fake_transport_release(rig.transport, (struct fake_answer){0});
    rig.transport->usual = (struct fake_answer){0};
    rig_turns(&rig, 10);
    assert_int_equal(rig.transport->request_count, 20);
    rig_fini(&rig);
}

static void
a_failed_probe_blocks_again(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    rig.transport->usual = (struct fake_answer)FAKE_OUTCOME(DNS_ERROR);
    rig_put(&rig, (struct world_sub){.seq = 1});
    for (int64_t seq = 1; seq <= 20; seq++)
        rig_push(&rig, seq, "t1");
    rig_turns(&rig, 5);
    rig_pass(&rig, 30000);
    rig_turns(&rig, 3);
    assert_int_equal(rig.transport->request_count, 9);
    rig_pass(&rig, 29999);
    assert_int_equal(rig.transport->request_count, 9);
    rig_pass(&rig, 1);
    assert_int_equal(rig.transport->request_count, 10);
    rig_fini(&rig);
}

struct news {
    size_t opened;
    size_t closed;
    size_t reports;
    int64_t blocked_ms; /* of the last that opened */
};

/* Takes everything; counts what is said of the origin. */
static struct news
take_news(struct rig *rig)
{
    struct news news = {0};
    for (struct whs_report *each = rig_take(rig); each; each = each->next) {
        news.reports++;
        news.closed += each->origin_news == WHS_BREAKER_CLOSED;
        if (each->origin_news == WHS_BREAKER_OPENED) {
            assert_int_equal(each->origin_seq, 1001);
            news.opened++;
            news.blocked_ms = each->origin_blocked_ms;
        }
    }
    rig_settle(rig);
    return news;
}

static void
reports_say_when_an_origin_is_blocked_and_when_it_is_free(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    rig.transport->usual = (struct fake_answer)FAKE_OUTCOME(CONNECT_ERROR);
    rig_put(&rig, (struct world_sub){.seq = 1});
    for (int64_t seq = 1; seq <= 20; seq++)
        rig_push(&rig, seq, "t1");
    rig_turns(&rig, 5);
    struct news news = take_news(&rig);
    /* The fifth opens it; three more were under way. */
    assert_int_equal(news.reports, 8);
    assert_int_equal(news.opened, 4);
    assert_int_equal(news.blocked_ms, 30000);
    rig_pass(&rig, 30000);
    rig_turns(&rig, 2);
    news = take_news(&rig);
    assert_int_equal(news.reports, 1);
    assert_int_equal(news.opened, 1);

    rig.transport->usual = (struct fake_answer){0};
    rig_pass(&rig, 30000);
    rig_turns(&rig, 10);
    news = take_news(&rig);
    assert_int_equal(news.reports, 11);
    assert_int_equal(news.opened, 0);
    assert_int_equal(news.closed, 1);
    rig_fini(&rig);
}

static void
http_failures_never_open_a_breaker(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    rig.transport->usual = (struct fake_answer)FAKE_STATUS(500);
    rig_put(&rig, (struct world_sub){.seq = 1});
    for (int64_t seq = 1; seq <= 40; seq++)
        rig_push(&rig, seq, "t1");
    rig_turns(&rig, 10);
    assert_int_equal(rig.transport->request_count, 40);
    assert_int_equal(rig_stats(&rig).origins_blocked, 0);
    rig_fini(&rig);
}

static void
wait_for_a_probe_only_as_long_as_the_breaker_says(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    rig.transport->usual = (struct fake_answer)FAKE_OUTCOME(CONNECT_ERROR);
    rig_put(&rig, (struct world_sub){.seq = 1});
    for (int64_t seq = 1; seq <= 20; seq++)
        rig_push(&rig, seq, "t1");
    rig_turns(&rig, 5);
    /* Left alone, the loop sleeps exactly until the probe is due. */
    int64_t before_ms = rig.clock.mono_ms;
    whs_engine_turn(rig.engine, 60000);
    assert_int_equal(rig.clock.mono_ms - before_ms, 30000);
    rig_fini(&rig);
}

static void
many_lanes_and_origins_come_and_go(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, forbid_spilling);
    rig.transport->forgetful = true;
    for (int64_t seq = 1; seq <= 3000; seq++)
        rig_put(&rig, (struct world_sub){.seq = seq});
    for (int64_t seq = 1; seq <= 3; seq++) {
        rig_push(&rig, seq, "t1");
        turn_until_answered(&rig, (size_t)seq * 3000);
    }
    rig_take(&rig);
    assert_int_equal(rig_stats(&rig).delivered, 9000);
    assert_int_equal(rig_stats(&rig).queued_bytes, 0);
    rig_fini(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origins_take_turns_whatever_their_backlog),
        cmocka_unit_test(an_origin_that_never_answers_holds_only_its_share),
        cmocka_unit_test(lanes_of_one_origin_take_turns),
        cmocka_unit_test(one_subscription_is_served_in_the_order_of_publishing),
        cmocka_unit_test(caps_hold_per_subscription_per_origin_and_in_total),
        cmocka_unit_test(one_subscription_never_takes_all_of_a_shared_origin),
        cmocka_unit_test(whoever_has_nothing_in_flight_is_first),
        cmocka_unit_test(a_reserve_as_large_as_the_cap_leaves_one_place_to_each),
        cmocka_unit_test(an_open_breaker_stops_its_origin_until_one_probe_succeeds),
        cmocka_unit_test(
            a_straggler_with_a_failure_of_our_own_lets_no_second_probe_through),
        cmocka_unit_test(a_failed_probe_blocks_again),
        cmocka_unit_test(reports_say_when_an_origin_is_blocked_and_when_it_is_free),
        cmocka_unit_test(http_failures_never_open_a_breaker),
        cmocka_unit_test(wait_for_a_probe_only_as_long_as_the_breaker_says),
        cmocka_unit_test(many_lanes_and_origins_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
