/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "alloc.h"
#include "cover.h"
#include "loop.h"

struct whs_engine {
    struct whs_engine_config config;
    struct whs_catalog *catalog; /* referenced */
    struct whs_matcher *matcher; /* owned */
    struct whs_loop loop;
    unsigned forks; /* as many as there were when it was made */
    /* Start and close exclude each other. */
    pthread_mutex_t lock;
    /* Under the lock. */
    pthread_t thread;
    bool started;
    bool closed;
};

const struct whs_engine_limits whs_engine_limits_default = {
#define X(name, value) .name = value,
    WHS_ENGINE_LIMIT_MAP(X)
#undef X
};

void
whs_engine_config_default(struct whs_engine_config *config)
{
    *config = (struct whs_engine_config){
        .limits = whs_engine_limits_default,
        .retry = whs_retry_policy_default,
        .integrity_encoding = WHS_ENCODING_HEX,
        .integrity_header = "integrityHash",
        .user_agent = "webhooksub",
        .spill = true,
        .clock = whs_clock_system,
        .random = whs_random_system,
    };
}

/* --- Life. --- */

/* How often this process was forked from one that had made an engine: getpid is a
 * system call, and each push asks. What is cloned past fork(3) is not seen. */
static atomic_uint forks;
static pthread_once_t watching = PTHREAD_ONCE_INIT;

static void
count_fork(void)
{
    atomic_fetch_add(&forks, 1);
}

static void
watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

/* What everything else relies on; Python's Config says it in its own words first. */
static bool
is_sound(const struct whs_engine_config *config)
{
    const struct whs_engine_limits *limits = &config->limits;
    return limits->queue_deliveries_max > 0 && limits->queue_bytes_max > 0 &&
           limits->in_flight_max > 0 && limits->in_flight_per_origin > 0 &&
           limits->in_flight_reserved_per_origin >= 0 &&
           limits->in_flight_per_subscription > 0 && limits->report_slots > 0 &&
           limits->spill_after_ms >= 0 && limits->breaker_failures > 0 &&
           limits->breaker_open_ms > 0 && config->retry.step_count > 0;
}

enum whs_status
whs_engine_create(const struct whs_engine_config *config, struct whs_catalog *catalog,
                  struct whs_transport *transport, struct whs_engine **out,
                  struct whs_error *err)
{
    *out = NULL;
    if (!is_sound(config)) {
        transport->verbs->destroy(transport);
        return whs_error_set(err, WHS_CONFIGURATION,
                             "a limit of the engine is not positive");
    }
    struct whs_engine *engine = whs_calloc(1, sizeof(*engine));
    if (!engine)
        goto fail;
    engine->config = *config;
    pthread_once(&watching, watch_forks);
    engine->forks = atomic_load(&forks);
    if (whs_matcher_create(catalog, &config->random, &engine->matcher) != WHS_OK)
        goto fail;
    if (!whs_loop_init(&engine->loop, &engine->config, engine->matcher, transport)) {
        transport = NULL;
        goto fail;
    }
    engine->catalog = whs_catalog_ref(catalog);
    pthread_mutex_init(&engine->lock, NULL);
    *out = engine;
    return WHS_OK;

fail:
    if (transport)
        transport->verbs->destroy(transport);
    if (engine)
        whs_matcher_destroy(engine->matcher);
    whs_free(engine);
    return whs_error_set(err, WHS_NO_MEMORY, "no memory for an engine");
}

bool
whs_engine_forked(const struct whs_engine *engine)
{
    return engine->forks != atomic_load(&forks);
}

static enum whs_status
refuse_fork(struct whs_error *err)
{
    return whs_error_set(err, WHS_FORKED, "%s", whs_status_message(WHS_FORKED));
}

/* In a forked child its locks may be held by threads that are not there: it is left as
 * it is. */
void
whs_engine_destroy(struct whs_engine *engine)
{
    if (!engine || whs_engine_forked(engine))
        return;
    whs_engine_close(engine, 0);
    whs_loop_fini(&engine->loop);
    whs_matcher_destroy(engine->matcher);
    whs_catalog_unref(engine->catalog);
    pthread_mutex_destroy(&engine->lock);
    whs_free(engine);
}

static void *
run_thread(void *arg)
{
    struct whs_engine *engine = arg;
    whs_loop_run(&engine->loop);
    return NULL;
}

/* Signals are for the host's threads. */
static int
create_thread(struct whs_engine *engine)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&engine->thread, NULL, run_thread, engine);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
#ifdef __linux__
    if (!failed)
        pthread_setname_np(engine->thread, "whs-engine");
#endif
    return failed;
}

