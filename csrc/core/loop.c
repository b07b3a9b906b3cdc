/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include "cond.h"
#include "conclude.h"
#include "spill.h"
#include "start.h"

/* Deliveries put into lanes in one turn: a hub of a million does not keep answers
 * waiting. */
#define INTAKE_MAX 4096
/* It looks around so often even when nothing is to come. */
#define WAIT_MAX_MS 60000

static void
wake_transport(void *ctx)
{
    struct whs_loop *loop = ctx;
    struct whs_transport *transport = loop->work.transport;
    transport->verbs->wake(transport);
}

bool
whs_loop_init(struct whs_loop *loop, const struct whs_engine_config *config,
              struct whs_matcher *matcher, struct whs_transport *transport)
{
    loop->taken = NULL;
    if (!whs_work_init(&loop->work, config, matcher, transport))
        return false;
    whs_report_queue_on_room(loop->work.reports, wake_transport, loop);
    whs_asks_init(&loop->asks);
    atomic_init(&loop->asleep, false);
    atomic_init(&loop->close_at_ms, INT64_MAX);
    atomic_init(&loop->ended, false);
    pthread_mutex_init(&loop->lock, NULL);
    whs_cond_init(&loop->idle);
    atomic_init(&loop->waiters, 0);
    atomic_init(&loop->asked, false);
    loop->idle_seen = 0;
    return true;
}

void
whs_loop_fini(struct whs_loop *loop)
{
    while (loop->taken) {
        struct whs_item *next = loop->taken->next;
        whs_item_destroy(loop->taken);
        loop->taken = next;
    }
    whs_work_fini(&loop->work);
    whs_asks_fini(&loop->asks);
    pthread_cond_destroy(&loop->idle);
    pthread_mutex_destroy(&loop->lock);
}

/* --- Intake. --- */

/* The lane of a delivery: the one there is, or one for the subscription as it is now.
 * WHS_NOT_FOUND: it has ended since it matched. */
static enum whs_status
open_lane(struct whs_work *work, const struct whs_delivery *dlv, struct whs_lane **out)
{
    *out = whs_lane_find(&work->lanes, dlv->sub->seq);
    if (*out)
        return WHS_OK;
    uint64_t generation = atomic_load(&work->generation);
    struct whs_subscriber *sub = whs_matcher_find(work->matcher, dlv->sub->seq);
    if (!sub)
        return WHS_NOT_FOUND;
    *out = whs_lane_create(&work->lanes, sub, generation);
    whs_subscriber_unref(sub);
    return *out ? WHS_OK : WHS_NO_MEMORY;
}

/* False: no memory, try again later. */
static bool
link_delivery(struct whs_work *work, struct whs_delivery *dlv)
{
    struct whs_lane *lane = NULL;
    enum whs_status status =
        work->closing ? WHS_NOT_FOUND : open_lane(work, dlv, &lane);
    if (status == WHS_NOT_FOUND) {
        whs_leave(work, dlv, WHS_OUTCOME_SPILLED, 0);
        return true;
    }
    if (status != WHS_OK)
        return false;
    dlv->time_ms = work->mono_ms;
    whs_lane_append(lane, dlv);
    if (work->config->spill && whs_origin_is_blocked(lane->origin, work->mono_ms))
        work->next_sweep_ms = work->mono_ms;
    whs_lane_place(&work->lanes, lane);
    return true;
}

/* Links up to *budget deliveries of it. True: all of them are linked. */
static bool
link_fanout(struct whs_work *work, struct whs_fanout *fanout, size_t *budget)
{
    size_t count = fanout->count;
    while (fanout->linked < count) {
        if (*budget == 0)
            return false;
        if (!link_delivery(work, &fanout->deliveries[fanout->linked])) {
            whs_work_breathe(work);
            *budget = 0;
            return false;
        }
        --*budget;
        fanout->linked++;
    }
    return true;
}

static void
remove_subscription(struct whs_work *work, const struct whs_item *item)
{
    struct whs_lane *lane = whs_lane_find(&work->lanes, item->seq);
    if (!lane)
        return;
    while (lane->first)
        whs_leave(work, whs_lane_take_one(lane),
                  item->cancel ? WHS_OUTCOME_CANCELLED : WHS_OUTCOME_SPILLED, 0);
    whs_lane_remove(&work->lanes, lane, item->cancel);
}

