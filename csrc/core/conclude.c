/* SPDX-License-Identifier: MIT */
#include "conclude.h"

#include <string.h>

#include "alloc.h"
#include "failpoint.h"
#include "retry.h"
#include "spill.h"

/* --- What the attempt says about origin and subscription. --- */

/* A failure of our own says nothing about the host, nor does what was not sent. A host
 * that is not there is left alone at once: it says itself when it comes. */
static void
tell_breaker(struct whs_work *work, struct whs_attempt *attempt)
{
    const struct whs_engine_limits *limits = &work->config->limits;
    enum whs_outcome outcome = attempt->exchange.answer.outcome;
    bool absent = outcome == WHS_OUTCOME_NOT_CONNECTED;
    int64_t open_ms = absent ? work->config->retry.absent_ms : limits->breaker_open_ms;
    if (outcome == WHS_OUTCOME_LOCAL_ERROR || outcome == WHS_OUTCOME_SPILLED) {
        if (attempt->probe)
            whs_origin_forgo(&work->lanes.origins, attempt->origin);
        return;
    }
    attempt->report->origin_news =
        whs_origin_record(&work->lanes.origins, attempt->origin,
                          whs_outcome_is_connection_failure(outcome),
                          absent ? 1 : (int)limits->breaker_failures, open_ms);
    if (attempt->report->origin_news == WHS_BREAKER_OPENED) {
        attempt->report->origin_blocked_ms = open_ms;
        work->next_sweep_ms = work->mono_ms;
    }
}

static int64_t
measure_failing(const struct whs_work *work, const struct whs_lane *lane)
{
    if (lane->failing_since_ms == 0 || lane->failing_since_ms > work->wall_ms)
        return 0;
    return work->wall_ms - lane->failing_since_ms;
}

/* The end says something about the subscription. */
static bool
was_tried(enum whs_outcome outcome)
{
    return outcome != WHS_OUTCOME_LOCAL_ERROR && !whs_outcome_is_untried(outcome);
}

static void
note_failing(struct whs_work *work, struct whs_attempt *attempt)
{
    struct whs_lane *lane = attempt->lane;
    enum whs_outcome outcome = attempt->exchange.answer.outcome;
    if (outcome == WHS_OUTCOME_SUCCESS) {
        attempt->report->subscription_recovered = lane->failing_since_ms != 0;
        lane->failing_since_ms = 0;
    } else if (was_tried(outcome) && lane->failing_since_ms == 0) {
        attempt->report->subscription_failing = true;
        lane->failing_since_ms = work->wall_ms;
    }
}

/* --- Decisions. --- */

struct verdicts {
    struct whs_retry_facts facts;
    struct whs_decision decision; /* for facts.attempt */
};

/* Members of one batch that have as many attempts behind them get the same decision, so
 * that they come due together. */
static struct whs_decision
decide(struct whs_work *work, struct verdicts *verdicts, int attempts)
{
    if (verdicts->facts.attempt != attempts) {
        verdicts->facts.attempt = attempts;
        verdicts->decision = whs_retry_decide(&work->config->retry, &verdicts->facts);
    }
    return verdicts->decision;
}

static struct verdicts
collect_facts(struct whs_work *work, const struct whs_attempt *attempt)
{
    const struct whs_answer *answer = &attempt->exchange.answer;
    const struct whs_random *random = &work->config->random;
    struct verdicts verdicts = {
        .facts = {
            .outcome = answer->outcome,
            .http_status = answer->http_status,
            .max_retries = attempt->sub->subscription->max_retries,
            .retry_after_ms = answer->retry_after_ms,
            .failing_for_ms = measure_failing(work, attempt->lane),
        }};
    if (answer->outcome != WHS_OUTCOME_SUCCESS)
        verdicts.facts.random = random->next(random->ctx);
    return verdicts;
}

static bool
is_refused_for_content(const struct whs_answer *answer)
{
    return answer->outcome == WHS_OUTCOME_HTTP_ERROR &&
           (answer->http_status == 400 || answer->http_status == 413 ||
            answer->http_status == 422);
}

static bool
may_halve(struct whs_work *work, const struct whs_attempt *attempt,
          struct verdicts *verdicts)
{
    if (attempt->count < 2 || attempt->lane->removed || work->closing ||
        !is_refused_for_content(&attempt->exchange.answer))
        return false;
    for (const struct whs_delivery *dlv = attempt->first; dlv; dlv = dlv->next)
        if (decide(work, verdicts, dlv->attempts + 1).verdict != WHS_VERDICT_RETRY)
            return false;
    return true;
}

static void
halve(struct whs_work *work, struct whs_attempt *attempt)
{
    size_t half = (attempt->count + 1) / 2, at = 0;
    for (struct whs_delivery *dlv = attempt->first; dlv; dlv = dlv->next, at++) {
        dlv->attempts++;
        dlv->time_ms = work->mono_ms;
        dlv->bundle = 0;
        if (at == half)
            dlv->bundle = (uint16_t)(attempt->count - half);
    }
    attempt->first->bundle = (uint16_t)half;
    whs_counter_add(&work->counters.retried, attempt->count);
    whs_attempt_undo(work, attempt);
    whs_report_queue_unreserve(work->reports);
}