enum whs_status
whs_engine_start(struct whs_engine *engine, struct whs_error *err)
{
    if (whs_engine_forked(engine))
        return refuse_fork(err);
    enum whs_status status = WHS_OK;
    pthread_mutex_lock(&engine->lock);
    if (engine->closed)
        status = whs_error_set(err, WHS_CLOSED, "the engine is closed");
    else if (!engine->started && create_thread(engine) != 0)
        status = whs_error_set(err, WHS_SYSTEM, "the engine thread cannot be created");
    engine->started |= status == WHS_OK;
    pthread_mutex_unlock(&engine->lock);
    return status;
}

/* Without a thread its turns run here. */
void
whs_engine_close(struct whs_engine *engine, int grace_ms)
{
    if (whs_engine_forked(engine))
        return;
    whs_loop_close(&engine->loop, grace_ms);
    pthread_mutex_lock(&engine->lock);
    if (!engine->closed) {
        if (engine->started)
            pthread_join(engine->thread, NULL);
        else
            whs_loop_run(&engine->loop);
        engine->closed = true;
    }
    pthread_mutex_unlock(&engine->lock);
}

enum whs_status
whs_engine_wait_idle(struct whs_engine *engine, int timeout_ms)
{
    if (whs_engine_forked(engine))
        return WHS_FORKED;
    return whs_loop_wait_idle(&engine->loop, timeout_ms);
}

void
whs_engine_turn(struct whs_engine *engine, int timeout_ms)
{
    whs_loop_turn(&engine->loop, timeout_ms);
}

void
whs_engine_extend_lease(struct whs_engine *engine, int64_t for_ms)
{
    const struct whs_clock *clock = &engine->config.clock;
    if (whs_engine_forked(engine))
        return;
    atomic_store(&engine->loop.work.lease_until_ms,
                 clock->mono_ms(clock->ctx) + for_ms);
    whs_loop_nudge(&engine->loop);
}

/* --- Subscriptions. --- */

struct whs_matcher *
whs_engine_matcher(struct whs_engine *engine)
{
    return engine->matcher;
}

/* After the change: what was looked up before it is looked up again. */
static void
move_generation(struct whs_engine *engine)
{
    atomic_fetch_add(&engine->loop.work.generation, 1);
}

enum whs_status
whs_engine_put_subscriber(struct whs_engine *engine, struct whs_subscriber *sub,
                          struct whs_error *err)
{
    if (whs_engine_forked(engine))
        return refuse_fork(err);
    enum whs_status status = whs_matcher_put(engine->matcher, sub, err);
    move_generation(engine);
    return status;
}

/* The removal follows the change, so that whoever comes behind it in the queue is seen
 * to be gone. */
enum whs_status
whs_engine_remove_subscriber(struct whs_engine *engine, int64_t seq,
                             enum whs_removal removal)
{
    if (whs_engine_forked(engine))
        return WHS_FORKED;
    struct whs_item *item = whs_removal_create(seq, removal == WHS_REMOVAL_CANCEL);
    if (!item)
        return WHS_NO_MEMORY;
    enum whs_status status = whs_matcher_remove(engine->matcher, seq);
    move_generation(engine);
    if (whs_queue_push(&engine->loop.work.queue, item) != WHS_OK)
        whs_item_destroy(item);
    whs_loop_nudge(&engine->loop);
    return status;
}

/* --- Work. --- */

struct whs_engine_room
whs_engine_room(struct whs_engine *engine)
{
    struct whs_engine_room room = {0};
    if (whs_engine_forked(engine))
        return room;
    struct whs_queue *queue = &engine->loop.work.queue;
    room.deliveries = queue->deliveries_max - atomic_load(&queue->deliveries);
    room.bytes = queue->bytes_max - atomic_load(&queue->bytes);
    room.deliveries = room.deliveries > 0 ? room.deliveries : 0;
    room.bytes = room.bytes > 0 ? room.bytes : 0;
    return room;
}

static int
compare_seqs(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Recovery: these have their delivery row already. */
static void
drop_settled(struct whs_matches *matches, const int64_t *settled, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < matches->len; i++) {
        struct whs_match match = matches->items[i];
        if (bsearch(&match.sub->seq, settled, count, sizeof(*settled), compare_seqs))
            whs_subscriber_unref(match.sub);
        else
            matches->items[kept++] = match;
    }
    matches->len = kept;
}

/* Takes the references of the matches when it succeeds. */
static enum whs_status
push_fanout(struct whs_engine *engine, struct whs_event *event,
            const struct whs_match *matches, size_t count, int attempts,
            bool claimed_row, struct whs_error *err)
{
    struct whs_fanout *fanout = whs_fanout_create(event, matches, count);
    if (!fanout)
        return whs_error_set(err, WHS_NO_MEMORY, "no memory for a fan-out");
    fanout->claimed_row = claimed_row;
    for (size_t i = 0; i < count; i++)
        fanout->deliveries[i].attempts = attempts;
    enum whs_status status = whs_queue_push(&engine->loop.work.queue, &fanout->item);
    if (status == WHS_OK) {
        whs_loop_nudge(&engine->loop);
        return WHS_OK;
    }
    for (size_t i = 0; i < count; i++)
        whs_subscriber_ref(matches[i].sub);
    whs_fanout_destroy(fanout);
    return whs_error_set(err, status, "%s", whs_status_message(status));
}

