/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sidedrawer.h"

void
rig_init(struct rig *rig, void (*tweak)(struct whs_engine_config *config))
{
    struct whs_engine_config config;
    *rig = (struct rig){.random = {42}};
    fake_clock_init(&rig->clock);
    rig->catalog = sidedrawer_catalog();
    rig->transport = fake_transport_create(&rig->clock);
    whs_engine_config_default(&config);
    config.clock = fake_clock_clock(&rig->clock);
    config.random = fake_random_random(&rig->random);
    config.retry.jitter = 0;
    config.limits.in_flight_reserved_per_origin = 0;
    if (tweak)
        tweak(&config);
    assert_int_equal(whs_engine_create(&config, rig->catalog, &rig->transport->base,
                                       &rig->engine, NULL),
                     WHS_OK);
}

void
rig_fini(struct rig *rig)
{
    rig_settle(rig);
    whs_engine_destroy(rig->engine);
    whs_catalog_unref(rig->catalog);
}

void
rig_put(struct rig *rig, struct world_sub wanted)
{
    struct whs_subscriber *sub = world_subscriber(&wanted);
    assert_int_equal(whs_engine_put_subscriber(rig->engine, sub, NULL), WHS_OK);
    whs_subscriber_unref(sub);
}

size_t
rig_push(struct rig *rig, int64_t seq, const char *tenant)
{
    size_t matches = 0;
    struct whs_event *event = world_event(seq, tenant, "{\"n\":1}");
    assert_int_equal(whs_engine_push(rig->engine, event, NULL, 0, &matches, NULL),
                     WHS_OK);
    whs_event_unref(event);
    return matches;
}

enum whs_status
rig_push_due(struct rig *rig, int64_t event_seq, const char *tenant,
             int64_t subscription_seq, int attempts)
{
    struct whs_event *event = world_event(event_seq, tenant, "{\"n\":1}");
    enum whs_status status =
        whs_engine_push_due(rig->engine, event, subscription_seq, attempts, NULL);
    whs_event_unref(event);
    return status;
}

void
rig_turn(struct rig *rig)
{
    whs_engine_turn(rig->engine, 0);
}

void
rig_turns(struct rig *rig, int count)
{
    while (count-- > 0)
        rig_turn(rig);
}

void
rig_pass(struct rig *rig, int64_t ms)
{
    fake_clock_advance(&rig->clock, ms);
    rig_turn(rig);
}

void
rig_settle(struct rig *rig)
{
    whs_report_queue_settled(whs_engine_reports(rig->engine), rig->taken);
    rig->taken = NULL;
}

struct whs_report *
rig_take(struct rig *rig)
{
    rig_settle(rig);
    rig->taken = whs_report_queue_take(whs_engine_reports(rig->engine), SIZE_MAX, 0);
    return rig->taken;
}

const struct whs_reported *
rig_take_one(struct rig *rig)
{
    struct whs_report *report = rig_take(rig);
    assert_non_null(report);
    assert_null(report->next);
    assert_int_equal(report->count, 1);
    return &report->deliveries[0];
}

struct whs_engine_stats
rig_stats(struct rig *rig)
{
    struct whs_engine_stats stats;
    whs_engine_stats(rig->engine, &stats);
    return stats;
}

const struct fake_request *
rig_request(struct rig *rig, size_t n)
{
    assert_true(n < rig->transport->request_count);
    return &rig->transport->requests[n];
}
