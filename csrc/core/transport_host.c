/* SPDX-License-Identifier: MIT */
#include "transport_host.h"

#include <pthread.h>
#include <string.h>

#include "alloc.h"
#include "cond.h"
#include "list.h"
#include "table.h"

const struct whs_host_config whs_host_config_default = {
    .serves = false,
    .answer_timeout_ms = 15000,
};

/* One request of a socket, from start to poll. */
struct handover {
    struct whs_entry entry; /* in host.under_way */
    struct whs_link link;   /* in offered, taken or answered */
    uint64_t ticket;
    struct whs_exchange *exchange;
    struct whs_host_request *request; /* owned; NULL once taken */
    int64_t began_ms;
    int64_t ended_ms;
    enum whs_outcome outcome; /* once answered */
};

struct whs_host {
    struct whs_transport base;
    struct whs_host_config config;
    struct whs_transport *http; /* owned */

    pthread_mutex_t lock;
    pthread_cond_t some_offered;
    /* Under the lock. */
    struct whs_table under_way; /* offered or taken, by ticket */
    struct whs_link offered;    /* this and the next: oldest first */
    struct whs_link taken;
    struct whs_link answered;
    uint64_t last_ticket;
    bool woken;
};

static struct whs_host *
from_base(struct whs_transport *transport)
{
    return (struct whs_host *)(void *)transport;
}

static int64_t
now_ms(const struct whs_host *host)
{
    return host->config.clock.mono_ms(host->config.clock.ctx);
}

static struct handover *
first_of(const struct whs_link *list)
{
    struct whs_link *link = whs_list_first(list);
    return link ? WHS_HOLDER(link, struct handover, link) : NULL;
}

/* --- Requests. --- */

