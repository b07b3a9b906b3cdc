/* SPDX-License-Identifier: MIT
 *
 * Does every report add up? Each delivery that the engine got is queued, in flight, or
 * told of in exactly one report, and the engine's own counts say the same.
 */
#include "sim.h"

#include <string.h>

/* --- What goes in, starts and ends. --- */

void
books_forget_passing(struct sub *sub)
{
    memset(sub->passed_by, 0, sizeof(sub->passed_by));
    memset(sub->passed_elsewhere, 0, sizeof(sub->passed_elsewhere));
}

void
books_leave(struct sim *sim, struct sub *sub)
{
    sub->changed = true;
    for (int event = 1; event <= sim->event_count; event++)
        sim_delivery(sim, event, sub->value.seq)->leaves = true;
}

void
books_end_life(struct sim *sim, struct sub *sub)
{
    sub->live = false;
    sub->life++;
    sub->in_flight = 0;
    sub->tokens = 1e9; /* its rate is forgotten with it; the judge knows the most */
    books_leave(sim, sub);
}

static void
count_queued(struct sim *sim, int64_t sub_seq, int change)
{
    struct sub *sub = &sim->subs[sub_seq - 1];
    sub->queued += (size_t)change;
    if (sub->queued == 0)
        books_forget_passing(sub);
    sim->queued += (size_t)change;
}

void
books_queued(struct sim *sim, int64_t event_seq, int64_t sub_seq, int attempts,
             bool claimed_row)
{
    struct delivery *mine = sim_delivery(sim, event_seq, sub_seq);
    mine->standing = QUEUED;
    mine->attempts = attempts;
    mine->claimed_row = claimed_row;
    mine->queued_at_ms = sim->clock.mono_ms;
    mine->leaves = false;
    count_queued(sim, sub_seq, 1);
}

static struct flight *
find_flight(struct sim *sim, const struct whs_exchange *exchange)
{
    for (size_t i = 0; i < FLIGHTS_MAX; i++)
        if (sim->flights[i].exchange == exchange)
            return &sim->flights[i];
    sim_fail(sim, "more attempts in flight than there may be");
}

static void
change_standing(struct sim *sim, struct whs_attempt *attempt, enum standing standing,
                bool halves)
{
    for (struct whs_delivery *dlv = attempt->first; dlv; dlv = dlv->next) {
        struct delivery *mine =
            sim_delivery(sim, dlv->fanout->event->seq, attempt->sub->seq);
        mine->standing = standing;
        mine->halves = halves;
    }
}

void
books_started(struct sim *sim, struct whs_attempt *attempt, bool sent)
{
    struct flight *flight = find_flight(sim, NULL);
    struct sub *sub = &sim->subs[attempt->sub->seq - 1];
    int number = sim_origin(sim, attempt->exchange.request.origin);
    struct origin *origin = &sim->origins[number];
    bool probe = origin->blocked_until_ms != 0;
    *flight = (struct flight){&attempt->exchange, (int)attempt->sub->seq - 1, sub->life,
                              number, probe};
    origin->probing |= probe;
    origin->in_flight++;
    sub->in_flight++;
    sub->changed = false;
    sub->tokens -= sent && sub->value.rate_micros ? (double)attempt->count : 0;
    sim->in_flight++;
    sim->figures.attempts++;
    sim->figures.probes += probe;
    change_standing(sim, attempt, STARTED, false);
    count_queued(sim, attempt->sub->seq, -(int)attempt->count);
    sim_note(sim, "start", attempt->sub->seq, attempt->first->fanout->event->seq,
             attempt->first->attempts);
}

/* A failure of our own says nothing of the host, nor does what was not sent; the probe
 * that met it is forgone. */
static void
note_answer(struct sim *sim, struct origin *origin, const struct flight *flight,
            enum whs_outcome outcome)
{
    const struct whs_engine_limits *limits = &sim->config.limits;
    if (outcome == WHS_OUTCOME_LOCAL_ERROR || outcome == WHS_OUTCOME_SPILLED) {
        origin->probing &= !flight->probe;
        return;
    }
    if (!whs_outcome_is_connection_failure(outcome)) {
        origin->failures = 0;
        origin->blocked_until_ms = 0;
        origin->probing = false;
        return;
    }
    bool probed = origin->probing;
    origin->probing = false;
    if (++origin->failures < limits->breaker_failures && !probed)
        return;
    origin->blocked_until_ms = sim->clock.mono_ms + limits->breaker_open_ms;
    for (int i = 0; i < SUBS_MAX; i++)
        if (sim->subs[i].known)
            books_leave(sim, &sim->subs[i]);
}

