/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "alloc.h"
#include "cond.h"

struct whs_report_queue {
    size_t slots;
    /* Only the engine thread adds to these two; anybody takes away. */
    atomic_size_t used;  /* slots reserved or unsettled */
    atomic_size_t loose; /* deliveries unsettled in reports without a slot */
    atomic_bool refused; /* reserve or room said no since on_room was called */
    void (*on_room)(void *ctx);
    void *ctx;
    size_t gather_max;
    int gather_ms;

    /* The engine thread's: of `spare`, what it took to itself. */
    struct whs_report *blanks;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* on the monotonic clock */
    /* Under the lock. */
    struct whs_report *first;
    struct whs_report **last; /* where the next one is linked */
    size_t ready;             /* deliveries in them */
    size_t wanted;            /* so many end a taker's wait */
    bool quiet;               /* nothing comes soon after what is here */
    bool woken;
    int takers;               /* threads that wait */
    struct whs_report *spare; /* of one delivery each, settled: to be used again */
};

struct whs_report *
whs_report_create(size_t count)
{
    struct whs_report *report =
        whs_calloc(1, sizeof(*report) + count * sizeof(report->deliveries[0]));
    if (report)
        report->count = count;
    return report;
}

void
whs_report_destroy(struct whs_report *reports)
{
    while (reports) {
        struct whs_report *next = reports->next;
        whs_free(reports->snippet);
        whs_free(reports);
        reports = next;
    }
}

struct whs_report_queue *
whs_report_queue_create(size_t slots)
{
    struct whs_report_queue *queue = whs_calloc(1, sizeof(*queue));
    if (!queue)
        return NULL;
    queue->slots = slots;
    atomic_init(&queue->used, 0);
    atomic_init(&queue->loose, 0);
    atomic_init(&queue->refused, false);
    pthread_mutex_init(&queue->lock, NULL);
    whs_cond_init(&queue->changed);
    queue->last = &queue->first;
    return queue;
}

void
whs_report_queue_destroy(struct whs_report_queue *queue)
{
    if (!queue)
        return;
    whs_report_destroy(queue->first);
    whs_report_destroy(queue->spare);
    whs_report_destroy(queue->blanks);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    whs_free(queue);
}

void
whs_report_queue_on_room(struct whs_report_queue *queue, void (*call)(void *ctx),
                         void *ctx)
{
    queue->on_room = call;
    queue->ctx = ctx;
}

void
whs_report_queue_gather(struct whs_report_queue *queue, size_t max, int ms)
{
    queue->gather_max = max;
    queue->gather_ms = ms;
}

size_t
whs_report_queue_used(struct whs_report_queue *queue)
{
    return atomic_load(&queue->used);
}

static size_t
count_free(struct whs_report_queue *queue, size_t taken)
{
    return taken < queue->slots ? queue->slots - taken : 0;
}

/* The engine thread asks a second time after it has left its mark: a settle between the
 * two would otherwise free a slot without anybody being called. */
static size_t
count_free_or_mark(struct whs_report_queue *queue, bool with_loose)
{
    for (int round = 0;; round++) {
        size_t taken = atomic_load(&queue->used);
        if (with_loose)
            taken += atomic_load(&queue->loose);
        size_t left = count_free(queue, taken);
        if (left || round)
            return left;
        atomic_store(&queue->refused, true);
    }
}

bool
whs_report_queue_reserve(struct whs_report_queue *queue)
{
#ifdef WHS_SABOTAGE_no_report_slot
    atomic_fetch_add(&queue->used, 1);
    return true;
#endif
    if (!count_free_or_mark(queue, false))
        return false;
    atomic_fetch_add(&queue->used, 1);
    return true;
}

void
whs_report_queue_unreserve(struct whs_report_queue *queue)
{
    size_t before = atomic_fetch_sub(&queue->used, 1);
    assert(before > 0);
    (void)before;
}

size_t
whs_report_queue_room(struct whs_report_queue *queue)
{
    return count_free_or_mark(queue, true);
}

/* Memory that one thread gives back and another asks for is dear: most are used again.
 */
struct whs_report *
whs_report_queue_blank(struct whs_report_queue *queue, size_t count)
{
    if (count != 1)
        return whs_report_create(count);
    if (!queue->blanks) {
        pthread_mutex_lock(&queue->lock);
        queue->blanks = queue->spare;
        queue->spare = NULL;
        pthread_mutex_unlock(&queue->lock);
    }
    struct whs_report *report = queue->blanks;
    if (!report)
        return whs_report_create(1);
    queue->blanks = report->next;
    memset(report, 0, sizeof(*report) + sizeof(report->deliveries[0]));
    report->count = 1;
    return report;
}

