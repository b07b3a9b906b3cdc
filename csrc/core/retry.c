/* SPDX-License-Identifier: MIT */
#include "retry.h"

#include <math.h>

#include "date.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

const struct whs_retry_policy whs_retry_policy_default = {
    .steps_ms = {5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR,
                 14 * HOUR, 20 * HOUR, 24 * HOUR},
    .step_count = 9,
    .jitter = 0.2,
    .max_retries = 9,
    .retry_after_max_ms = 6 * HOUR,
    .absent_ms = 10 * MINUTE,
    .disable_after_ms = 5 * 24 * HOUR,
    .disable_on_gone = true,
};

static int
count_retries(const struct whs_retry_policy *policy, int max_retries)
{
    return max_retries < 0 ? policy->max_retries : max_retries;
}

bool
whs_retry_is_last(const struct whs_retry_policy *policy, int attempt, int max_retries)
{
    return attempt > count_retries(policy, max_retries);
}

/* What will not mend itself soon is asked for again as late as the schedule allows. */
static bool
waits_longest(enum whs_outcome outcome)
{
    return outcome == WHS_OUTCOME_BLOCKED_ADDRESS ||
           outcome == WHS_OUTCOME_TLS_CERTIFICATE;
}

static int64_t
choose_step(const struct whs_retry_policy *policy, const struct whs_retry_facts *facts)
{
    int step = facts->attempt - 1;
    if (waits_longest(facts->outcome) || step >= policy->step_count)
        step = policy->step_count - 1;
    return policy->steps_ms[step];
}

/* Uniform in step × [1 - jitter, 1 + jitter], so that many failures of one moment do
 * not come back in one moment. */
static int64_t
spread(int64_t step_ms, double jitter, uint64_t random)
{
    double unit = (double)(random >> 11) * 0x1.0p-53;
    return llround((double)step_ms * (1 - jitter + 2 * jitter * unit));
}

static int64_t
compute_delay(const struct whs_retry_policy *policy,
              const struct whs_retry_facts *facts)
{
    int64_t delay = spread(choose_step(policy, facts), policy->jitter, facts->random);
    int64_t asked = facts->retry_after_ms;
    if (asked > policy->retry_after_max_ms)
        asked = policy->retry_after_max_ms;
    return delay > asked ? delay : asked;
}

static enum whs_verdict
choose_verdict(const struct whs_retry_policy *policy,
               const struct whs_retry_facts *facts)
{
    if (facts->outcome == WHS_OUTCOME_SUCCESS)
        return WHS_VERDICT_DELIVERED;
    if (whs_outcome_is_untried(facts->outcome))
        return WHS_VERDICT_WAIT;
    if (facts->outcome == WHS_OUTCOME_GONE && policy->disable_on_gone)
        return WHS_VERDICT_DISABLE;
    /* A failure of our own says nothing about the endpoint. */
    if (policy->disable_after_ms > 0 && facts->outcome != WHS_OUTCOME_LOCAL_ERROR &&
        facts->failing_for_ms >= policy->disable_after_ms)
        return WHS_VERDICT_DISABLE;
    if (whs_retry_is_last(policy, facts->attempt, facts->max_retries))
        return WHS_VERDICT_DEAD;
#ifdef WHS_SABOTAGE_no_retry
    return WHS_VERDICT_DEAD;
#else
    return WHS_VERDICT_RETRY;
#endif
}

struct whs_decision
whs_retry_decide(const struct whs_retry_policy *policy,
                 const struct whs_retry_facts *facts)
{
    struct whs_decision decision = {.verdict = choose_verdict(policy, facts)};
    if (decision.verdict == WHS_VERDICT_RETRY)
        decision.delay_ms = compute_delay(policy, facts);
    else if (facts->outcome == WHS_OUTCOME_NOT_CONNECTED)
        decision.delay_ms = spread(policy->absent_ms, policy->jitter, facts->random);
    return decision;
}

static struct whs_slice
trim(struct whs_slice text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text.ptr++, text.len--;
    while (text.len > 0 &&
           (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* delta-seconds is digits only; what overflows asks for more than any cap. */
static bool
read_seconds(struct whs_slice text, int64_t max_ms, int64_t *ms)
{
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        if (value <= max_ms / SECOND)
            value = value * 10 + (text.ptr[i] - '0');
    }
    *ms = value > max_ms / SECOND ? max_ms : value * SECOND;
    return text.len > 0;
}

int64_t
whs_retry_after_parse(struct whs_slice value, int64_t now_ms, int64_t max_ms)
{
    int64_t ms, date_ms;
    value = trim(value);
    if (read_seconds(value, max_ms, &ms))
        return ms;
    if (!whs_http_date_parse(value, now_ms, &date_ms))
        return -1;
    if (date_ms <= now_ms)
        return 0;
    return date_ms - now_ms > max_ms ? max_ms : date_ms - now_ms;
}
