/* SPDX-License-Identifier: MIT
 *
 * retry: every decision, beside a second telling of the rule, and the tables that
 * docs/delivery.md shows between its markers, made here from what the code decides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"
#include "fake_clock.h"
#include "retry.h"
#include "subscription.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const int64_t steps_ms[] = {5 * SECOND, 5 * MINUTE, 30 * MINUTE,
                                   2 * HOUR,   5 * HOUR,   10 * HOUR,
                                   14 * HOUR,  20 * HOUR,  24 * HOUR};

/* How an attempt can end. */
static const struct {
    enum whs_outcome outcome;
    int http_status;
    const char *ended;
} ends[] = {
    {WHS_OUTCOME_SUCCESS, 204, "2xx"},
    {WHS_OUTCOME_REDIRECT, 302, "3xx: not followed"},
    {WHS_OUTCOME_HTTP_ERROR, 400, "400 and every 4xx not named here"},
    {WHS_OUTCOME_GONE, 410, "410"},
    {WHS_OUTCOME_HTTP_ERROR, 429, "429"},
    {WHS_OUTCOME_HTTP_ERROR, 503, "5xx"},
    {WHS_OUTCOME_HTTP_ERROR, 999, "any other status"},
    {WHS_OUTCOME_DNS_ERROR, 0, "the name has no address, or no answer came in time"},
    {WHS_OUTCOME_CONNECT_ERROR, 0, "the connection was refused"},
    {WHS_OUTCOME_CONNECT_TIMEOUT, 0, "no connection in time"},
    {WHS_OUTCOME_TLS_CERTIFICATE, 0, "the certificate does not verify"},
    {WHS_OUTCOME_TLS_HANDSHAKE, 0, "the TLS handshake failed"},
    {WHS_OUTCOME_BLOCKED_ADDRESS, 0, "the address is forbidden"},
    {WHS_OUTCOME_TIMEOUT, 0, "sent, no answer in time"},
    {WHS_OUTCOME_UNKNOWN, 0, "sent, the connection ended before an answer"},
    {WHS_OUTCOME_PROTOCOL_ERROR, 0, "the answer is not HTTP/1.1"},
    {WHS_OUTCOME_RESEND_REFUSED, 0, "a kept connection died under the request"},
    {WHS_OUTCOME_LOCAL_ERROR, 0, "our own failure: no memory, no socket"},
    {WHS_OUTCOME_NOT_CONNECTED, 0, "a socket's listener is not connected"},
    {WHS_OUTCOME_SPILLED, 0, "the lease was over before anything was sent"},
};

static struct whs_retry_policy
without_jitter(void)
{
    struct whs_retry_policy policy = whs_retry_policy_default;
    policy.jitter = 0;
    return policy;
}

static struct whs_decision
decide(const struct whs_retry_policy *policy, enum whs_outcome outcome, int attempt)
{
    struct whs_retry_facts facts = {.outcome = outcome,
                                    .attempt = attempt,
                                    .max_retries = WHS_MAX_RETRIES_DEFAULT,
                                    .retry_after_ms = -1};
    return whs_retry_decide(policy, &facts);
}

/* --- The rule, told a second time. --- */

static bool
is_slow(enum whs_outcome outcome)
{
    return outcome == WHS_OUTCOME_BLOCKED_ADDRESS ||
           outcome == WHS_OUTCOME_TLS_CERTIFICATE;
}

static struct whs_decision
expect(const struct whs_retry_facts *facts)
{
    int retries = facts->max_retries < 0 ? 9 : facts->max_retries;
    if (facts->outcome == WHS_OUTCOME_SUCCESS)
        return (struct whs_decision){WHS_VERDICT_DELIVERED, 0};
    if (facts->outcome == WHS_OUTCOME_NOT_CONNECTED)
        return (struct whs_decision){WHS_VERDICT_WAIT, 10 * MINUTE};
    if (facts->outcome == WHS_OUTCOME_SPILLED)
        return (struct whs_decision){WHS_VERDICT_WAIT, 0};
    if (facts->outcome == WHS_OUTCOME_GONE)
        return (struct whs_decision){WHS_VERDICT_DISABLE, 0};
    if (facts->failing_for_ms >= 5 * DAY && facts->outcome != WHS_OUTCOME_LOCAL_ERROR)
        return (struct whs_decision){WHS_VERDICT_DISABLE, 0};
    if (facts->attempt > retries)
        return (struct whs_decision){WHS_VERDICT_DEAD, 0};
    int step = facts->attempt < 9 ? facts->attempt - 1 : 8;
    int64_t delay_ms = steps_ms[is_slow(facts->outcome) ? 8 : step];
    int64_t asked_ms =
        facts->retry_after_ms > 6 * HOUR ? 6 * HOUR : facts->retry_after_ms;
    return (struct whs_decision){WHS_VERDICT_RETRY,
                                 asked_ms > delay_ms ? asked_ms : delay_ms};
}

