/* SPDX-License-Identifier: MIT */
#include "spill.h"

#include "failpoint.h"
#include "start.h"

/* Deliveries in one report: a transaction's worth of rows, and its size in memory. */
#define REPORT_DELIVERIES_MAX 512
/* Sweeps within spill_after_ms: a delivery leaves at most a quarter of it too late. */
#define SWEEPS 4
/* When a sweep has used all the room there was. */
#define SWEEP_AGAIN_MS 20
/* What leaves because of its subscription's rate comes back this soon at the latest, to
 * hear whether there is another rate. */
#define RATE_AWAY_MAX_MS INT64_C(600000)

void
whs_leave(struct whs_work *work, struct whs_delivery *dlv, enum whs_outcome outcome,
          int64_t due_ms)
{
    dlv->next = NULL;
    dlv->outcome = (uint8_t)outcome;
    dlv->time_ms = due_ms;
    *work->leaving_last = dlv;
    work->leaving_last = &dlv->next;
}

void
whs_leave_lane(struct whs_work *work, struct whs_lane *lane, enum whs_outcome outcome,
               int64_t due_ms)
{
    while (lane->first)
        whs_leave(work, whs_lane_take_one(lane), outcome, due_ms);
    whs_lane_place(&work->lanes, lane);
}

void
whs_leave_all(struct whs_work *work, enum whs_outcome outcome)
{
    struct whs_link *link;
    while ((link = whs_list_first(&work->lanes.busy))) {
        struct whs_lane *lane = WHS_HOLDER(link, struct whs_lane, place);
        whs_leave_lane(work, lane, outcome, 0);
    }
}

/* --- Reports of what leaves. --- */

static bool
goes_with(const struct whs_delivery *dlv, const struct whs_delivery *first)
{
    return dlv->outcome == first->outcome &&
           dlv->sub->origin_seq == first->sub->origin_seq;
}

static size_t
count_group(const struct whs_delivery *first, size_t max)
{
    size_t count = 0;
    for (const struct whs_delivery *dlv = first;
         dlv && count < max && goes_with(dlv, first); dlv = dlv->next)
        count++;
    return count;
}

static void
fill_row(struct whs_work *work, struct whs_delivery *dlv, struct whs_reported *row)
{
    struct whs_counters *counters = &work->counters;
    switch (dlv->outcome) {
    case WHS_OUTCOME_EXPIRED:
        row->state = WHS_DELIVERY_EXPIRED;
        whs_counter_add(&counters->expired, 1);
        break;
    case WHS_OUTCOME_CANCELLED:
        row->state = WHS_DELIVERY_CANCELLED;
        whs_counter_add(&counters->cancelled, 1);
        break;
    default:
        row->state = WHS_DELIVERY_WAITING;
        row->delay_ms = dlv->time_ms > work->mono_ms ? dlv->time_ms - work->mono_ms : 0;
        whs_counter_add(&counters->spilled, 1);
    }
    whs_work_settle(work, dlv, row);
}

/* Zero: no memory. */
static size_t
report_group(struct whs_work *work, size_t max)
{
    struct whs_report *report = whs_report_create(count_group(work->leaving, max));
    if (!report)
        return 0;
    report->outcome = (enum whs_outcome)work->leaving->outcome;
    report->origin_seq = work->leaving->sub->origin_seq;
    for (size_t i = 0; i < report->count; i++) {
        struct whs_delivery *dlv = work->leaving;
        work->leaving = dlv->next;
        fill_row(work, dlv, &report->deliveries[i]);
    }
    if (!work->leaving)
        work->leaving_last = &work->leaving;
    whs_queue_release(&work->queue, report->count, 0);
    whs_work_tell(work, report);
    return report->count;
}

void
whs_spill_report(struct whs_work *work)
{
    if (!work->leaving)
        return;
    size_t room = work->closing ? SIZE_MAX : whs_report_queue_room(work->reports);
    while (work->leaving && room > 0) {
        size_t max = room < REPORT_DELIVERIES_MAX ? room : REPORT_DELIVERIES_MAX;
        size_t count = report_group(work, max);
        if (count == 0) {
            whs_work_breathe(work);
            return;
        }
        room -= count;
    }
}

/* --- What cannot start soon. --- */

static int64_t
sweep_period(const struct whs_work *work)
{
    int64_t period = work->config->limits.spill_after_ms / SWEEPS;
    return period > 0 ? period : 1;
}

/* A pace counts starts and is halved every period: at a steady rate it comes to what
 * starts in one. Returns how many will start within spill_after_ms at that rate. */
static size_t
foresee(size_t *pace, int64_t *since_ms, const struct whs_work *work)
{
    int64_t period = sweep_period(work);
    for (; *pace && *since_ms + period <= work->mono_ms; *since_ms += period)
        *pace /= 2;
    if (*pace == 0)
        *since_ms = work->mono_ms;
    return *pace * SWEEPS;
}