enum whs_status
whs_engine_push(struct whs_engine *engine, struct whs_event *event,
                const int64_t *settled, size_t settled_count, size_t *matches,
                struct whs_error *err)
{
    *matches = 0;
    if (whs_engine_forked(engine))
        return refuse_fork(err);
    if (whs_queue_is_full(&engine->loop.work.queue))
        return whs_error_set(err, WHS_FULL, "%s", whs_status_message(WHS_FULL));
    struct whs_matches found = {0};
    enum whs_status status =
        whs_matcher_match(engine->matcher, event->paths, event->path_count,
                          event->action, event->revision, &found, err);
    if (status == WHS_OK && settled_count > 0)
        drop_settled(&found, settled, settled_count);
    if (status == WHS_OK && found.len > 0) {
        size_t count = found.len;
        status = push_fanout(engine, event, found.items, count, 0, false, err);
        if (status == WHS_OK) {
            *matches = count;
            found.len = 0;
        }
    }
    whs_matches_fini(&found);
    return status;
}

/* A row says who, not by which path. One that was matched and is covered no more keeps
 * the first. */
static uint8_t
find_path(const struct whs_engine *engine, const struct whs_subscription *subscription,
          const struct whs_event *event)
{
    int path = 0;
    if (event->path_count > 1)
        path = whs_cover_find(engine->catalog, subscription->resource,
                              subscription->action, event->paths, event->path_count,
                              event->action);
    return (uint8_t)(path < 0 ? 0 : path);
}

enum whs_status
whs_engine_push_due(struct whs_engine *engine, struct whs_event *event,
                    int64_t subscription_seq, int attempts, struct whs_error *err)
{
    if (whs_engine_forked(engine))
        return refuse_fork(err);
    struct whs_match match = {whs_matcher_find(engine->matcher, subscription_seq), 0};
    if (!match.sub)
        return whs_error_set(err, WHS_NOT_FOUND, "no subscription %lld",
                             (long long)subscription_seq);
    match.path = find_path(engine, match.sub->subscription, event);
    enum whs_status status = push_fanout(engine, event, &match, 1, attempts, true, err);
    if (status != WHS_OK)
        whs_subscriber_unref(match.sub);
    return status;
}

enum whs_status
whs_engine_reopen(struct whs_engine *engine, struct whs_slice origin)
{
    if (whs_engine_forked(engine))
        return WHS_FORKED;
    struct whs_item *item = whs_reopening_create(origin);
    if (!item)
        return WHS_NO_MEMORY;
    enum whs_status status = whs_queue_push(&engine->loop.work.queue, item);
    if (status != WHS_OK)
        whs_item_destroy(item);
    whs_loop_nudge(&engine->loop);
    return status;
}

static bool
is_running(struct whs_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    bool running = engine->started && !engine->closed;
    pthread_mutex_unlock(&engine->lock);
    return running;
}

/* An engine that is closed meanwhile ends the ask, or refuses it. */
enum whs_status
whs_engine_ask(struct whs_engine *engine, struct whs_ask *ask, struct whs_error *err)
{
    if (whs_engine_forked(engine))
        return refuse_fork(err);
    if (!is_running(engine))
        return whs_error_set(err, WHS_CLOSED, "%s", whs_status_message(WHS_CLOSED));
    enum whs_status status = whs_asks_put(&engine->loop.asks, ask, err);
    if (status != WHS_OK)
        return status;
    whs_loop_nudge(&engine->loop);
    return WHS_OK;
}

bool
whs_engine_ask_wait(struct whs_engine *engine, const struct whs_ask *ask,
                    int timeout_ms)
{
    return whs_asks_wait(&engine->loop.asks, ask, timeout_ms);
}

void
whs_engine_ask_give_up(struct whs_engine *engine, struct whs_ask *ask)
{
    whs_asks_give_up(&engine->loop.asks, ask);
    whs_loop_nudge(&engine->loop);
}

/* --- Reports. --- */

struct whs_report_queue *
whs_engine_reports(struct whs_engine *engine)
{
    return engine->loop.work.reports;
}

void
whs_engine_stats(struct whs_engine *engine, struct whs_engine_stats *out)
{
    *out = (struct whs_engine_stats){0};
    if (whs_engine_forked(engine))
        return;
    struct whs_work *work = &engine->loop.work;
#define X(name)                                                                        \
    out->name = atomic_load_explicit(&work->counters.name, memory_order_relaxed);
    WHS_ENGINE_COUNTER_MAP(X)
#undef X
    out->queued = atomic_load(&work->queue.deliveries);
    out->queued_bytes = atomic_load(&work->queue.bytes);
    out->unsettled = (int64_t)whs_report_queue_used(work->reports);
}