static void
assert_decides(const struct whs_retry_policy *policy,
               const struct whs_retry_facts *facts)
{
    struct whs_decision wanted = expect(facts);
    struct whs_decision made = whs_retry_decide(policy, facts);
    if (made.verdict != wanted.verdict || made.delay_ms != wanted.delay_ms)
        fail_msg("%s, attempt %d of %d, Retry-After %lld, failing for %lld: %d %lld",
                 whs_outcome_name(facts->outcome), facts->attempt, facts->max_retries,
                 (long long)facts->retry_after_ms, (long long)facts->failing_for_ms,
                 made.verdict, (long long)made.delay_ms);
}

static void
every_combination_is_decided_by_the_rule(void **state)
{
    (void)state;
    static const int max_retries[] = {WHS_MAX_RETRIES_DEFAULT, 0, 1, 5, 9, 100};
    static const int64_t asked_ms[] = {
        -1, 0, 1, 7 * SECOND, 3 * HOUR, 6 * HOUR, 6 * HOUR + 1, 30 * DAY, INT64_MAX};
    static const int64_t failing_ms[] = {0, 1, 5 * DAY - 1, 5 * DAY, 100 * DAY};
    const struct whs_retry_policy policy = without_jitter();
    for (size_t e = 0; e < COUNT(ends); e++)
        for (int attempt = 1; attempt <= 102; attempt++)
            for (size_t m = 0; m < COUNT(max_retries); m++)
                for (size_t a = 0; a < COUNT(asked_ms); a++)
                    for (size_t f = 0; f < COUNT(failing_ms); f++)
                        assert_decides(&policy, &(struct whs_retry_facts){
                                                    .outcome = ends[e].outcome,
                                                    .http_status = ends[e].http_status,
                                                    .attempt = attempt,
                                                    .max_retries = max_retries[m],
                                                    .retry_after_ms = asked_ms[a],
                                                    .failing_for_ms = failing_ms[f],
                                                    .random = (uint64_t)attempt << 50,
                                                });
}

/* --- Its parts. --- */

static void
the_default_schedule_is_standard_webhooks(void **state)
{
    (void)state;
    const struct whs_retry_policy policy = without_jitter();
    assert_int_equal(whs_retry_policy_default.step_count, COUNT(steps_ms));
    assert_int_equal(whs_retry_policy_default.max_retries, COUNT(steps_ms));
    int64_t total_ms = 0;
    for (int attempt = 1; attempt <= 9; attempt++) {
        struct whs_decision made = decide(&policy, WHS_OUTCOME_TIMEOUT, attempt);
        assert_true(made.delay_ms == steps_ms[attempt - 1]);
        total_ms += made.delay_ms;
    }
    assert_true(total_ms == 75 * HOUR + 35 * MINUTE + 5 * SECOND);
}

static void
jitter_stays_within_a_fifth_and_reaches_both_ends(void **state)
{
    (void)state;
    struct fake_random random = {5};
    for (int attempt = 1; attempt <= 9; attempt++) {
        int64_t step_ms = steps_ms[attempt - 1];
        struct whs_retry_facts facts = {.outcome = WHS_OUTCOME_TIMEOUT,
                                        .attempt = attempt,
                                        .max_retries = 9,
                                        .retry_after_ms = -1};
        int64_t sum_ms = 0;
        for (int i = 0; i < 1000; i++) {
            facts.random = fake_random_next(&random);
            int64_t delay_ms =
                whs_retry_decide(&whs_retry_policy_default, &facts).delay_ms;
            assert_true(delay_ms >= step_ms * 4 / 5 && delay_ms <= step_ms * 6 / 5);
            sum_ms += delay_ms;
        }
        /* A thousand of them: the mean is off by a standard error of 0.4 %. */
        assert_true(sum_ms / 1000 > step_ms * 98 / 100);
        assert_true(sum_ms / 1000 < step_ms * 102 / 100);
        facts.random = 0;
        assert_true(whs_retry_decide(&whs_retry_policy_default, &facts).delay_ms ==
                    step_ms * 4 / 5);
        facts.random = UINT64_MAX;
        int64_t longest_ms =
            whs_retry_decide(&whs_retry_policy_default, &facts).delay_ms;
        assert_true(longest_ms >= step_ms * 6 / 5 - 1 && longest_ms <= step_ms * 6 / 5);
    }
}

