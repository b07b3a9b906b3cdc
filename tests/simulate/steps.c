/* SPDX-License-Identifier: MIT
 *
 * What a service, its subscribers and its store may do to an engine, at random.
 */
#include "sim.h"

#include <string.h>

static const char *const tenants[TENANTS_MAX] = {"t1", "t2", "t3"};
static const char *const origins[ORIGINS_MAX] = {
    "https://a.test:443", "https://b.test:443", "https://c.test:443",
    "https://d.test:443", "https://e.test:443"};

static int64_t
between(struct sim *sim, int64_t least, int64_t most)
{
    return least + (int64_t)sim_below(sim, (uint64_t)(most - least + 1));
}

static void
note_expired(struct sim *sim)
{
    for (int i = 0; i < SUBS_MAX; i++) {
        struct sub *sub = &sim->subs[i];
        int64_t at_ms = sub->value.expires_at_ms;
        sub->expired |= at_ms && sim->clock.wall_ms >= at_ms;
    }
}

static void
turn(struct sim *sim, int timeout_ms)
{
    note_expired(sim);
    sim_note(sim, "turn", timeout_ms, 0, 0);
    whs_engine_turn(sim->engine, timeout_ms);
    books_check(sim);
}

/* --- Subscriptions. --- */

static void
put(struct sim *sim, struct sub *sub)
{
    struct whs_subscriber *made = world_subscriber(&sub->value);
    if (whs_engine_put_subscriber(sim->engine, made, NULL) != WHS_OK)
        sim_fail(sim, "subscription %lld is refused", (long long)sub->value.seq);
    whs_subscriber_unref(made);
    sub->changed = sub->known;
    sub->known = sub->live = true;
    books_forget_passing(sub);
    note_expired(sim);
    sim_note(sim, "put", sub->value.seq, sub->value.expires_at_ms, 0);
}

static void
fill_rate(struct sim *sim, struct sub *sub, uint32_t micros)
{
    sub->value.rate_micros = micros;
    sub->tokens = micros > 1000000 ? micros / 1e6 : 1;
    sub->filled_ms = sim->clock.mono_ms;
}

static void
subscribe(struct sim *sim, struct sub *sub)
{
    *sub = (struct sub){.value = {.seq = sub - sim->subs + 1}};
    sub->value.tenant = tenants[sim_below(sim, TENANTS_MAX)];
    sub->value.origin = origins[sim_below(sim, ORIGINS_MAX)];
    sub->value.max_retries = (int)between(sim, 1, 5);
    sub->value.created_revision = sim_one_in(sim, 10) ? 2000 : 0;
    if (sim_one_in(sim, 4))
        sub->value.batching = (struct whs_batching){(uint32_t)between(sim, 1, 6), 2000,
                                                    (uint32_t)between(sim, 0, 2000)};
    if (sim_one_in(sim, 6))
        fill_rate(sim, sub, (uint32_t)between(sim, 200000, 20000000));
    put(sim, sub);
}

static void
change(struct sim *sim, struct sub *sub)
{
    switch (sim_below(sim, 5)) {
    case 0:
        sub->value.origin = origins[sim_below(sim, ORIGINS_MAX)];
        break;
    case 1:
        sub->value.expires_at_ms = sim->clock.wall_ms + between(sim, -1000, 60000);
        break;
    case 2:
        sub->value.expires_at_ms = 0;
        break;
    case 3:
        sub->value.batching.max_notifications = (uint32_t)between(sim, 0, 6);
        sub->value.batching.max_bytes = 2000;
        break;
    default:
        fill_rate(sim, sub,
                  sim_one_in(sim, 2) ? 0 : (uint32_t)between(sim, 200000, 20000000));
    }
    put(sim, sub);
}

static void
end(struct sim *sim, struct sub *sub, enum whs_removal removal)
{
    if (whs_engine_remove_subscriber(sim->engine, sub->value.seq, removal) != WHS_OK)
        sim_fail(sim, "subscription %lld is not there", (long long)sub->value.seq);
    books_end_life(sim, sub);
    sub->cancelled = removal == WHS_REMOVAL_CANCEL;
    sim_note(sim, "remove", sub->value.seq, removal, 0);
}

static void
touch_subscription(struct sim *sim)
{
    struct sub *sub = &sim->subs[sim_below(sim, SUBS_MAX)];
    if (!sub->known)
        subscribe(sim, sub);
    else if (sub->live && sim_one_in(sim, 2))
        change(sim, sub);
    else if (sub->live)
        end(sim, sub, sim_one_in(sim, 4) ? WHS_REMOVAL_CANCEL : WHS_REMOVAL_SPILL);
    else if (!sub->cancelled)
        put(sim, sub);
}

/* --- Work. --- */

static bool
is_full(const struct sim *sim)
{
    return sim->queued >= (size_t)sim->config.limits.queue_deliveries_max;
}