/* How many of the lane's deliveries will start soon enough although they have waited
 * long: the queue is long where much is delivered, and spilling that would only make
 * more work. */
static size_t
count_kept(struct whs_work *work, struct whs_lane *lane, size_t soon_here,
           size_t soon_of_all)
{
    const struct whs_origin *origin = lane->origin;
    bool only_total_holds_it =
        !whs_link_is_alone(&lane->ring) && !whs_link_is_alone(&origin->ring);
    if (only_total_holds_it &&
        soon_of_all >= (size_t)atomic_load(&work->queue.deliveries))
        return lane->count;
    if (soon_here >= origin->queued)
        return lane->count;
    return soon_here * lane->count / origin->queued;
}

static uint32_t
rate_of(const struct whs_lane *lane)
{
    return lane->sub->subscription->rate_micros;
}

/* How many of `keep` its rate lets start soon. */
static size_t
bound_by_rate(const struct whs_work *work, const struct whs_lane *lane, size_t keep)
{
    if (rate_of(lane) == 0)
        return keep;
    size_t count = whs_rate_count(&lane->rate, rate_of(lane), work->mono_ms,
                                  work->mono_ms + work->config->limits.spill_after_ms);
    return count < keep ? count : keep;
}

/* When one that has `ahead` others before it is worth trying: not before `due_ms`, and
 * not before their rate has let them go. */
static int64_t
find_due(const struct whs_work *work, const struct whs_lane *lane, size_t ahead,
         int64_t due_ms)
{
    if (rate_of(lane) == 0)
        return due_ms;
    int64_t most_ms = work->mono_ms + RATE_AWAY_MAX_MS;
    int64_t rate_ms =
        whs_rate_ready_ms(&lane->rate, rate_of(lane), ahead, work->mono_ms);
    rate_ms = rate_ms < most_ms ? rate_ms : most_ms;
    return rate_ms > due_ms ? rate_ms : due_ms;
}

/* Returns how many leave. What it leads to may not be what its subscription names now.
 * A batch that lingers stays: as waiting rows it would linger anew. */
static size_t
sweep_lane(struct whs_work *work, struct whs_lane *lane, size_t room,
           size_t soon_of_all)
{
    whs_start_look_up(work, lane);
    struct whs_origin *origin = lane->origin;
    int64_t before_ms = work->mono_ms - work->config->limits.spill_after_ms;
    int64_t due_ms = 0;
    size_t keep = 0;
    size_t soon_here = foresee(&origin->pace, &origin->paced_ms, work);
    if (whs_origin_is_blocked(origin, work->mono_ms)) {
        before_ms = work->mono_ms;
        due_ms = whs_breaker_blocked_until(&origin->breaker);
    } else if (whs_lane_ready_since(lane) <= before_ms) {
        keep =
            bound_by_rate(work, lane, count_kept(work, lane, soon_here, soon_of_all));
    } else {
        return 0;
    }
    struct whs_delivery *dlv = whs_lane_cut(lane, keep, before_ms, room), *next;
    size_t count = 0;
    for (; dlv; dlv = next, count++) {
        next = dlv->next;
        whs_leave(work, dlv, WHS_OUTCOME_SPILLED,
                  find_due(work, lane, keep + count, due_ms));
        WHS_FAILPOINT("in-spill");
    }
    whs_lane_place(&work->lanes, lane);
    return count;
}

static size_t
count_leaving(const struct whs_work *work, size_t max)
{
    size_t count = 0;
    for (struct whs_delivery *dlv = work->leaving; dlv && count < max; dlv = dlv->next)
        count++;
    return count;
}

void
whs_spill_sweep(struct whs_work *work)
{
    if (!work->config->spill || work->closing || work->mono_ms < work->next_sweep_ms)
        return;
    work->next_sweep_ms = work->mono_ms + sweep_period(work);
#ifndef WHS_SABOTAGE_no_spill
    size_t room = whs_report_queue_room(work->reports);
    room -= count_leaving(work, room);
    bool had_room = room > 0;
    size_t soon_of_all = foresee(&work->pace, &work->paced_ms, work);
    struct whs_link *link = whs_list_first(&work->lanes.busy);
    while (link && link != &work->lanes.busy && room > 0) {
        struct whs_lane *lane = WHS_HOLDER(link, struct whs_lane, place);
        link = link->next;
        room -= sweep_lane(work, lane, room, soon_of_all);
    }
    if (had_room && room == 0)
        work->next_sweep_ms = work->mono_ms + SWEEP_AGAIN_MS;
#endif
}

int64_t
whs_spill_next(const struct whs_work *work)
{
    if (!work->config->spill || work->closing || !whs_list_first(&work->lanes.busy))
        return INT64_MAX;
    return work->next_sweep_ms;
}