static void
jitter_never_shortens_what_was_asked(void **state)
{
    (void)state;
    struct whs_retry_facts facts = {.outcome = WHS_OUTCOME_HTTP_ERROR,
                                    .http_status = 429,
                                    .attempt = 1,
                                    .max_retries = 9,
                                    .retry_after_ms = 1 * HOUR,
                                    .random = 0};
    assert_true(whs_retry_decide(&whs_retry_policy_default, &facts).delay_ms == HOUR);
    facts.random = UINT64_MAX;
    assert_true(whs_retry_decide(&whs_retry_policy_default, &facts).delay_ms == HOUR);
    facts.attempt = 9;
    assert_true(whs_retry_decide(&whs_retry_policy_default, &facts).delay_ms >
                28 * HOUR);
}

static void
a_policy_of_ones_own_is_obeyed(void **state)
{
    (void)state;
    struct whs_retry_policy policy = {.steps_ms = {100, 200},
                                      .step_count = 2,
                                      .max_retries = 4,
                                      .retry_after_max_ms = 1000};
    static const int64_t delays_ms[] = {100, 200, 200, 200};
    for (int attempt = 1; attempt <= 4; attempt++)
        assert_true(decide(&policy, WHS_OUTCOME_TIMEOUT, attempt).delay_ms ==
                    delays_ms[attempt - 1]);
    assert_int_equal(decide(&policy, WHS_OUTCOME_TIMEOUT, 5).verdict, WHS_VERDICT_DEAD);
    /* 410 is an answer like others, and failing disables nobody. */
    assert_int_equal(decide(&policy, WHS_OUTCOME_GONE, 1).verdict, WHS_VERDICT_RETRY);
    struct whs_retry_facts facts = {.outcome = WHS_OUTCOME_TIMEOUT,
                                    .attempt = 1,
                                    .max_retries = 1,
                                    .retry_after_ms = 5000,
                                    .failing_for_ms = INT64_MAX};
    assert_int_equal(whs_retry_decide(&policy, &facts).verdict, WHS_VERDICT_RETRY);
    assert_true(whs_retry_decide(&policy, &facts).delay_ms == 1000);
}

static void
the_attempt_behind_the_last_retry_is_the_last(void **state)
{
    (void)state;
    const struct whs_retry_policy *policy = &whs_retry_policy_default;
    for (int retries = 0; retries <= WHS_MAX_RETRIES_MAX; retries++) {
        assert_false(retries > 0 && whs_retry_is_last(policy, retries, retries));
        assert_true(whs_retry_is_last(policy, retries + 1, retries));
        assert_true(whs_retry_is_last(policy, retries + 2, retries));
    }
    assert_false(whs_retry_is_last(policy, 9, WHS_MAX_RETRIES_DEFAULT));
    assert_true(whs_retry_is_last(policy, 10, WHS_MAX_RETRIES_DEFAULT));
}

/* --- Retry-After. --- */

