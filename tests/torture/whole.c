/* SPDX-License-Identifier: MIT */
#include "whole.h"

#include <stdio.h>
#include <string.h>

#include "sidedrawer.h"
#include "url.h"
#include "world.h"

#define SUBSCRIPTIONS 3
#define EVENTS 4
#define ROUND 2
/* A lost report is waited for so long. */
#define TURNS_MAX 400
#define TURN_MS 100

static struct whs_catalog *catalog;
static struct whs_subscription *subscriptions[SUBSCRIPTIONS];
static struct whs_event *events[EVENTS];

/* --- What is there before. --- */

void
whole_init(struct whole *whole)
{
    catalog = sidedrawer_catalog();
    for (int64_t seq = 0; seq < SUBSCRIPTIONS; seq++) {
        struct world_sub wanted = {.seq = seq, .origin = whole->origin};
        if (seq == SUBSCRIPTIONS - 1)
            wanted.batching = (struct whs_batching){2, 100000, 1};
        struct whs_subscriber *sub = world_subscriber(&wanted);
        subscriptions[seq] = whs_subscription_ref(sub->subscription);
        whs_subscriber_unref(sub);
    }
    for (int64_t seq = 0; seq < EVENTS; seq++)
        events[seq] = world_event(seq, "t1", "{\"n\":1}");
}

void
whole_fini(void)
{
    for (int i = 0; i < EVENTS; i++)
        whs_event_unref(events[i]);
    for (int i = 0; i < SUBSCRIPTIONS; i++)
        whs_subscription_unref(subscriptions[i]);
    whs_catalog_unref(catalog);
}

void
whole_expect(struct whole *whole, unsigned n, bool good, const char *what)
{
    if (good)
        return;
    whole->wrong++;
    printf("wrong %s: call %u: %s\n", whole->name, n, what);
}

static bool
says_why(enum whs_status status)
{
    return status == WHS_NO_MEMORY || status == WHS_SYSTEM ||
           status == WHS_CONFIGURATION;
}

/* --- Steps, each tried once more. --- */

static struct whs_engine *
try_engine(struct whole *whole, enum whs_status *status)
{
    struct whs_engine *engine = NULL;
    struct whs_transport *transport = whole->make_transport(whole->ctx, status);
    if (transport)
        *status = whs_engine_create(&whole->config, catalog, transport, &engine, NULL);
    return engine;
}

static struct whs_engine *
make_engine(struct whole *whole, unsigned n)
{
    enum whs_status status = WHS_OK;
    struct whs_engine *engine = try_engine(whole, &status);
    if (engine)
        return engine;
    whole_expect(whole, n, says_why(status),
                 "no engine, and a status that says not why");
    engine = try_engine(whole, &status);
    whole_expect(whole, n, engine != NULL, "no engine at the second try");
    return engine;
}

static enum whs_status
try_put(struct whs_engine *engine, int64_t seq)
{
    uint8_t id[WHS_UUID_BYTES] = {(uint8_t)(seq + 1)};
    struct whs_keys keys = {.items = {WHS_SLICE("secret")}, .len = 1};
    struct whs_subscriber *sub = whs_subscriber_create(
        seq, id, (struct whs_slice){0}, 1000 + seq, 0, 0, subscriptions[seq], &keys);
    if (!sub)
        return WHS_NO_MEMORY;
    enum whs_status status = whs_engine_put_subscriber(engine, sub, NULL);
    whs_subscriber_unref(sub);
    return status;
}

static void
put_all(struct whole *whole, struct whs_engine *engine, unsigned n)
{
    for (int64_t seq = 0; seq < SUBSCRIPTIONS; seq++) {
        enum whs_status status = try_put(engine, seq);
        whole_expect(whole, n, status == WHS_OK || status == WHS_NO_MEMORY,
                     "a subscription is refused by a wrong status");
        if (status != WHS_OK)
            whole_expect(whole, n, try_put(engine, seq) == WHS_OK,
                         "a subscription is refused twice");
    }
}

static void
push(struct whole *whole, struct whs_engine *engine, int64_t seq, unsigned n)
{
    size_t matches = 0;
    enum whs_status status =
        whs_engine_push(engine, events[seq], NULL, 0, &matches, NULL);
    whole_expect(whole, n, status == WHS_OK || (status == WHS_NO_MEMORY && !matches),
                 "an event is refused by a wrong status, or queued nevertheless");
    if (status != WHS_OK)
        status = whs_engine_push(engine, events[seq], NULL, 0, &matches, NULL);
    whole_expect(whole, n, status == WHS_OK && matches == SUBSCRIPTIONS,
                 "an event is refused twice, or does not reach everybody");
}

/* --- Reports. --- */

static size_t
count_reports(struct whs_engine *engine, int seen[EVENTS][SUBSCRIPTIONS])
{
    struct whs_report_queue *queue = whs_engine_reports(engine);
    struct whs_report *reports = whs_report_queue_take(queue, SIZE_MAX, 0);
    size_t count = 0;
    for (const struct whs_report *each = reports; each; each = each->next)
        for (size_t i = 0; i < each->count; i++, count++)
            seen[each->deliveries[i].event_seq][each->deliveries[i].subscription_seq]++;
    whs_report_queue_settled(queue, reports);
    return count;
}

static void
turn_until_reported(struct whole *whole, struct whs_engine *engine,
                    int seen[EVENTS][SUBSCRIPTIONS], unsigned n)
{
    size_t count = 0;
    for (int i = 0; i < TURNS_MAX && count < ROUND * SUBSCRIPTIONS; i++) {
        whs_engine_turn(engine, TURN_MS);
        count += count_reports(engine, seen);
    }
    whole_expect(whole, n, count == ROUND * SUBSCRIPTIONS,
                 "an attempt never ended before the engine was closed");
}

static void
check_end(struct whole *whole, struct whs_engine *engine,
          int seen[EVENTS][SUBSCRIPTIONS], unsigned n)
{
    struct whs_engine_stats stats;
    whs_engine_stats(engine, &stats);
    whole_expect(whole, n,
                 !stats.queued && !stats.queued_bytes && !stats.in_flight &&
                     !stats.unsettled,
                 "something is queued, in flight or unsettled at the end");
    for (int event = 0; event < EVENTS; event++)
        for (int sub = 0; sub < SUBSCRIPTIONS; sub++)
            whole_expect(whole, n, seen[event][sub] == 1,
                         seen[event][sub] ? "a delivery was reported twice"
                                          : "a delivery was never reported");
}

void
whole_live(struct whole *whole, unsigned n)
{
    int seen[EVENTS][SUBSCRIPTIONS] = {{0}};
    struct whs_engine *engine = make_engine(whole, n);
    if (!engine)
        return;
    put_all(whole, engine, n);
    for (int64_t seq = 0; seq < EVENTS; seq++) {
        push(whole, engine, seq, n);
        if ((seq + 1) % ROUND == 0)
            turn_until_reported(whole, engine, seen, n);
    }
    whs_engine_close(engine, 0);
    count_reports(engine, seen);
    check_end(whole, engine, seen, n);
    whs_engine_destroy(engine);
}
