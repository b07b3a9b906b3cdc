/* SPDX-License-Identifier: MIT */
#include "start.h"

#include <assert.h>

#include "attempt.h"
#include "conclude.h"
#include "spill.h"

static bool
has_lease(struct whs_work *work)
{
    bool over = work->mono_ms >= atomic_load(&work->lease_until_ms);
    if (over && !work->lease_is_over)
        whs_counter_add(&work->counters.lease_stops, 1);
    work->lease_is_over = over;
    return !over;
}

static bool
may_start_any(struct whs_work *work)
{
    return !work->closing && work->mono_ms >= work->breathe_until_ms &&
           work->in_flight_count < (size_t)work->config->limits.in_flight_max &&
           whs_list_first(&work->lanes.origins.ready) && has_lease(work);
}

static struct whs_lane *
front_lane(const struct whs_work *work)
{
    struct whs_link *link = whs_list_first(&work->lanes.origins.ready);
    if (!link)
        return NULL;
    struct whs_origin *origin = WHS_HOLDER(link, struct whs_origin, ring);
    return WHS_HOLDER(whs_origin_front(origin), struct whs_lane, ring);
}

void
whs_start_look_up(struct whs_work *work, struct whs_lane *lane)
{
    uint64_t generation = atomic_load(&work->generation);
    if (lane->generation == generation)
        return;
    struct whs_subscriber *sub = whs_matcher_find(work->matcher, lane->sub->seq);
    lane->held = !sub;
    if (!sub || whs_lane_adopt(&work->lanes, lane, sub))
        lane->generation = generation;
    else
        whs_work_breathe(work);
    whs_subscriber_unref(sub);
    whs_lane_place(&work->lanes, lane);
}

static bool
has_expired(const struct whs_work *work, const struct whs_lane *lane)
{
#ifdef WHS_SABOTAGE_no_expiry
    return false;
#endif
    return lane->sub->subscription->expires_at_ms <= work->wall_ms;
}

struct whs_lane *
whs_start_next(struct whs_work *work)
{
    struct whs_lane *lane;
    while (may_start_any(work) && (lane = front_lane(work))) {
        if (lane->generation != atomic_load(&work->generation))
            whs_start_look_up(work, lane);
        else if (has_expired(work, lane))
            whs_leave_lane(work, lane, WHS_OUTCOME_EXPIRED, 0);
        else if (whs_lane_waits(&work->lanes, lane))
            whs_lane_place(&work->lanes, lane);
        else
            return whs_report_queue_reserve(work->reports) ? lane : NULL;
    }
    return NULL;
}

/* In half-open state this attempt becomes the probe. An origin stands in the ring only
 * while its breaker admits. */
static void
admit(struct whs_work *work, struct whs_attempt *attempt)
{
    struct whs_origin *origin = attempt->origin;
    bool admitted = whs_breaker_admits(&origin->breaker, work->mono_ms);
    assert(admitted);
    (void)admitted;
    attempt->probe = origin->breaker.probing;
    whs_origin_place(&work->lanes.origins, origin);
}

static void
start_one(struct whs_work *work, struct whs_lane *lane)
{
    struct whs_attempt *attempt = whs_attempt_create(work, lane);
    if (!attempt) {
        whs_report_queue_unreserve(work->reports);
        whs_work_breathe(work);
        return;
    }
    admit(work, attempt);
    enum whs_status status = whs_attempt_send(work, attempt);
    if (status == WHS_NO_MEMORY) {
        whs_origin_forgo(&work->lanes.origins, attempt->origin);
        whs_attempt_undo(work, attempt);
        whs_report_queue_unreserve(work->reports);
        whs_work_breathe(work);
    } else if (status != WHS_OK) {
        whs_conclude(work, attempt);
    } else {
        whs_lane_spend(&work->lanes, lane, attempt->count);
    }
}

/* That the lease is back is news once, also where nothing may start. */
static void
hear_of_lease(struct whs_work *work)
{
    work->lease_is_over &= work->mono_ms >= atomic_load(&work->lease_until_ms);
}

void
whs_start_all(struct whs_work *work)
{
    struct whs_lane *lane;
    hear_of_lease(work);
    while ((lane = whs_start_next(work))) {
        work->pace++;
        start_one(work, lane);
    }
}