static const struct {
    const char *value;
    int64_t ms;
} asked[] = {
    {"0", 0},
    {"5", 5 * SECOND},
    {"3600", HOUR},
    {"21601", 6 * HOUR},
    {"9223372036854775807", 6 * HOUR},
    {"99999999999999999999", 6 * HOUR},
    {"Thu, 01 Jan 2026 00:10:00 GMT", 10 * MINUTE},
    {"Thursday, 01-Jan-26 00:10:00 GMT", 10 * MINUTE},
    {"Thu Jan  1 00:10:00 2026", 10 * MINUTE},
    {"Fri, 01 Jan 2100 00:00:00 GMT", 6 * HOUR},
    {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
    {"-5", -1},
    {"1.5", -1},
    {"soon", -1},
    {"Thu, 32 Jan 2026 00:10:00 GMT", -1},
    {"", -1},
};

static void
retry_after_is_seconds_or_a_date_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(asked); i++)
        assert_true(whs_retry_after_parse(whs_slice_of(asked[i].value),
                                          FAKE_CLOCK_START_MS,
                                          6 * HOUR) == asked[i].ms);
    static const char *const none[] = {"+5",
                                       "5s",
                                       "5 5",
                                       "1e9",
                                       "0x5",
                                       "5,",
                                       "\n5",
                                       "nan",
                                       "٥",
                                       "-",
                                       "5\xff",
                                       ". 5",
                                       "Thu, 01 Jan 2026 00:10:00",
                                       "2026-01-01"};
    for (size_t i = 0; i < COUNT(none); i++)
        if (whs_retry_after_parse(whs_slice_of(none[i]), FAKE_CLOCK_START_MS,
                                  6 * HOUR) != -1)
            fail_msg("'%s' was taken for a Retry-After", none[i]);
    assert_true(whs_retry_after_parse(WHS_SLICE(" \t 5 \t"), 0, 6 * HOUR) == 5000);
    assert_true(whs_retry_after_parse(WHS_SLICE("9223372036854775807"), 0, INT64_MAX) ==
                INT64_MAX);
    assert_true(whs_retry_after_parse(WHS_SLICE("99999999999999999999"), 0,
                                      INT64_MAX) == INT64_MAX);
    assert_true(whs_retry_after_parse(WHS_SLICE("5"), 0, 0) == 0);
}

/* --- The tables of the page. --- */

#define PAGE "docs/delivery.md"
#define BEGIN "<!-- retry table: begin -->\n"
#define END "<!-- retry table: end -->\n"
#define APPEND(buf, text) whs_buf_append_slice((buf), whs_slice_of(text))

static void
append_duration(struct whs_buf *buf, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{HOUR, " h"}, {MINUTE, " min"}, {SECOND, " s"}};
    if (ms == 0)
        APPEND(buf, "0 s");
    bool first = true;
    for (size_t i = 0; i < COUNT(units); i++) {
        if (ms < units[i].ms)
            continue;
        if (!first)
            APPEND(buf, " ");
        whs_buf_append_int(buf, ms / units[i].ms);
        APPEND(buf, units[i].name);
        ms %= units[i].ms;
        first = false;
    }
}

static void
append_decision(struct whs_buf *buf, struct whs_decision decision)
{
    APPEND(buf, " | ");
    switch (decision.verdict) {
    case WHS_VERDICT_DELIVERED:
        APPEND(buf, "delivered");
        break;
    case WHS_VERDICT_DEAD:
        APPEND(buf, "dead");
        break;
    case WHS_VERDICT_DISABLE:
        APPEND(buf, "dead, subscription disabled");
        break;
    case WHS_VERDICT_RETRY:
        append_duration(buf, decision.delay_ms);
        break;
    case WHS_VERDICT_WAIT:
        APPEND(buf, "waits");
        break;
    }
}

static void
append_decisions(struct whs_buf *buf)
{
    static const struct {
        int attempt;
        int64_t retry_after_ms, failing_for_ms;
    } columns[] = {
        {1, -1, 0},   {2, -1, 0},        {9, -1, 0},       {10, -1, 0},
        {1, HOUR, 0}, {1, 12 * HOUR, 0}, {1, -1, 5 * DAY},
    };
    const struct whs_retry_policy policy = without_jitter();
    APPEND(buf,
           "| The attempt ended with | Outcome | 1st attempt | 2nd | 9th | 10th, the "
           "last | 1st, `Retry-After` 1 h | 1st, `Retry-After` 12 h | after 5 days of "
           "only failures |\n|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < COUNT(ends); i++) {
        APPEND(buf, "| ");
        APPEND(buf, ends[i].ended);
        APPEND(buf, " | `");
        APPEND(buf, whs_outcome_name(ends[i].outcome));
        APPEND(buf, "`");
        for (size_t c = 0; c < COUNT(columns); c++) {
            struct whs_retry_facts facts = {.outcome = ends[i].outcome,
                                            .http_status = ends[i].http_status,
                                            .attempt = columns[c].attempt,
                                            .max_retries = WHS_MAX_RETRIES_DEFAULT,
                                            .retry_after_ms = columns[c].retry_after_ms,
                                            .failing_for_ms =
                                                columns[c].failing_for_ms};
            /* Without an answer nobody asks for anything. */
            if (facts.retry_after_ms >= 0 && facts.http_status == 0)
                APPEND(buf, " | –");
            else
                append_decision(buf, whs_retry_decide(&policy, &facts));
        }
        APPEND(buf, " |\n");
    }
}