/* Books what the event must match, but for `settled`; returns how many. */
static size_t
book_matches(struct sim *sim, int64_t seq, const int64_t *settled, size_t count)
{
    struct event *event = &sim->events[seq];
    for (int64_t i = 1; i <= SUBS_MAX; i++) {
        const struct sub *sub = &sim->subs[i - 1];
        bool hears = sub->live && strcmp(sub->value.tenant, event->tenant) == 0 &&
                     sub->value.created_revision <= 1000;
        for (size_t j = 0; j < count; j++)
            hears &= settled[j] != i;
        if (!hears)
            continue;
        books_queued(sim, seq, i, 0, false);
        event->left++;
    }
    return event->left;
}

static void
publish(struct sim *sim)
{
    if (sim->event_count == EVENTS_MAX)
        return;
    int64_t seq = sim->event_count + 1, settled[2] = {2, 5};
    const char *tenant = tenants[sim_below(sim, TENANTS_MAX)];
    size_t count = sim_one_in(sim, 10) ? 2 : 0, matches = 0;
    bool full = is_full(sim);
    struct whs_event *event = world_event(seq, tenant, "{\"n\":1}");
    enum whs_status status =
        whs_engine_push(sim->engine, event, settled, count, &matches, NULL);
    whs_event_unref(event);
    if ((status == WHS_FULL) != full || (status != WHS_OK && status != WHS_FULL))
        sim_fail(sim, "an event is answered with %d, with %zu queued", (int)status,
                 sim->queued);
    sim->figures.full += full;
    if (full)
        return;
    sim->event_count++;
    sim->events[seq] = (struct event){.tenant = tenant};
    size_t wanted = book_matches(sim, seq, settled, count);
    if (matches != wanted)
        sim_fail(sim, "event %lld matches %zu subscriptions, not %zu", (long long)seq,
                 matches, wanted);
    sim_note(sim, "publish", seq, (int64_t)matches, 0);
}

static void
push_due(struct sim *sim, int64_t event_seq, int64_t sub_seq)
{
    struct delivery *mine = sim_delivery(sim, event_seq, sub_seq);
    const struct sub *sub = &sim->subs[sub_seq - 1];
    bool full = is_full(sim);
    enum whs_status wanted = !sub->live ? WHS_NOT_FOUND : full ? WHS_FULL : WHS_OK;
    struct whs_event *event =
        world_event(event_seq, sim->events[event_seq].tenant, "{\"n\":1}");
    enum whs_status status =
        whs_engine_push_due(sim->engine, event, sub_seq, mine->attempts, NULL);
    whs_event_unref(event);
    if (status != wanted)
        sim_fail(sim, "delivery %lld/%lld is answered with %d, not %d",
                 (long long)event_seq, (long long)sub_seq, (int)status, (int)wanted);
    if (status == WHS_OK)
        books_queued(sim, event_seq, sub_seq, mine->attempts, true);
    else if (sub->cancelled)
        mine->standing = OVER;
    sim_note(sim, "due", event_seq, sub_seq, status);
}

/* Returns when the next one is due that may be delivered; INT64_MAX: none. */
static int64_t
push_all_due(struct sim *sim)
{
    int64_t next_ms = INT64_MAX;
    for (int64_t event = 1; event <= sim->event_count; event++)
        for (int64_t sub = 1; sub <= SUBS_MAX; sub++) {
            const struct delivery *mine = sim_delivery(sim, event, sub);
            if (mine->standing == WAITING && mine->due_ms <= sim->clock.mono_ms &&
                (sim->subs[sub - 1].live || sim_one_in(sim, 10)))
                push_due(sim, event, sub);
            if (mine->standing == WAITING && sim->subs[sub - 1].live)
                next_ms = mine->due_ms < next_ms ? mine->due_ms : next_ms;
        }
    return next_ms;
}

/* --- Time, the endpoints, the store. --- */

static void
pass_time(struct sim *sim)
{
    static const int64_t most_ms[] = {20, 300, 5000, 60000};
    int64_t ms = between(sim, 0, most_ms[sim_below(sim, 4)]);
    fake_clock_advance(&sim->clock, ms);
    if (sim_one_in(sim, 20))
        sim->clock.wall_ms += between(sim, -3600000, 3600000);
    sim_note(sim, "time", sim->clock.mono_ms, sim->clock.wall_ms, 0);
}

static void
extend_lease(struct sim *sim)
{
    int64_t for_ms = between(sim, 0, 40000);
    whs_engine_extend_lease(sim->engine, for_ms);
    sim->lease_until_ms = sim->clock.mono_ms + for_ms;
    sim_note(sim, "lease", for_ms, 0, 0);
}

