/* SPDX-License-Identifier: MIT */
#include "ask.h"

#include "cond.h"

void
whs_asks_init(struct whs_asks *asks)
{
    atomic_init(&asks->news, false);
    atomic_init(&asks->given_up, false);
    whs_link_init(&asks->under_way);
    asks->under_way_count = 0;
    pthread_mutex_init(&asks->lock, NULL);
    whs_cond_init(&asks->some_ended);
    whs_link_init(&asks->waiting);
    asks->closed = false;
}

void
whs_asks_fini(struct whs_asks *asks)
{
    pthread_cond_destroy(&asks->some_ended);
    pthread_mutex_destroy(&asks->lock);
}

/* --- Any thread. --- */

void
whs_ask_init(struct whs_ask *ask, const struct whs_request *request)
{
    *ask = (struct whs_ask){.exchange.request = *request};
    ask->exchange.answer.outcome = WHS_OUTCOME_LOCAL_ERROR;
    ask->exchange.answer.retry_after_ms = -1;
    ask->exchange.fields = &ask->fields;
    whs_link_init(&ask->link);
}

void
whs_ask_fini(struct whs_ask *ask)
{
    whs_buf_fini(&ask->exchange.answer.body);
}

enum whs_status
whs_asks_put(struct whs_asks *asks, struct whs_ask *ask, struct whs_error *err)
{
    pthread_mutex_lock(&asks->lock);
    bool closed = asks->closed;
    if (!closed)
        whs_list_append(&asks->waiting, &ask->link);
    pthread_mutex_unlock(&asks->lock);
    if (closed)
        return whs_error_set(err, WHS_CLOSED, "%s", whs_status_message(WHS_CLOSED));
    atomic_store(&asks->news, true);
    return WHS_OK;
}

bool
whs_asks_wait(struct whs_asks *asks, const struct whs_ask *ask, int timeout_ms)
{
    struct timespec until = whs_cond_deadline(timeout_ms);
    bool in_time = true;
    pthread_mutex_lock(&asks->lock);
    while (!ask->ended && in_time)
        if (timeout_ms < 0)
            pthread_cond_wait(&asks->some_ended, &asks->lock);
        else
            in_time = whs_cond_wait_locked(&asks->some_ended, &asks->lock, &until);
    bool ended = ask->ended;
    pthread_mutex_unlock(&asks->lock);
    return ended;
}

void
whs_asks_give_up(struct whs_asks *asks, struct whs_ask *ask)
{
    pthread_mutex_lock(&asks->lock);
    ask->given_up = true;
    pthread_mutex_unlock(&asks->lock);
    atomic_store(&asks->given_up, true);
}

/* --- Engine thread. --- */

struct whs_ask *
whs_ask_of(struct whs_exchange *exchange)
{
    return exchange->fields ? (struct whs_ask *)(void *)exchange : NULL;
}

static struct whs_ask *
first_of(const struct whs_link *list)
{
    struct whs_link *link = whs_list_first(list);
    return link ? WHS_HOLDER(link, struct whs_ask, link) : NULL;
}

/* From here on the ask is its thread's again, which may free it at once. */
static void
let_go(struct whs_asks *asks, struct whs_ask *ask)
{
    pthread_mutex_lock(&asks->lock);
    ask->ended = true;
    pthread_cond_broadcast(&asks->some_ended);
    pthread_mutex_unlock(&asks->lock);
}

static struct whs_ask *
take_waiting(struct whs_asks *asks)
{
    pthread_mutex_lock(&asks->lock);
    struct whs_ask *ask = first_of(&asks->waiting);
    if (ask)
        whs_list_remove(&ask->link);
    pthread_mutex_unlock(&asks->lock);
    return ask;
}

static bool
may_start(struct whs_asks *asks)
{
    return atomic_load(&asks->news) && asks->under_way_count < WHS_ASKS_UNDER_WAY_MAX;
}

bool
whs_asks_has_news(struct whs_asks *asks)
{
    return atomic_load(&asks->given_up) || may_start(asks);
}

static struct whs_ask *
first_given_up(struct whs_asks *asks, const struct whs_link *list)
{
    struct whs_ask *found = NULL;
    pthread_mutex_lock(&asks->lock);
    for (struct whs_link *link = list->next; link != list && !found; link = link->next)
        if (WHS_HOLDER(link, struct whs_ask, link)->given_up)
            found = WHS_HOLDER(link, struct whs_ask, link);
    if (found && list == &asks->waiting)
        whs_list_remove(&found->link);
    pthread_mutex_unlock(&asks->lock);
    return found;
}

static void
cancel(struct whs_asks *asks, struct whs_ask *ask, struct whs_transport *transport)
{
    transport->verbs->cancel(transport, &ask->exchange);
    ask->exchange.answer.outcome = WHS_OUTCOME_CANCELLED;
    whs_asks_end(asks, ask);
}

static void
end_given_up(struct whs_asks *asks, struct whs_transport *transport)
{
    struct whs_ask *ask;
    if (!atomic_exchange(&asks->given_up, false))
        return;
    while ((ask = first_given_up(asks, &asks->waiting))) {
        ask->exchange.answer.outcome = WHS_OUTCOME_CANCELLED;
        let_go(asks, ask);
    }
    while ((ask = first_given_up(asks, &asks->under_way)))
        cancel(asks, ask, transport);
}

/* `news` goes down before the list is looked at: what comes behind that look puts it up
 * again. With no place left it stays as it is, for the end of another. */
void
whs_asks_start(struct whs_asks *asks, struct whs_transport *transport)
{
    end_given_up(asks, transport);
    while (may_start(asks)) {
        atomic_store(&asks->news, false);
        struct whs_ask *ask = take_waiting(asks);
        if (!ask)
            return;
        atomic_store(&asks->news, true);
        if (transport->verbs->start(transport, &ask->exchange, NULL) != WHS_OK) {
            let_go(asks, ask);
            continue;
        }
        whs_list_append(&asks->under_way, &ask->link);
        asks->under_way_count++;
    }
}

void
whs_asks_end(struct whs_asks *asks, struct whs_ask *ask)
{
    whs_list_remove(&ask->link);
    asks->under_way_count--;
    let_go(asks, ask);
}

void
whs_asks_close(struct whs_asks *asks, struct whs_transport *transport)
{
    struct whs_ask *ask;
    pthread_mutex_lock(&asks->lock);
    asks->closed = true;
    pthread_mutex_unlock(&asks->lock);
    while ((ask = take_waiting(asks))) {
        ask->exchange.answer.outcome = WHS_OUTCOME_CANCELLED;
        let_go(asks, ask);
    }
    while ((ask = first_of(&asks->under_way)))
        cancel(asks, ask, transport);
}
