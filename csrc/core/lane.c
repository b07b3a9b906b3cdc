/* SPDX-License-Identifier: MIT */
#include "lane.h"

#include <assert.h>
#include <string.h>

#include "alloc.h"
#include "payload.h"

/* Lanes kept without work: what comes for the same subscription soon finds its lane. */
#define LANES_IDLE_MAX 1024
/* One that waits is looked at so often: its subscription may have changed. */
#define LOOK_MS 1000
/* Of an event, ahead: most are no larger. */
#define FETCHED_BYTES 448
#define CACHE_LINE 64

bool
whs_lanes_init(struct whs_lanes *lanes, size_t per_origin_max, size_t reserved,
               size_t per_lane_max, const struct whs_random *random)
{
    *lanes = (struct whs_lanes){.in_flight_max = per_lane_max};
    whs_link_init(&lanes->busy);
    whs_link_init(&lanes->idle);
    return whs_table_init(&lanes->table) &
           whs_origins_init(&lanes->origins, per_origin_max, reserved, random);
}

/* Seqs are ours, not chosen by strangers: spreading them is enough. */
static uint64_t
hash_seq(int64_t seq)
{
    uint64_t x = (uint64_t)seq * UINT64_C(0x9e3779b97f4a7c15);
    return x ^ (x >> 32);
}

struct whs_lane *
whs_lane_find(struct whs_lanes *lanes, int64_t seq)
{
    struct whs_entry *entry = whs_table_chain(&lanes->table, hash_seq(seq));
    for (; entry; entry = entry->next) {
        struct whs_lane *lane = WHS_HOLDER(entry, struct whs_lane, entry);
        if (lane->sub->seq == seq)
            return lane;
    }
    return NULL;
}

struct whs_lane *
whs_lane_create(struct whs_lanes *lanes, struct whs_subscriber *sub,
                uint64_t generation)
{
    struct whs_lane *lane = whs_calloc(1, sizeof(*lane));
    if (!lane)
        return NULL;
    lane->origin = whs_origin_open(&lanes->origins, sub->origin);
    if (!lane->origin) {
        whs_free(lane);
        return NULL;
    }
    lane->sub = whs_subscriber_ref(sub);
    lane->generation = generation;
    lane->failing_since_ms = sub->failing_since_ms;
    lane->last = &lane->first;
    whs_link_init(&lane->ring);
    whs_link_init(&lane->place);
    whs_table_add(&lanes->table, &lane->entry, hash_seq(sub->seq));
    return lane;
}

static void
stand(struct whs_lanes *lanes, struct whs_lane *lane, enum whs_lane_stand where)
{
    if (lane->stand == where)
        return;
    whs_list_remove(&lane->place);
    lanes->idle_count -= lane->stand == WHS_LANE_IDLE;
    lane->stand = where;
    if (where == WHS_LANE_BUSY)
        whs_list_append(&lanes->busy, &lane->place);
    if (where == WHS_LANE_IDLE) {
        whs_list_append(&lanes->idle, &lane->place);
        lanes->idle_count++;
    }
}

/* Empty, nothing in flight. */
static void
free_lane(struct whs_lanes *lanes, struct whs_lane *lane)
{
    assert(!lane->first && lane->in_flight == 0);
    whs_timer_clear(&lanes->waking, &lane->wake);
    whs_list_remove(&lane->ring);
    stand(lanes, lane, WHS_LANE_NOWHERE);
    if (!lane->removed)
        whs_table_remove(&lanes->table, &lane->entry);
    whs_origin_place(&lanes->origins, lane->origin);
    whs_origin_close(&lanes->origins, lane->origin);
    whs_subscriber_unref(lane->sub);
    whs_free(lane);
}

/* 0: it may be sent any number. */
static uint32_t
rate_of(const struct whs_lane *lane)
{
    return lane->sub->subscription->rate_micros;
}

static bool
is_batching(const struct whs_lane *lane)
{
    return lane->sub->subscription->batching.max_notifications > 0;
}