static void
append_schedule(struct whs_buf *buf)
{
    const struct whs_retry_policy *policy = &whs_retry_policy_default;
    APPEND(buf, "| Failed attempt | Next one after | With jitter |\n|---|---|---|\n");
    for (int attempt = 1; attempt <= policy->step_count; attempt++) {
        struct whs_retry_facts facts = {.outcome = WHS_OUTCOME_TIMEOUT,
                                        .attempt = attempt,
                                        .max_retries = WHS_MAX_RETRIES_DEFAULT,
                                        .retry_after_ms = -1};
        int64_t step_ms = policy->steps_ms[attempt - 1];
        int64_t least_ms = whs_retry_decide(policy, &facts).delay_ms;
        APPEND(buf, "| ");
        whs_buf_append_int(buf, attempt);
        APPEND(buf, " | ");
        append_duration(buf, step_ms);
        APPEND(buf, " | ");
        append_duration(buf, least_ms);
        APPEND(buf, " to ");
        append_duration(buf, 2 * step_ms - least_ms);
        APPEND(buf, " |\n");
    }
}

static void
append_asked(struct whs_buf *buf)
{
    APPEND(buf,
           "| `Retry-After` on 1 January 2026, 00:00 UTC | Asks for |\n|---|---|\n");
    for (size_t i = 0; i < COUNT(asked); i++) {
        struct whs_slice value = whs_slice_of(asked[i].value);
        int64_t ms = whs_retry_after_parse(value, FAKE_CLOCK_START_MS,
                                           whs_retry_policy_default.retry_after_max_ms);
        APPEND(buf, value.len ? "| `" : "| nothing");
        whs_buf_append_slice(buf, value);
        APPEND(buf, value.len ? "` | " : " | ");
        if (ms < 0)
            APPEND(buf, "ignored");
        else
            append_duration(buf, ms);
        APPEND(buf, " |\n");
    }
}

static struct whs_buf
read_page(void)
{
    struct whs_buf page = {0};
    char bytes[4096];
    size_t len;
    FILE *file = fopen(PAGE, "r");
    if (!file)
        fail_msg("%s is missing (tests run in the repository's root)", PAGE);
    while ((len = fread(bytes, 1, sizeof(bytes), file)) > 0)
        whs_buf_append(&page, bytes, len);
    fclose(file);
    whs_buf_append_char(&page, '\0');
    return page;
}

static void
the_page_shows_what_the_code_decides(void **state)
{
    (void)state;
    struct whs_buf wanted = {0}, page = read_page();
    append_decisions(&wanted);
    APPEND(&wanted, "\n");
    append_schedule(&wanted);
    APPEND(&wanted, "\n");
    append_asked(&wanted);
    whs_buf_append_char(&wanted, '\0');
    char *begin = strstr(page.ptr, BEGIN), *end = strstr(page.ptr, END);
    assert_true(begin && end && begin < end);
    *end = '\0';
    begin += strlen(BEGIN);
    if (strcmp(begin, wanted.ptr) != 0) {
        fprintf(stderr, "%s%s%s", BEGIN, wanted.ptr, END);
        fail_msg("%s should have this instead", PAGE);
    }
    whs_buf_fini(&wanted);
    whs_buf_fini(&page);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_is_decided_by_the_rule),
        cmocka_unit_test(the_default_schedule_is_standard_webhooks),
        cmocka_unit_test(jitter_stays_within_a_fifth_and_reaches_both_ends),
        cmocka_unit_test(jitter_never_shortens_what_was_asked),
        cmocka_unit_test(a_policy_of_ones_own_is_obeyed),
        cmocka_unit_test(the_attempt_behind_the_last_retry_is_the_last),
        cmocka_unit_test(retry_after_is_seconds_or_a_date_and_nothing_else),
        cmocka_unit_test(the_page_shows_what_the_code_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