static struct whs_slice
copy_text(char **at, struct whs_slice text)
{
    struct whs_slice copy = {*at, text.len};
    if (text.len)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

static struct whs_host_request *
copy_request(const struct whs_request *from)
{
    size_t bytes = from->origin.len + from->socket_event.len + from->body.len;
    struct whs_host_request *copy = whs_alloc(sizeof(*copy) + bytes);
    if (!copy)
        return NULL;
    char *at = (char *)(copy + 1);
    *copy = (struct whs_host_request){.next = NULL};
    copy->origin = copy_text(&at, from->origin);
    copy->event = copy_text(&at, from->socket_event);
    copy->body = copy_text(&at, from->body);
    return copy;
}

void
whs_host_request_destroy(struct whs_host_request *requests)
{
    while (requests) {
        struct whs_host_request *next = requests->next;
        whs_free(requests);
        requests = next;
    }
}

static void
free_handover(struct handover *handover)
{
    whs_host_request_destroy(handover->request);
    whs_free(handover);
}

static struct handover *
create_handover(struct whs_exchange *exchange)
{
    struct handover *handover = whs_calloc(1, sizeof(*handover));
    if (!handover)
        return NULL;
    whs_link_init(&handover->link);
    handover->exchange = exchange;
    handover->request = copy_request(&exchange->request);
    if (handover->request)
        return handover;
    whs_free(handover);
    return NULL;
}

/* --- The engine's thread. --- */

/* Tickets are spread by the table's own growth: they are handed out in order. */
static void
offer(struct whs_host *host, struct handover *handover)
{
    pthread_mutex_lock(&host->lock);
    handover->ticket = handover->request->ticket = ++host->last_ticket;
    whs_table_add(&host->under_way, &handover->entry, handover->ticket);
    whs_list_append(&host->offered, &handover->link);
    pthread_mutex_unlock(&host->lock);
    pthread_cond_signal(&host->some_offered);
}

static void
answer_absent(struct whs_host *host, struct handover *handover)
{
    handover->outcome = WHS_OUTCOME_NOT_CONNECTED;
    pthread_mutex_lock(&host->lock);
    whs_list_append(&host->answered, &handover->link);
    pthread_mutex_unlock(&host->lock);
}

static enum whs_status
start_exchange(struct whs_transport *transport, struct whs_exchange *exchange,
               struct whs_error *err)
{
    struct whs_host *host = from_base(transport);
    if (!exchange->request.socket_event.ptr)
        return host->http->verbs->start(host->http, exchange, err);
    struct handover *handover = create_handover(exchange);
    if (!handover)
        return whs_error_set(err, WHS_NO_MEMORY, "no memory for an event");
    handover->began_ms = handover->ended_ms = now_ms(host);
    exchange->transfer = handover;
    if (host->config.serves)
        offer(host, handover);
    else
        answer_absent(host, handover);
    return WHS_OK;
}

static void
end_locked(struct whs_host *host, struct handover *handover, enum whs_outcome outcome)
{
    handover->outcome = outcome;
    handover->ended_ms = now_ms(host);
    whs_table_remove(&host->under_way, &handover->entry);
    whs_list_remove(&handover->link);
    whs_list_append(&host->answered, &handover->link);
}

/* What nobody took was sent to nobody. */
static void
expire_locked(struct whs_host *host)
{
    struct handover *handover;
    int64_t oldest_ms = now_ms(host) - host->config.answer_timeout_ms;
    while ((handover = first_of(&host->offered)) && handover->began_ms <= oldest_ms)
        end_locked(host, handover, WHS_OUTCOME_LOCAL_ERROR);
    while ((handover = first_of(&host->taken)) && handover->began_ms <= oldest_ms)
        end_locked(host, handover, WHS_OUTCOME_TIMEOUT);
}

static void
write_answer(struct handover *handover)
{
    struct whs_exchange *exchange = handover->exchange;
    exchange->answer.outcome = handover->outcome;
    exchange->answer.duration_ms = handover->ended_ms - handover->began_ms;
    exchange->transfer = NULL;
}

/* Those that have ended, before `others`. */
static struct whs_exchange *
collect_ended(struct whs_host *host, struct whs_exchange *others)
{
    struct whs_exchange *first = NULL, **last = &first;
    struct handover *handover;
    pthread_mutex_lock(&host->lock);
    expire_locked(host);
    while ((handover = first_of(&host->answered))) {
        whs_list_remove(&handover->link);
        write_answer(handover);
        *last = handover->exchange;
        last = &handover->exchange->next_done;
        free_handover(handover);
    }
    pthread_mutex_unlock(&host->lock);
    *last = others;
    return first;
}

static int64_t
until_due_locked(const struct whs_host *host, const struct whs_link *list)
{
    const struct handover *handover = first_of(list);
    if (!handover)
        return INT64_MAX;
    int64_t left_ms =
        handover->began_ms + host->config.answer_timeout_ms - now_ms(host);
    return left_ms > 0 ? left_ms : 0;
}

static int
choose_wait(struct whs_host *host, int timeout_ms)
{
    pthread_mutex_lock(&host->lock);
    int64_t offered_ms = until_due_locked(host, &host->offered);
    int64_t taken_ms = until_due_locked(host, &host->taken);
    bool ended = !whs_link_is_alone(&host->answered);
    pthread_mutex_unlock(&host->lock);
    int64_t due_ms = offered_ms < taken_ms ? offered_ms : taken_ms;
    return ended ? 0 : due_ms < timeout_ms ? (int)due_ms : timeout_ms;
}

static struct whs_exchange *
poll_exchanges(struct whs_transport *transport, int timeout_ms)
{
    struct whs_host *host = from_base(transport);
    struct whs_exchange *others =
        host->http->verbs->poll(host->http, choose_wait(host, timeout_ms));
    return collect_ended(host, others);
}

static void
cancel_exchange(struct whs_transport *transport, struct whs_exchange *exchange)
{
    struct whs_host *host = from_base(transport);
    struct handover *handover = exchange->transfer;
    if (!exchange->request.socket_event.ptr) {
        host->http->verbs->cancel(host->http, exchange);
        return;
    }
    if (!handover)
        return;
    pthread_mutex_lock(&host->lock);
    if (!handover->outcome)
        whs_table_remove(&host->under_way, &handover->entry);
    whs_list_remove(&handover->link);
    pthread_mutex_unlock(&host->lock);
    exchange->transfer = NULL;
    free_handover(handover);
}

static void
wake(struct whs_transport *transport)
{
    struct whs_host *host = from_base(transport);
    host->http->verbs->wake(host->http);
}

static void
destroy(struct whs_transport *transport)
{
    struct whs_host *host = from_base(transport);
    host->http->verbs->destroy(host->http);
    whs_table_fini(&host->under_way);
    pthread_cond_destroy(&host->some_offered);
    pthread_mutex_destroy(&host->lock);
    whs_free(host);
}

/* --- Any thread. --- */

static void
wait_locked(struct whs_host *host, int timeout_ms)
{
    struct timespec until = whs_cond_deadline(timeout_ms);
    while (whs_link_is_alone(&host->offered) && !host->woken)
        if (!whs_cond_wait_locked(&host->some_offered, &host->lock, &until))
            break;
    host->woken = false;
}

/* What was offered before the process was stopped, and its work taken over. */
static bool
end_late_locked(struct whs_host *host)
{
    struct handover *handover;
    int64_t mono_ms = now_ms(host);
    bool any = false;
    while ((handover = first_of(&host->offered)) &&
           whs_request_is_late(&handover->exchange->request, mono_ms)) {
        end_locked(host, handover, WHS_OUTCOME_SPILLED);
        any = true;
    }
    return any;
}

struct whs_host_request *
whs_host_take(struct whs_host *host, size_t max, int timeout_ms)
{
    struct whs_host_request *first = NULL, **last = &first;
    struct handover *handover;
    pthread_mutex_lock(&host->lock);
    wait_locked(host, timeout_ms);
    bool any_late = end_late_locked(host);
    while (max-- > 0 && (handover = first_of(&host->offered))) {
        whs_list_remove(&handover->link);
        whs_list_append(&host->taken, &handover->link);
        *last = handover->request;
        last = &handover->request->next;
        handover->request = NULL;
    }
    pthread_mutex_unlock(&host->lock);
    if (any_late)
        host->http->verbs->wake(host->http);
    return first;
}

void
whs_host_wake(struct whs_host *host)
{
    pthread_mutex_lock(&host->lock);
    host->woken = true;
    pthread_cond_broadcast(&host->some_offered);
    pthread_mutex_unlock(&host->lock);
}

static struct handover *
find_locked(const struct whs_host *host, uint64_t ticket)
{
    struct whs_entry *entry = whs_table_chain(&host->under_way, ticket);
    for (; entry; entry = entry->next) {
        struct handover *handover = WHS_HOLDER(entry, struct handover, entry);
        if (handover->ticket == ticket)
            return handover;
    }
    return NULL;
}

bool
whs_host_answer(struct whs_host *host, uint64_t ticket, enum whs_outcome outcome)
{
    pthread_mutex_lock(&host->lock);
    struct handover *handover = find_locked(host, ticket);
    if (handover)
        end_locked(host, handover, outcome);
    pthread_mutex_unlock(&host->lock);
    if (handover)
        host->http->verbs->wake(host->http);
    return handover != NULL;
}

/* --- Life. --- */

static const struct whs_transport_verbs verbs = {
    .start = start_exchange,
    .poll = poll_exchanges,
    .cancel = cancel_exchange,
    .wake = wake,
    .destroy = destroy,
};

enum whs_status
whs_transport_host_create(const struct whs_host_config *config,
                          struct whs_transport *http, struct whs_transport **out,
                          struct whs_host **out_host, struct whs_error *err)
{
    *out = NULL;
    *out_host = NULL;
    struct whs_host *host = whs_calloc(1, sizeof(*host));
    if (!host || !whs_table_init(&host->under_way)) {
        whs_free(host);
        http->verbs->destroy(http);
        return whs_error_set(err, WHS_NO_MEMORY, "out of memory");
    }
    host->base.verbs = &verbs;
    host->config = *config;
    if (!host->config.clock.mono_ms)
        host->config.clock = whs_clock_system;
    host->http = http;
    pthread_mutex_init(&host->lock, NULL);
    whs_cond_init(&host->some_offered);
    whs_link_init(&host->offered);
    whs_link_init(&host->taken);
    whs_link_init(&host->answered);
    *out = &host->base;
    *out_host = host;
    return WHS_OK;
}