static uint32_t
weigh(const struct whs_lane *lane, const struct whs_delivery *dlv)
{
    if (!is_batching(lane))
        return 0;
    size_t bytes = whs_payload_bytes(dlv->fanout->event, dlv->path, lane->sub);
    return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

static void
weigh_again(struct whs_lane *lane)
{
    lane->weight = 0;
    for (struct whs_delivery *dlv = lane->first; dlv; dlv = dlv->next) {
        dlv->weight = weigh(lane, dlv);
        lane->weight += dlv->weight;
    }
}

/* The store's word on since when it fails counts where it is news; otherwise the lane
 * knows better, because its reports may not be written yet. */
static void
adopt_failing_since(struct whs_lane *lane, const struct whs_subscriber *sub)
{
    if (sub->failing_since_ms != lane->sub->failing_since_ms)
        lane->failing_since_ms = sub->failing_since_ms;
}

bool
whs_lane_adopt(struct whs_lanes *lanes, struct whs_lane *lane,
               struct whs_subscriber *sub)
{
    if (sub == lane->sub)
        return true;
    struct whs_origin *left = lane->origin;
    struct whs_origin *origin = whs_origin_open(&lanes->origins, sub->origin);
    if (!origin)
        return false;
    adopt_failing_since(lane, sub);
    /* What was owed at another rate is forgotten. */
    if (rate_of(lane) != sub->subscription->rate_micros)
        lane->rate = (struct whs_rate){0};
    whs_list_remove(&lane->ring);
    lane->origin = origin;
    left->queued -= lane->count;
    origin->queued += lane->count;
    whs_origin_place(&lanes->origins, left);
    whs_origin_close(&lanes->origins, left);
    whs_subscriber_ref(sub);
    whs_subscriber_unref(lane->sub);
    lane->sub = sub;
    weigh_again(lane);
    return true;
}

void
whs_lane_remove(struct whs_lanes *lanes, struct whs_lane *lane, bool cancelled)
{
    assert(!lane->first && !lane->removed);
    whs_table_remove(&lanes->table, &lane->entry);
    lane->removed = true;
    lane->cancelled = cancelled;
    whs_lane_place(lanes, lane);
}

/* --- What is in them. --- */

/* When its batch is full or has lingered. */
static int64_t
lingers_until(const struct whs_lane *lane)
{
    const struct whs_batching *batching = &lane->sub->subscription->batching;
    if (!is_batching(lane) || lane->first->bundle ||
        lane->count >= batching->max_notifications ||
        lane->weight >= batching->max_bytes)
        return INT64_MIN;
    return lane->first->time_ms + batching->linger_ms;
}

int64_t
whs_lane_ready_since(const struct whs_lane *lane)
{
    const struct whs_batching *batching = &lane->sub->subscription->batching;
    const struct whs_delivery *dlv = lane->first;
    if (!is_batching(lane) || dlv->bundle)
        return dlv->time_ms;
    int64_t lingered_ms = dlv->time_ms + batching->linger_ms;
    size_t count = 0, bytes = 0;
    for (; dlv; dlv = dlv->next) {
        bytes += dlv->weight;
        if (++count >= batching->max_notifications || bytes >= batching->max_bytes)
            return dlv->time_ms < lingered_ms ? dlv->time_ms : lingered_ms;
    }
    return lingered_ms;
}

/* When its next attempt may start, on the monotonic clock. */
static int64_t
ready_at(const struct whs_lanes *lanes, const struct whs_lane *lane)
{
    int64_t at_ms = lingers_until(lane), rate_ms = INT64_MIN;
    if (rate_of(lane) > 0)
        rate_ms =
            whs_rate_ready_ms(&lane->rate, rate_of(lane), 0, lanes->origins.mono_ms);
    return at_ms > rate_ms ? at_ms : rate_ms;
}

bool
whs_lane_waits(const struct whs_lanes *lanes, const struct whs_lane *lane)
{
    return ready_at(lanes, lane) > lanes->origins.mono_ms;
}

/* When it is ready, or at the next full second, with all that wait. */
static int64_t
look_at(const struct whs_lanes *lanes, const struct whs_lane *lane)
{
    int64_t look_ms = (lanes->origins.mono_ms / LOOK_MS + 1) * LOOK_MS;
    int64_t ready_ms = ready_at(lanes, lane);
    return ready_ms < look_ms ? ready_ms : look_ms;
}

static bool
remembers_rate(const struct whs_lanes *lanes, const struct whs_lane *lane)
{
    return rate_of(lane) > 0 && whs_rate_full_ms(&lane->rate) > lanes->origins.mono_ms;
}

/* Without work it is freed sooner or later, unless it knows of a failing or a recovered
 * subscription what the subscriber does not say, or what was sent of late. */
static void
rest(struct whs_lanes *lanes, struct whs_lane *lane)
{
    if (lane->removed) {
        free_lane(lanes, lane);
        return;
    }
    if (lane->failing_since_ms != lane->sub->failing_since_ms ||
        remembers_rate(lanes, lane)) {
        stand(lanes, lane, WHS_LANE_NOWHERE);
        return;
    }
    stand(lanes, lane, WHS_LANE_IDLE);
    if (lanes->idle_count > LANES_IDLE_MAX)
        free_lane(lanes,
                  WHS_HOLDER(whs_list_first(&lanes->idle), struct whs_lane, place));
}

static void
stand_ready(struct whs_lane *lane)
{
    struct whs_origin *origin = lane->origin;
    if (whs_link_is_alone(&lane->ring))
        whs_list_append(lane->in_flight ? &origin->lanes : &origin->fresh, &lane->ring);
}

void
whs_lane_place(struct whs_lanes *lanes, struct whs_lane *lane)
{
    bool wants = lane->first && !lane->held && lane->in_flight < lanes->in_flight_max;
    bool waits = wants && whs_lane_waits(lanes, lane);

    if (waits)
        whs_timer_set(&lanes->waking, &lane->wake, look_at(lanes, lane));
    else if (!lane->first && remembers_rate(lanes, lane))
        whs_timer_set(&lanes->waking, &lane->wake, whs_rate_full_ms(&lane->rate));
    else
        whs_timer_clear(&lanes->waking, &lane->wake);
    if (!wants || waits)
        whs_list_remove(&lane->ring);
    else
        stand_ready(lane);
    whs_origin_place(&lanes->origins, lane->origin);
    if (lane->first)
        stand(lanes, lane, WHS_LANE_BUSY);
    else if (lane->in_flight > 0)
        stand(lanes, lane, WHS_LANE_NOWHERE);
    else
        rest(lanes, lane);
}

void
whs_lane_append(struct whs_lane *lane, struct whs_delivery *dlv)
{
    dlv->next = NULL;
    dlv->weight = weigh(lane, dlv);
    *lane->last = dlv;
    lane->last = &dlv->next;
    lane->count++;
    lane->weight += dlv->weight;
    lane->origin->queued++;
    lane->held = false;
}

void
whs_lane_put_back(struct whs_lane *lane, struct whs_delivery *first,
                  struct whs_delivery *last, size_t count)
{
    for (struct whs_delivery *dlv = first;; dlv = dlv->next) {
        lane->weight += dlv->weight;
        if (dlv == last)
            break;
    }
    last->next = lane->first;
    if (!lane->first)
        lane->last = &last->next;
    lane->first = first;
    lane->count += count;
    lane->origin->queued += count;
}

/* Its event may have been written many thousands of events ago: the processor asks for
 * it while the one before is signed and sent. So it does for the fan-out behind. */
static void
fetch_ahead(const struct whs_delivery *dlv)
{
    const char *event = (const char *)dlv->fanout->event;
    for (size_t at = 0; at < FETCHED_BYTES; at += CACHE_LINE)
        __builtin_prefetch(event + at);
    if (dlv->next)
        __builtin_prefetch(dlv->next);
}

struct whs_delivery *
whs_lane_take_one(struct whs_lane *lane)
{
    struct whs_delivery *dlv = lane->first;
    lane->first = dlv->next;
    if (lane->first)
        fetch_ahead(lane->first);
    else
        lane->last = &lane->first;
    lane->count--;
    lane->weight -= dlv->weight;
    lane->origin->queued--;
    dlv->next = NULL;
    return dlv;
}

/* How many deliveries the next attempt carries. */
static size_t
measure_batch(const struct whs_lane *lane)
{
    const struct whs_batching *batching = &lane->sub->subscription->batching;
    const struct whs_delivery *dlv = lane->first;
    if (!is_batching(lane))
        return 1;
    if (dlv->bundle)
        return dlv->bundle < lane->count ? dlv->bundle : lane->count;
    size_t count = 1, bytes = dlv->weight;
    while ((dlv = dlv->next) && !dlv->bundle && count < batching->max_notifications) {
        bytes += dlv->weight;
        if (bytes > batching->max_bytes)
            break;
        count++;
    }
    return count;
}

struct whs_delivery *
whs_lane_take(struct whs_lane *lane, size_t *count)
{
    *count = measure_batch(lane);
    struct whs_delivery *first = NULL, **last = &first;
    for (size_t i = 0; i < *count; i++) {
        *last = whs_lane_take_one(lane);
        last = &(*last)->next;
    }
    return first;
}

struct whs_delivery *
whs_lane_cut(struct whs_lane *lane, size_t keep, int64_t before_ms, size_t max)
{
    struct whs_delivery **at = &lane->first;
    for (size_t i = 0; i < keep && *at; i++)
        at = &(*at)->next;
    struct whs_delivery *first = *at, **end = at;
    size_t count = 0;
    while (*end && (*end)->time_ms <= before_ms && count < max) {
        lane->weight -= (*end)->weight;
        end = &(*end)->next;
        count++;
    }
    if (count == 0)
        return NULL;
    *at = *end;
    *end = NULL;
    if (!*at)
        lane->last = at;
    lane->count -= count;
    lane->origin->queued -= count;
    return first;
}

void
whs_lane_spend(struct whs_lanes *lanes, struct whs_lane *lane, size_t count)
{
    if (rate_of(lane) == 0)
        return;
    whs_rate_take(&lane->rate, rate_of(lane), count, lanes->origins.mono_ms);
    whs_lane_place(lanes, lane);
}

void
whs_lane_begin(struct whs_lanes *lanes, struct whs_lane *lane)
{
    struct whs_origin *origin = lane->origin;
    lane->in_flight++;
    origin->in_flight++;
    origin->refs++;
    origin->pace++;
#ifndef WHS_SABOTAGE_no_fairness
    /* To the back of both rings, if placing puts them there at all. */
    whs_list_remove(&lane->ring);
    whs_list_remove(&origin->ring);
#endif
    whs_lane_place(lanes, lane);
}

void
whs_lane_end(struct whs_lanes *lanes, struct whs_lane *lane, struct whs_origin *origin)
{
    lane->in_flight--;
    origin->in_flight--;
    if (lane->in_flight == 0)
        whs_list_remove(&lane->ring); /* it is fresh again */
    whs_origin_place(&lanes->origins, origin);
    whs_origin_close(&lanes->origins, origin);
    whs_lane_place(lanes, lane);
}

/* --- All of them. --- */

static void
wake_lane(struct whs_lanes *lanes, struct whs_lane *lane)
{
    if (!lane->first) {
        whs_lane_place(lanes, lane);
        return;
    }
    stand_ready(lane);
    whs_origin_place(&lanes->origins, lane->origin);
}

void
whs_lanes_wake(struct whs_lanes *lanes, int64_t mono_ms)
{
    struct whs_origins *origins = &lanes->origins;
    struct whs_timer *timer;
    origins->mono_ms = mono_ms;
    while ((timer = whs_timers_take_due(&lanes->waking, mono_ms)))
        wake_lane(lanes, WHS_HOLDER(timer, struct whs_lane, wake));
    while ((timer = whs_timers_take_due(&origins->reopening, mono_ms)))
        whs_origin_place(origins, WHS_HOLDER(timer, struct whs_origin, reopening));
}

int64_t
whs_lanes_next(const struct whs_lanes *lanes)
{
    int64_t waking = whs_timers_next(&lanes->waking);
    int64_t reopening = whs_timers_next(&lanes->origins.reopening);
    return waking < reopening ? waking : reopening;
}

static void
drop_lane(struct whs_lanes *lanes, struct whs_lane *lane)
{
    while (lane->first)
        whs_delivery_drop(whs_lane_take_one(lane));
    free_lane(lanes, lane);
}

void
whs_lanes_fini(struct whs_lanes *lanes)
{
    for (size_t i = 0; lanes->table.heads && i <= lanes->table.mask; i++)
        while (lanes->table.heads[i])
            drop_lane(lanes, WHS_HOLDER(lanes->table.heads[i], struct whs_lane, entry));
    whs_table_fini(&lanes->table);
    whs_origins_fini(&lanes->origins);
}
