/* SPDX-License-Identifier: MIT */
#include "work.h"

#include "attempt.h"

/* A settle waits so long for company, or for so many deliveries, while attempts are
 * under way. It is what a crash may deliver twice. */
#define GATHER_MS 50
#define GATHER_MAX 1024
#define GATHER_SHARE 4 /* of the slots, so that no attempt waits for a settle */

static struct whs_report_queue *
create_reports(size_t slots)
{
    struct whs_report_queue *reports = whs_report_queue_create(slots);
    size_t most = slots / GATHER_SHARE;
    if (reports)
        whs_report_queue_gather(reports, most < GATHER_MAX ? most : GATHER_MAX,
                                GATHER_MS);
    return reports;
}

bool
whs_work_init(struct whs_work *work, const struct whs_engine_config *config,
              struct whs_matcher *matcher, struct whs_transport *transport)
{
    const struct whs_engine_limits *limits = &config->limits;
    *work =
        (struct whs_work){.config = config, .matcher = matcher, .transport = transport};
    atomic_init(&work->generation, 1);
    atomic_init(&work->lease_until_ms, INT64_MAX);
    whs_link_init(&work->in_flight);
    work->leaving_last = &work->leaving;
    work->told_last = &work->told;
    whs_queue_init(&work->queue, limits->queue_deliveries_max, limits->queue_bytes_max);
    work->reports = create_reports((size_t)limits->report_slots);
    bool lanes =
        whs_lanes_init(&work->lanes, (size_t)limits->in_flight_per_origin,
                       (size_t)limits->in_flight_reserved_per_origin,
                       (size_t)limits->in_flight_per_subscription, &config->random);
    if (work->reports && lanes)
        return true;
    whs_work_fini(work);
    return false;
}

void
whs_work_fini(struct whs_work *work)
{
    whs_work_publish(work);
    while (work->leaving) {
        struct whs_delivery *next = work->leaving->next;
        whs_delivery_drop(work->leaving);
        work->leaving = next;
    }
    whs_lanes_fini(&work->lanes);
    whs_attempt_free_spares(work);
    whs_queue_fini(&work->queue);
    work->transport->verbs->destroy(work->transport);
    whs_report_queue_destroy(work->reports);
}

void
whs_work_tick(struct whs_work *work)
{
    const struct whs_clock *clock = &work->config->clock;
    work->mono_ms = clock->mono_ms(clock->ctx);
    work->wall_ms = clock->wall_ms(clock->ctx);
    whs_lanes_wake(&work->lanes, work->mono_ms);
}

void
whs_work_breathe(struct whs_work *work)
{
    work->breathe_until_ms = work->mono_ms + WHS_BREATHE_MS;
}

void
whs_work_tell(struct whs_work *work, struct whs_report *report)
{
    *work->told_last = report;
    work->told_last = &report->next;
}

void
whs_work_publish(struct whs_work *work)
{
    if (!work->told)
        return;
    whs_report_queue_put(work->reports, work->told);
    work->told = NULL;
    work->told_last = &work->told;
}

void
whs_work_settle(struct whs_work *work, struct whs_delivery *dlv,
                struct whs_reported *row)
{
    row->event_seq = dlv->fanout->event->seq;
    row->subscription_seq = dlv->sub->seq;
    row->attempts = dlv->attempts;
    row->claimed_row = dlv->fanout->claimed_row;
    row->event_done = !row->claimed_row && whs_delivery_is_last(dlv);
    size_t bytes = whs_delivery_drop(dlv);
    if (bytes)
        whs_queue_release(&work->queue, 0, bytes);
}