/* --- The report. --- */

static void
settle_row(struct whs_work *work, struct whs_attempt *attempt, struct whs_delivery *dlv,
           struct whs_decision decision, struct whs_reported *row)
{
    struct whs_counters *counters = &work->counters;
    bool tried = decision.verdict != WHS_VERDICT_WAIT;
    dlv->attempts += tried;
    switch (decision.verdict) {
    case WHS_VERDICT_DELIVERED:
        row->state = WHS_DELIVERY_DELIVERED;
        whs_counter_add(&counters->delivered, 1);
        break;
    case WHS_VERDICT_RETRY:
    case WHS_VERDICT_WAIT:
        row->delay_ms = decision.delay_ms;
        row->state = WHS_DELIVERY_WAITING;
        if (attempt->lane->cancelled)
            row->state = WHS_DELIVERY_CANCELLED;
        whs_counter_add(attempt->lane->cancelled ? &counters->cancelled
                        : tried                  ? &counters->retried
                                                 : &counters->spilled,
                        1);
        break;
    case WHS_VERDICT_DEAD:
    case WHS_VERDICT_DISABLE:
        row->state = WHS_DELIVERY_DEAD;
        whs_counter_add(&counters->dead, 1);
        break;
    }
    whs_work_settle(work, dlv, row);
}

/* The answer's first bytes; without memory they are missed by nobody but the reader. */
static void
copy_snippet(struct whs_report *report, const struct whs_buf *body)
{
    if (body->len == 0 || !(report->snippet = whs_alloc(body->len)))
        return;
    memcpy(report->snippet, body->ptr, body->len);
    report->snippet_len = body->len;
}

static void
tell(struct whs_work *work, struct whs_attempt *attempt)
{
    struct whs_report *report = attempt->report;
    const struct whs_answer *answer = &attempt->exchange.answer;
    report->outcome = answer->outcome;
    report->http_status = answer->http_status;
    if (!whs_outcome_is_untried(answer->outcome)) {
        report->started_at_ms = attempt->started_at_ms;
        report->duration_ms = answer->duration_ms;
        whs_counter_add(&work->counters.attempts, 1);
    }
    if (attempt->batch)
        memcpy(report->batch, attempt->id, sizeof(report->batch));
    memcpy(report->address, answer->address, sizeof(report->address));
    report->origin_seq = attempt->sub->origin_seq;
    if (answer->outcome != WHS_OUTCOME_SUCCESS)
        copy_snippet(report, &answer->body);
    report->holds_slot = true;
    whs_work_tell(work, report);
}

/* The engine stops matching it at once; the store makes it true for everybody. */
static void
disable(struct whs_work *work, struct whs_attempt *attempt)
{
    struct whs_lane *lane = attempt->lane;
    if (lane->removed)
        return;
    attempt->report->subscription_disabled = true;
    whs_matcher_remove(work->matcher, lane->sub->seq);
    atomic_fetch_add(&work->generation, 1);
    whs_leave_lane(work, lane, WHS_OUTCOME_DISABLED, 0);
    whs_lane_remove(&work->lanes, lane, false);
}

void
whs_conclude(struct whs_work *work, struct whs_attempt *attempt)
{
    WHS_FAILPOINT("after-answer");
    struct verdicts verdicts = collect_facts(work, attempt);
    tell_breaker(work, attempt);
    if (may_halve(work, attempt, &verdicts)) {
        whs_counter_add(&work->counters.attempts, 1);
        halve(work, attempt);
        return;
    }
    note_failing(work, attempt);
    bool disabled = false;
    struct whs_reported *row = attempt->report->deliveries;
    for (struct whs_delivery *dlv = attempt->first, *next; dlv; dlv = next) {
        next = dlv->next;
        struct whs_decision decision = decide(work, &verdicts, dlv->attempts + 1);
        disabled |= decision.verdict == WHS_VERDICT_DISABLE;
        settle_row(work, attempt, dlv, decision, row++);
    }
    if (disabled)
        disable(work, attempt);
    tell(work, attempt);
    whs_attempt_free(work, attempt);
}

void
whs_conclude_without_answer(struct whs_work *work, struct whs_attempt *attempt)
{
    work->transport->verbs->cancel(work->transport, &attempt->exchange);
    attempt->exchange.answer.outcome = WHS_OUTCOME_UNKNOWN;
    whs_origin_forgo(&work->lanes.origins, attempt->origin);
    struct whs_decision again = {.verdict = WHS_VERDICT_RETRY};
    struct whs_reported *row = attempt->report->deliveries;
    for (struct whs_delivery *dlv = attempt->first, *next; dlv; dlv = next) {
        next = dlv->next;
        settle_row(work, attempt, dlv, again, row++);
    }
    tell(work, attempt);
    whs_attempt_free(work, attempt);
}