void
whs_report_queue_put(struct whs_report_queue *queue, struct whs_report *report)
{
    size_t loose = 0, count = 0;
    struct whs_report **last = &report->next;
    for (struct whs_report *each = report; each; each = each->next) {
        loose += each->holds_slot ? 0 : each->count;
        count += each->count;
        last = &each->next;
    }
    atomic_fetch_add(&queue->loose, loose);

    pthread_mutex_lock(&queue->lock);
    *queue->last = report;
    queue->last = last;
    queue->ready += count;
    queue->quiet = false;
    bool waited_for = queue->takers > 0 && queue->ready >= queue->wanted;
    pthread_mutex_unlock(&queue->lock);
    if (waited_for)
        pthread_cond_signal(&queue->changed);
}

void
whs_report_queue_quiet(struct whs_report_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->quiet = true;
    bool waited_for = queue->takers > 0 && queue->ready > 0;
    pthread_mutex_unlock(&queue->lock);
    if (waited_for)
        pthread_cond_signal(&queue->changed);
}

static void
wait_for_locked(struct whs_report_queue *queue, size_t wanted, int timeout_ms)
{
    struct timespec until = whs_cond_deadline(timeout_ms);
    queue->takers++;
    queue->wanted = wanted;
    while (queue->ready < wanted && !(queue->ready > 0 && queue->quiet) &&
           !queue->woken)
        if (!whs_cond_wait_locked(&queue->changed, &queue->lock, &until))
            break;
    queue->takers--;
}

/* The first one may be long in coming; those behind it are close. */
static void
wait_locked(struct whs_report_queue *queue, int timeout_ms)
{
    wait_for_locked(queue, 1, timeout_ms);
    if (queue->ready > 0 && queue->gather_ms > 0)
        wait_for_locked(queue, queue->gather_max, queue->gather_ms);
    queue->woken = false;
}

static struct whs_report *
cut_locked(struct whs_report_queue *queue, size_t max)
{
    struct whs_report *first = queue->first;
    if (!first)
        return NULL;
    struct whs_report *end = first;
    size_t count = first->count;
    while (end->next && count + end->next->count <= max) {
        end = end->next;
        count += end->count;
    }
    queue->ready -= count;
    queue->first = end->next;
    if (!queue->first)
        queue->last = &queue->first;
    end->next = NULL;
    return first;
}

struct whs_report *
whs_report_queue_take(struct whs_report_queue *queue, size_t max, int timeout_ms)
{
    pthread_mutex_lock(&queue->lock);
    if (timeout_ms > 0)
        wait_locked(queue, timeout_ms);
    struct whs_report *reports = cut_locked(queue, max);
    pthread_mutex_unlock(&queue->lock);
    return reports;
}

/* No more are spare than were under way at once, each in its slot. */
static bool
is_spare(const struct whs_report *report)
{
    return report->holds_slot && report->count == 1;
}

static void
keep_spare(struct whs_report_queue *queue, struct whs_report *first,
           struct whs_report **last)
{
    if (!first)
        return;
    pthread_mutex_lock(&queue->lock);
    *last = queue->spare;
    queue->spare = first;
    pthread_mutex_unlock(&queue->lock);
}

void
whs_report_queue_settled(struct whs_report_queue *queue, struct whs_report *reports)
{
    size_t slots = 0, loose = 0;
    struct whs_report *spare = NULL, **last = &spare;
    while (reports) {
        struct whs_report *report = reports;
        reports = report->next;
        report->next = NULL;
        slots += report->holds_slot;
        loose += report->holds_slot ? 0 : report->count;
        if (!is_spare(report)) {
            whs_report_destroy(report);
            continue;
        }
        whs_free(report->snippet);
        report->snippet = NULL;
        *last = report;
        last = &report->next;
    }
    keep_spare(queue, spare, last);
    atomic_fetch_sub(&queue->used, slots);
    atomic_fetch_sub(&queue->loose, loose);
    if (queue->on_room && atomic_exchange(&queue->refused, false))
        queue->on_room(queue->ctx);
}

void
whs_report_queue_return(struct whs_report_queue *queue, struct whs_report *reports)
{
    if (!reports)
        return;
    size_t count = reports->count;
    struct whs_report **last = &reports->next;
    for (; *last; last = &(*last)->next)
        count += (*last)->count;
    pthread_mutex_lock(&queue->lock);
    *last = queue->first;
    if (!queue->first)
        queue->last = last;
    queue->first = reports;
    queue->ready += count;
    bool waited_for = queue->takers > 0;
    pthread_mutex_unlock(&queue->lock);
    if (waited_for)
        pthread_cond_signal(&queue->changed);
}

void
whs_report_queue_wake(struct whs_report_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->woken = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

bool
whs_report_is_attempt(const struct whs_report *report,
                      const struct whs_reported *reported)
{
    if (report->started_at_ms == 0)
        return false;
    return report->outcome != WHS_OUTCOME_SUCCESS || reported->attempts > 1 ||
           reported->claimed_row;
}
