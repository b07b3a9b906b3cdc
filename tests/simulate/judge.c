/* SPDX-License-Identifier: MIT
 *
 * May this attempt start? Every rule that start.c promises, said once more from what
 * the world outside of the engine knows.
 */
#include "sim.h"

static void
judge_caps(struct sim *sim, const struct sub *sub, const struct origin *origin)
{
    const struct whs_engine_limits *limits = &sim->config.limits;
    size_t per_origin = (size_t)limits->in_flight_per_origin;
    size_t reserved = (size_t)limits->in_flight_reserved_per_origin;
    size_t shared = reserved < per_origin ? per_origin - reserved : 0;
    if (sim->in_flight >= (size_t)limits->in_flight_max)
        sim_fail(sim, "cap: %zu attempts in flight already", sim->in_flight);
    if (origin->in_flight >= per_origin)
        sim_fail(sim, "cap: %zu attempts in flight at %s already", origin->in_flight,
                 origin->name);
    if (sub->in_flight >= (size_t)limits->in_flight_per_subscription)
        sim_fail(sim, "cap: %zu attempts in flight of subscription %lld already",
                 sub->in_flight, (long long)sub->value.seq);
    if (sub->in_flight > 0 && origin->in_flight >= shared)
        sim_fail(sim, "cap: subscription %lld takes a place that is kept at %s",
                 (long long)sub->value.seq, origin->name);
    if (sim->in_flight + sim->slots_unsettled >= (size_t)limits->report_slots)
        sim_fail(sim, "no report slot: %zu in flight, %zu unsettled", sim->in_flight,
                 sim->slots_unsettled);
}

static void
judge_times(struct sim *sim, const struct sub *sub)
{
    if (sim->closing)
        sim_fail(sim, "an attempt starts although the engine closes");
    if (sim->clock.mono_ms >= sim->lease_until_ms)
        sim_fail(sim, "an attempt starts %lld ms after the lease",
                 (long long)(sim->clock.mono_ms - sim->lease_until_ms));
    if (!sub->live)
        sim_fail(sim, "an attempt starts for subscription %lld, which is gone",
                 (long long)sub->value.seq);
    if (sub->value.expires_at_ms && sim->clock.wall_ms >= sub->value.expires_at_ms)
        sim_fail(sim, "an attempt starts for subscription %lld, which has expired",
                 (long long)sub->value.seq);
}

static void
judge_breaker(struct sim *sim, const struct origin *origin)
{
    if (sim->clock.mono_ms < origin->blocked_until_ms)
        sim_fail(sim, "an attempt starts at %s while its breaker is open",
                 origin->name);
    if (origin->blocked_until_ms && origin->probing)
        sim_fail(sim, "a second probe starts at %s", origin->name);
}

static void
judge_rate(struct sim *sim, struct sub *sub)
{
    double rate = (double)sub->value.rate_micros / 1e6;
    if (rate == 0)
        return;
    double most = rate > 1 ? rate : 1;
    sub->tokens += rate * (double)(sim->clock.mono_ms - sub->filled_ms) / 1000;
    sub->tokens = sub->tokens < most ? sub->tokens : most;
    sub->filled_ms = sim->clock.mono_ms;
    if (sub->tokens < 1 - 1e-3)
        sim_fail(sim, "subscription %lld starts over its rate",
                 (long long)sub->value.seq);
}