void
books_ended(struct sim *sim, struct whs_attempt *attempt, bool answered)
{
    struct flight *flight = find_flight(sim, &attempt->exchange);
    struct origin *origin = &sim->origins[flight->origin];
    const struct whs_answer *answer = &attempt->exchange.answer;
    int status = answer->http_status;
    bool content = status == 400 || status == 413 || status == 422;
    enum whs_outcome outcome = answered ? answer->outcome : WHS_OUTCOME_LOCAL_ERROR;
    origin->in_flight--;
    if (sim->subs[flight->sub].life == flight->life)
        sim->subs[flight->sub].in_flight--;
    sim->in_flight--;
    note_answer(sim, origin, flight, outcome);
    flight->exchange = NULL;
    change_standing(sim, attempt, ENDED, attempt->count > 1 && content);
    sim_note(sim, "end", attempt->sub->seq, (int64_t)outcome, status);
}

/* --- Reports. --- */

static bool
was_tried(const struct whs_report *report)
{
    return report->holds_slot && report->outcome != WHS_OUTCOME_SPILLED;
}

static void
judge_state(struct sim *sim, const struct whs_report *report,
            const struct whs_reported *row)
{
    const struct sub *sub = &sim->subs[row->subscription_seq - 1];
    bool last = row->attempts > sub->value.max_retries - 1;
    bool disables = sim->config.retry.disable_after_ms > 0;
    bool well = true;
    switch (row->state) {
    case WHS_DELIVERY_DELIVERED:
        well = report->outcome == WHS_OUTCOME_SUCCESS && report->holds_slot;
        break;
    case WHS_DELIVERY_DEAD:
        well = report->holds_slot &&
               (last || report->subscription_disabled ||
                report->outcome == WHS_OUTCOME_GONE || (disables && !sub->live));
        break;
    case WHS_DELIVERY_EXPIRED:
        well = sub->expired && !report->holds_slot;
        break;
    case WHS_DELIVERY_CANCELLED:
        well = sub->cancelled;
        break;
    case WHS_DELIVERY_WAITING:
        well = row->delay_ms >= 0 && (!was_tried(report) || sim->closing || !last);
        break;
    default:
        well = false;
    }
    if (!well)
        sim_fail(sim, "delivery %lld/%lld is reported %s with %s after %d attempts",
                 (long long)row->event_seq, (long long)row->subscription_seq,
                 whs_delivery_state_name(row->state), whs_outcome_name(report->outcome),
                 row->attempts);
}

/* The last of a fan-out, and no other, says that its event is done. */
static void
judge_done(struct sim *sim, const struct whs_reported *row)
{
    struct event *event = &sim->events[row->event_seq];
    bool done = false;
    if (!row->claimed_row)
        done = --event->left == 0;
    if (row->event_done != done)
        sim_fail(sim, "event %lld is %sreported done, with %zu deliveries left",
                 (long long)row->event_seq, row->event_done ? "" : "not ", event->left);
}

static void
count_row(struct figures *figures, const struct whs_report *report,
          const struct whs_reported *row)
{
    figures->delivered += row->state == WHS_DELIVERY_DELIVERED;
    figures->dead += row->state == WHS_DELIVERY_DEAD;
    figures->expired += row->state == WHS_DELIVERY_EXPIRED;
    figures->cancelled += row->state == WHS_DELIVERY_CANCELLED;
    figures->retried += row->state == WHS_DELIVERY_WAITING && was_tried(report);
    figures->spilled += row->state == WHS_DELIVERY_WAITING && !was_tried(report);
}

static void
hear_row(struct sim *sim, const struct whs_report *report,
         const struct whs_reported *row)
{
    struct delivery *mine = sim_delivery(sim, row->event_seq, row->subscription_seq);
    enum standing was = report->holds_slot ? ENDED : QUEUED;
    if (mine->standing != was)
        sim_fail(sim, "delivery %lld/%lld is reported, and stands at %d",
                 (long long)row->event_seq, (long long)row->subscription_seq,
                 (int)mine->standing);
    if (row->attempts != mine->attempts + was_tried(report) ||
        row->claimed_row != mine->claimed_row)
        sim_fail(sim, "delivery %lld/%lld is reported with %d attempts, after %d",
                 (long long)row->event_seq, (long long)row->subscription_seq,
                 row->attempts, mine->attempts);
    judge_state(sim, report, row);
    judge_done(sim, row);
    if (!report->holds_slot)
        count_queued(sim, row->subscription_seq, -1);
    mine->attempts = row->attempts;
    mine->standing = row->state == WHS_DELIVERY_WAITING ? TOLD : OVER;
    count_row(&sim->figures, report, row);
    sim_note(sim, "report", row->event_seq, row->subscription_seq, row->state);
}