static void
change_mood(struct sim *sim)
{
    struct origin *origin = &sim->origins[sim_below(sim, ORIGINS_MAX)];
    origin->mood = sim_one_in(sim, 2) ? 0 : (int)sim_below(sim, MOODS);
    if (sim_one_in(sim, 4))
        fake_transport_release(sim->fake, (struct fake_answer)FAKE_OUTCOME(TIMEOUT));
}

static void
settle(struct sim *sim)
{
    if (sim_one_in(sim, 15))
        sim->outage = !sim->outage;
    if (!sim->outage)
        books_settle(sim, sim_one_in(sim, 3) ? sim_below(sim, 20) : SIZE_MAX);
}

/* --- A life. --- */

static void
choose_limits(struct sim *sim)
{
    struct whs_engine_limits *limits = &sim->config.limits;
    limits->queue_deliveries_max = between(sim, 1, 80);
    limits->in_flight_max = between(sim, 1, 24);
    limits->in_flight_per_origin = between(sim, 1, 8);
    limits->in_flight_reserved_per_origin = between(sim, 0, 2);
    limits->in_flight_per_subscription = between(sim, 1, 8);
    limits->report_slots = between(sim, 1, 48);
    limits->spill_after_ms = between(sim, 1, 4000);
    limits->breaker_failures = between(sim, 1, 4);
    limits->breaker_open_ms = between(sim, 100, 20000);
    sim->config.spill = !sim_one_in(sim, 4);
    if (sim_one_in(sim, 2))
        sim->config.retry.disable_after_ms = 0;
}

void
steps_begin(struct sim *sim)
{
    fake_clock_init(&sim->clock);
    sim->chance.state = sim->seed * 2;
    sim->random.state = sim->seed * 2 + 1;
    sim->unsettled_last = &sim->unsettled;
    sim->lease_until_ms = INT64_MAX;
    for (int i = 0; i < ORIGINS_MAX; i++)
        sim->origins[i] =
            (struct origin){.name = origins[i], .mood = (int)sim_below(sim, MOODS)};
    whs_engine_config_default(&sim->config);
    choose_limits(sim);
    sim->config.clock = fake_clock_clock(&sim->clock);
    sim->config.random = fake_random_random(&sim->random);
    sim->catalog = sidedrawer_catalog();
    if (whs_engine_create(&sim->config, sim->catalog, watch_create(sim), &sim->engine,
                          NULL) != WHS_OK)
        sim_fail(sim, "no engine");
    for (size_t i = 0; i < SUBS_MAX / 2; i++)
        subscribe(sim, &sim->subs[i]);
}

void
steps_do_one(struct sim *sim)
{
    switch (sim_below(sim, 20)) {
    case 0:
        touch_subscription(sim);
        break;
    case 1:
        change_mood(sim);
        break;
    case 2:
        extend_lease(sim);
        break;
    case 3:
    case 4:
        settle(sim);
        break;
    case 5:
        push_all_due(sim);
        break;
    case 6:
    case 7:
        pass_time(sim);
        break;
    case 8:
        turn(sim, (int)between(sim, 0, 3000));
        break;
    case 9:
    case 10:
    case 11:
    case 12:
        turn(sim, 0);
        break;
    default:
        publish(sim);
    }
}

void
steps_drain(struct sim *sim)
{
    int64_t next_ms = 0;
    sim->outage = false;
    whs_engine_extend_lease(sim->engine, INT64_C(1) << 50);
    sim->lease_until_ms = INT64_MAX;
    for (int i = 0; i < ORIGINS_MAX; i++)
        sim->origins[i].mood = 0;
    for (int rounds = 0; sim->queued || sim->in_flight || next_ms != INT64_MAX;
         rounds++) {
        if (rounds == 20000)
            sim_fail(sim, "%zu are queued and %zu in flight, and nothing moves",
                     sim->queued, sim->in_flight);
        fake_transport_release(sim->fake, (struct fake_answer)FAKE_OUTCOME(TIMEOUT));
        turn(sim, 60000);
        books_settle(sim, SIZE_MAX);
        next_ms = push_all_due(sim);
        if (!sim->queued && !sim->in_flight && next_ms != INT64_MAX &&
            next_ms > sim->clock.mono_ms)
            fake_clock_advance(&sim->clock, next_ms - sim->clock.mono_ms);
    }
}

void
steps_close(struct sim *sim)
{
    sim->closing = true;
    note_expired(sim);
    whs_engine_close(sim->engine, (int)between(sim, 0, 12000));
    books_check(sim);
    if (sim->queued || sim->in_flight)
        sim_fail(sim, "closed with %zu queued and %zu in flight", sim->queued,
                 sim->in_flight);
    books_settle(sim, SIZE_MAX);
    sim->figures.closes++;
    whs_engine_destroy(sim->engine);
    whs_catalog_unref(sim->catalog);
}