static void
judge_deliveries(struct sim *sim, const struct whs_attempt *attempt)
{
    const struct sub *sub = &sim->subs[attempt->sub->seq - 1];
    const struct whs_batching *batching = &sub->value.batching;
    int retries = sub->value.max_retries - 1;
    size_t most = batching->max_notifications ? batching->max_notifications : 1;
    /* Halves travel as they were parted, also where fewer are allowed by now. */
    if (attempt->count > most && attempt->first->bundle == 0)
        sim_fail(sim, "a batch of %zu, of at most %zu", attempt->count, most);
    bool last = false;
    for (const struct whs_delivery *dlv = attempt->first; dlv; dlv = dlv->next) {
        int64_t event_seq = dlv->fanout->event->seq;
        const struct delivery *mine = sim_delivery(sim, event_seq, attempt->sub->seq);
        if (mine->standing != QUEUED)
            sim_fail(sim, "delivery %lld/%lld starts, and is not queued",
                     (long long)event_seq, (long long)attempt->sub->seq);
        if (mine->attempts != dlv->attempts)
            sim_fail(sim, "delivery %lld/%lld has %d attempts, not %d",
                     (long long)event_seq, (long long)attempt->sub->seq, mine->attempts,
                     dlv->attempts);
        last |= mine->attempts >= retries;
    }
    if (attempt->exchange.request.fresh_connection != last)
        sim_fail(sim, "the last permitted attempt has no connection of its own");
}

/* --- Fair shares. --- */

/* Has something that does not leave, and has not waited for so long that it does. */
static bool
has_work(struct sim *sim, const struct sub *sub)
{
    int64_t kept_ms = sim->config.spill ? sim->config.limits.spill_after_ms : INT64_MAX;
    for (int event = sim->event_count; sub->queued > 0 && event > 0; event--) {
        const struct delivery *mine = sim_delivery(sim, event, sub->value.seq);
        if (mine->standing == QUEUED && !mine->leaves &&
            sim->clock.mono_ms - mine->queued_at_ms < kept_ms)
            return true;
    }
    return false;
}

/* Could start now, as far as it and its origin go. */
static bool
is_ready(struct sim *sim, const struct sub *sub)
{
    const struct world_sub *value = &sub->value;
    if (!sub->live || sub->expired || sub->changed || sub->in_flight > 0 ||
        value->rate_micros || value->batching.max_notifications || !has_work(sim, sub))
        return false;
    const struct origin *origin =
        &sim->origins[sim_origin(sim, whs_slice_of(value->origin))];
    return origin->blocked_until_ms == 0 &&
           origin->in_flight < (size_t)sim->config.limits.in_flight_per_origin;
}

/* Lanes with nothing in flight stand in one line: each other one there starts once
 * before it. Origins stand in one line: each other one starts once for each lane that
 * is before it at its own. */
static void
judge_passing(struct sim *sim, struct sub *passed, int by_sub, int by_origin)
{
    bool here = sim_origin(sim, whs_slice_of(passed->value.origin)) == by_origin;
    int *count =
        here ? &passed->passed_by[by_sub] : &passed->passed_elsewhere[by_origin];
    int most = here ? 1 : SUBS_MAX;
    if (++*count > most)
        sim_fail(sim, "unfair: subscription %lld waits, and %d attempts of %s %d start",
                 (long long)passed->value.seq, *count, here ? "subscription" : "origin",
                 here ? by_sub + 1 : by_origin);
}

void
judge_fairness(struct sim *sim, const struct whs_attempt *attempt)
{
    int by_sub = (int)attempt->sub->seq - 1;
    int by_origin = sim_origin(sim, attempt->exchange.request.origin);
    for (int i = 0; i < SUBS_MAX; i++) {
        struct sub *sub = &sim->subs[i];
        if (i == by_sub || !is_ready(sim, sub))
            books_forget_passing(sub);
        else
            judge_passing(sim, sub, by_sub, by_origin);
    }
}

void
judge_start(struct sim *sim, const struct whs_attempt *attempt)
{
    int sub = (int)attempt->sub->seq - 1;
    int origin = sim_origin(sim, attempt->exchange.request.origin);
    judge_times(sim, &sim->subs[sub]);
    judge_caps(sim, &sim->subs[sub], &sim->origins[origin]);
    judge_breaker(sim, &sim->origins[origin]);
    judge_rate(sim, &sim->subs[sub]);
    judge_deliveries(sim, attempt);
}