static void
hear_report(struct sim *sim, const struct whs_report *report)
{
    if (report->holds_slot)
        sim->slots_unsettled++;
    else
        sim->loose_unsettled += report->count;
    for (size_t i = 0; i < report->count; i++)
        hear_row(sim, report, &report->deliveries[i]);
    if (report->subscription_disabled)
        books_end_life(sim, &sim->subs[report->deliveries[0].subscription_seq - 1]);
}

/* Sometimes the store fails, and takes them once more. */
static void
take_reports(struct sim *sim)
{
    struct whs_report_queue *reports = whs_engine_reports(sim->engine);
    size_t most = sim_one_in(sim, 4) ? 1 + sim_below(sim, 5) : SIZE_MAX;
    struct whs_report *taken;
    if (sim_one_in(sim, 8))
        whs_report_queue_return(reports, whs_report_queue_take(reports, most, 0));
    while ((taken = whs_report_queue_take(reports, most, 0))) {
        *sim->unsettled_last = taken;
        for (struct whs_report *each = taken; each; each = each->next) {
            hear_report(sim, each);
            sim->unsettled_last = &each->next;
        }
    }
}

void
books_settle(struct sim *sim, size_t count)
{
    struct whs_report *first = sim->unsettled, **end = &sim->unsettled;
    for (; *end && count > 0; count--, end = &(*end)->next) {
        const struct whs_report *report = *end;
        sim->slots_unsettled -= report->holds_slot;
        sim->loose_unsettled -= report->holds_slot ? 0 : report->count;
        for (size_t i = 0; i < report->count; i++) {
            const struct whs_reported *row = &report->deliveries[i];
            struct delivery *mine =
                sim_delivery(sim, row->event_seq, row->subscription_seq);
            if (row->state != WHS_DELIVERY_WAITING)
                continue;
            mine->standing = WAITING;
            mine->due_ms = sim->clock.mono_ms + row->delay_ms;
        }
    }
    if (end == &sim->unsettled)
        return;
    if (end == sim->unsettled_last)
        sim->unsettled_last = &sim->unsettled;
    sim->unsettled = *end;
    *end = NULL;
    whs_report_queue_settled(whs_engine_reports(sim->engine), first);
}

/* --- After a turn. --- */

/* What was answered and is in no report was a batch, and waits as two halves. */
static void
find_halved(struct sim *sim)
{
    for (int event = 1; event <= sim->event_count; event++)
        for (int sub = 1; sub <= SUBS_MAX; sub++) {
            struct delivery *mine = sim_delivery(sim, event, sub);
            if (mine->standing != ENDED)
                continue;
            if (!mine->halves)
                sim_fail(sim, "delivery %d/%d was answered, and is in no report", event,
                         sub);
            books_queued(sim, event, sub, mine->attempts + 1, mine->claimed_row);
            sim->figures.halved++;
        }
}

static void
compare(struct sim *sim, const char *what, int64_t theirs, size_t ours)
{
    if (theirs != (int64_t)ours)
        sim_fail(sim, "the engine says that %lld are %s, and %zu are",
                 (long long)theirs, what, ours);
}

void
books_check(struct sim *sim)
{
    size_t slots = (size_t)sim->config.limits.report_slots;
    struct whs_engine_stats stats;
    take_reports(sim);
    find_halved(sim);
    whs_engine_stats(sim->engine, &stats);
    compare(sim, "queued", stats.queued, sim->queued);
    compare(sim, "in flight", stats.in_flight, sim->in_flight);
    compare(sim, "unsettled", stats.unsettled, sim->in_flight + sim->slots_unsettled);
    if (sim->in_flight + sim->slots_unsettled > slots)
        sim_fail(sim, "%zu report slots are used, of %zu",
                 sim->in_flight + sim->slots_unsettled, slots);
    if (!sim->closing && sim->loose_unsettled > slots)
        sim_fail(sim, "%zu deliveries are reported without a slot, of %zu",
                 sim->loose_unsettled, slots);
}