static bool
is_breathing(const struct whs_work *work)
{
    return work->mono_ms < work->breathe_until_ms && !work->closing;
}

/* From the queue into lanes, in order. */
static void
take_in(struct whs_loop *loop)
{
    struct whs_work *work = &loop->work;
    size_t budget = work->closing ? SIZE_MAX : INTAKE_MAX;
    if (is_breathing(work))
        return;
    if (!loop->taken)
        loop->taken = whs_queue_take(&work->queue);
    while (loop->taken) {
        struct whs_item *item = loop->taken, *next = item->next;
        if (item->fanout) {
            if (!link_fanout(work, item->fanout, &budget))
                return;
        } else {
            if (item->reopens.ptr)
                whs_origin_reopen(&work->lanes.origins, item->reopens);
            else
                remove_subscription(work, item);
            whs_item_destroy(item);
        }
        loop->taken = next;
    }
}

/* --- Answers. --- */

static void
wait_and_conclude(struct whs_loop *loop, int timeout_ms)
{
    struct whs_work *work = &loop->work;
    struct whs_exchange *done =
        work->transport->verbs->poll(work->transport, timeout_ms);
    whs_work_tick(work);
    while (done) {
        struct whs_exchange *next = done->next_done;
        struct whs_ask *ask = whs_ask_of(done);
        if (ask)
            whs_asks_end(&loop->asks, ask);
        else
            whs_conclude(work, whs_attempt_of(done));
        done = next;
    }
}

/* The time given to close is over: what has its answer keeps it. */
static void
give_up(struct whs_loop *loop)
{
    struct whs_link *link;
    wait_and_conclude(loop, 0);
    while ((link = whs_list_first(&loop->work.in_flight)))
        whs_conclude_without_answer(&loop->work,
                                    WHS_HOLDER(link, struct whs_attempt, link));
}

/* --- Waiting. --- */

/* What others have changed since the turn looked. */
static bool
has_news(struct whs_loop *loop)
{
    struct whs_work *work = &loop->work;
    bool closing = atomic_load(&loop->close_at_ms) != INT64_MAX;
    bool lease =
        work->lease_is_over && work->mono_ms < atomic_load(&work->lease_until_ms);
    bool pushed =
        !is_breathing(work) && (loop->taken || !whs_queue_is_empty(&work->queue));
    bool asked = atomic_exchange(&loop->asked, false);
    return (closing && !work->closing) || lease || pushed || asked ||
           whs_asks_has_news(&loop->asks);
}

static int
choose_wait(const struct whs_loop *loop, int timeout_ms)
{
    const struct whs_work *work = &loop->work;
    int64_t next_ms =
        work->mono_ms + (timeout_ms < WAIT_MAX_MS ? timeout_ms : WAIT_MAX_MS);
    int64_t dates_ms[] = {
        whs_lanes_next(&work->lanes), whs_spill_next(work),
        work->breathe_until_ms > work->mono_ms ? work->breathe_until_ms : INT64_MAX,
        work->closing ? atomic_load(&loop->close_at_ms) : INT64_MAX};
    for (size_t i = 0; i < sizeof(dates_ms) / sizeof(dates_ms[0]); i++)
        next_ms = dates_ms[i] < next_ms ? dates_ms[i] : next_ms;
    return next_ms > work->mono_ms ? (int)(next_ms - work->mono_ms) : 0;
}

/* Says so before it looks a last time: who pushes after that look sees it asleep. */
static void
sleep_and_conclude(struct whs_loop *loop, int timeout_ms)
{
    int wait_ms = choose_wait(loop, timeout_ms);
    if (loop->work.in_flight_count == 0)
        whs_report_queue_quiet(loop->work.reports);
    atomic_store(&loop->asleep, true);
    wait_and_conclude(loop, has_news(loop) ? 0 : wait_ms);
    atomic_store(&loop->asleep, false);
}

