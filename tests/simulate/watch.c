/* SPDX-License-Identifier: MIT
 *
 * A transport in front of the fake one: it chooses the answers, and shows each attempt
 * to whoever judges.
 */
#include "sim.h"

#include <stdlib.h>

/* Turns in a row that have nothing to do and do not wait for it. */
#define IDLE_POLLS_MAX 5000

struct watch {
    struct whs_transport base;
    struct sim *sim;
};

static struct sim *
sim_of(struct whs_transport *transport)
{
    return ((struct watch *)(void *)transport)->sim;
}

static const struct fake_answer moods[MOODS][2] = {
    {FAKE_OK, {.takes_ms = 200}},
    {{.takes_ms = 4000}, {.takes_ms = 9000}},
    {FAKE_OK, FAKE_STATUS(500)},
    {FAKE_OUTCOME(CONNECT_ERROR),
     {.outcome = WHS_OUTCOME_CONNECT_TIMEOUT, .takes_ms = 3000}},
    {{.outcome = WHS_OUTCOME_TIMEOUT, .takes_ms = 30000}, {.takes_ms = FAKE_NEVER}},
    {FAKE_OK, FAKE_STATUS(413)},
    {FAKE_OK,
     {.outcome = WHS_OUTCOME_HTTP_ERROR, .http_status = 429, .retry_after_ms = 40000}},
    {{.outcome = WHS_OUTCOME_UNKNOWN, .takes_ms = 700},
     {.outcome = WHS_OUTCOME_CONNECT_ERROR, .takes_ms = 50}},
    {FAKE_OUTCOME(LOCAL_ERROR), {.outcome = WHS_OUTCOME_LOCAL_ERROR, .takes_ms = 900}},
};

static struct fake_answer
choose_answer(struct sim *sim, const struct origin *origin)
{
    struct fake_answer answer = moods[origin->mood][sim_below(sim, 2)];
    if (sim_one_in(sim, 60))
        answer = (struct fake_answer){.outcome = WHS_OUTCOME_GONE, .http_status = 410};
    if (sim_one_in(sim, 40))
        answer = (struct fake_answer){.outcome = WHS_OUTCOME_LOCAL_ERROR};
    if (sim_one_in(sim, 40))
        answer = (struct fake_answer){.outcome = WHS_OUTCOME_SPILLED};
    if (answer.takes_ms != FAKE_NEVER)
        answer.takes_ms += (int64_t)sim_below(sim, 100);
    return answer;
}

static enum whs_status
choose_refusal(struct sim *sim)
{
    switch (sim_below(sim, 100)) {
    case 0:
        return WHS_NO_MEMORY;
    case 1:
        return WHS_SYSTEM;
    default:
        return WHS_OK;
    }
}

static enum whs_status
start(struct whs_transport *transport, struct whs_exchange *exchange,
      struct whs_error *err)
{
    struct sim *sim = sim_of(transport);
    struct whs_attempt *attempt = whs_attempt_of(exchange);
    judge_start(sim, attempt);
    sim->fake->usual =
        choose_answer(sim, &sim->origins[sim_origin(sim, exchange->request.origin)]);
    sim->fake->refuses = sim->closing ? WHS_OK : choose_refusal(sim);
    enum whs_status status =
        sim->fake->base.verbs->start(&sim->fake->base, exchange, err);
    if (status == WHS_NO_MEMORY) {
        sim->figures.undone++;
        for (int i = 0; i < SUBS_MAX; i++)
            books_forget_passing(&sim->subs[i]);
        return status;
    }
    judge_fairness(sim, attempt);
    books_started(sim, attempt, status == WHS_OK);
    if (status != WHS_OK)
        books_ended(sim, attempt, true);
    return status;
}

static struct whs_exchange *
poll(struct whs_transport *transport, int timeout_ms)
{
    struct sim *sim = sim_of(transport);
    struct whs_exchange *done =
        sim->fake->base.verbs->poll(&sim->fake->base, timeout_ms);
    sim->idle_polls = done || timeout_ms > 0 ? 0 : sim->idle_polls + 1;
    if (sim->idle_polls == IDLE_POLLS_MAX)
        sim_fail(sim, "the loop turns and turns, and does not wait");
    for (struct whs_exchange *each = done; each; each = each->next_done)
        books_ended(sim, whs_attempt_of(each), true);
    return done;
}

static void
cancel(struct whs_transport *transport, struct whs_exchange *exchange)
{
    struct sim *sim = sim_of(transport);
    sim->fake->base.verbs->cancel(&sim->fake->base, exchange);
    books_ended(sim, whs_attempt_of(exchange), false);
}

static void
wake(struct whs_transport *transport)
{
    struct sim *sim = sim_of(transport);
    sim->fake->base.verbs->wake(&sim->fake->base);
}

static void
destroy(struct whs_transport *transport)
{
    struct sim *sim = sim_of(transport);
    if (sim->fake->in_flight > 0)
        sim_fail(sim, "%zu attempts are under way at the end", sim->fake->in_flight);
    sim->fake->base.verbs->destroy(&sim->fake->base);
    free(transport);
}

struct whs_transport *
watch_create(struct sim *sim)
{
    static const struct whs_transport_verbs verbs = {start, poll, cancel, wake,
                                                     destroy};
    struct watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        abort();
    watch->base.verbs = &verbs;
    watch->sim = sim;
    sim->fake = fake_transport_create(&sim->clock);
    sim->fake->forgetful = true;
    return &watch->base;
}