/* What waits for a blocked origin and has no store to go to is not waited for. */
static bool
is_idle(struct whs_loop *loop)
{
    const struct whs_work *work = &loop->work;
    if (work->in_flight_count || work->leaving || loop->taken ||
        !whs_queue_is_empty(&loop->work.queue))
        return false;
    const struct whs_link *head = &work->lanes.busy;
    for (const struct whs_link *link = head->next; link != head; link = link->next) {
        const struct whs_lane *lane = WHS_HOLDER(link, struct whs_lane, place);
        if (work->config->spill || !whs_origin_is_blocked(lane->origin, work->mono_ms))
            return false;
    }
    return true;
}

/* Looks under the lock, so that nobody is told of a moment before it asked. */
static void
tell_waiters(struct whs_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    if (atomic_load(&loop->ended) || is_idle(loop)) {
        loop->idle_seen++;
        pthread_cond_broadcast(&loop->idle);
    }
    pthread_mutex_unlock(&loop->lock);
}

/* --- Turns. --- */

static void
begin_turn(struct whs_loop *loop)
{
    struct whs_work *work = &loop->work;
    whs_work_tick(work);
    work->closing = atomic_load(&loop->close_at_ms) != INT64_MAX;
    take_in(loop);
    if (!work->closing)
        return;
    whs_asks_close(&loop->asks, work->transport);
    whs_leave_all(work, WHS_OUTCOME_SPILLED);
    if (work->mono_ms >= atomic_load(&loop->close_at_ms))
        give_up(loop);
}

static void
end_turn(struct whs_loop *loop)
{
    struct whs_work *work = &loop->work;
    whs_work_publish(work);
    whs_counter_set(&work->counters.in_flight, (int64_t)work->in_flight_count);
    whs_counter_set(&work->counters.origins_blocked,
                    (int64_t)work->lanes.origins.blocked);
    if (atomic_load(&loop->waiters) > 0)
        tell_waiters(loop);
}

/* What could not be told for want of memory is in the store still, as not delivered. */
static bool
has_ended(struct whs_loop *loop)
{
    const struct whs_work *work = &loop->work;
    return work->closing && work->in_flight_count == 0 &&
           (!work->leaving || work->mono_ms >= atomic_load(&loop->close_at_ms));
}

void
whs_loop_turn(struct whs_loop *loop, int timeout_ms)
{
    struct whs_work *work = &loop->work;
    begin_turn(loop);
    whs_spill_sweep(work);
    whs_start_all(work);
    whs_asks_start(&loop->asks, work->transport);
    whs_spill_report(work);
    end_turn(loop);
    if (has_ended(loop)) {
        atomic_store(&loop->ended, true);
        tell_waiters(loop);
        whs_report_queue_wake(work->reports);
        return;
    }
    sleep_and_conclude(loop, timeout_ms);
    end_turn(loop);
}

void
whs_loop_run(struct whs_loop *loop)
{
    while (!atomic_load(&loop->ended))
        whs_loop_turn(loop, WAIT_MAX_MS);
}

/* --- From other threads. --- */

void
whs_loop_nudge(struct whs_loop *loop)
{
    if (atomic_exchange(&loop->asleep, false))
        wake_transport(loop);
}

void
whs_loop_close(struct whs_loop *loop, int grace_ms)
{
    const struct whs_clock *clock = &loop->work.config->clock;
    int64_t at_ms = clock->mono_ms(clock->ctx) + grace_ms;
    int64_t other_ms = atomic_load(&loop->close_at_ms);
    whs_queue_close(&loop->work.queue);
    while (at_ms < other_ms &&
           !atomic_compare_exchange_weak(&loop->close_at_ms, &other_ms, at_ms)) {
    }
    whs_loop_nudge(loop);
}

enum whs_status
whs_loop_wait_idle(struct whs_loop *loop, int timeout_ms)
{
    struct timespec until = whs_cond_deadline(timeout_ms);
    pthread_mutex_lock(&loop->lock);
    unsigned seen = loop->idle_seen;
    atomic_fetch_add(&loop->waiters, 1);
    atomic_store(&loop->asked, true);
    whs_loop_nudge(loop);
    while (loop->idle_seen == seen && !atomic_load(&loop->ended))
        if (!whs_cond_wait_locked(&loop->idle, &loop->lock, &until))
            break;
    bool idle = loop->idle_seen != seen || atomic_load(&loop->ended);
    pthread_mutex_unlock(&loop->lock);
    atomic_fetch_sub(&loop->waiters, 1);
    return idle ? WHS_OK : WHS_TIMEOUT;
}
