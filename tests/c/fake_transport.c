/* SPDX-License-Identifier: MIT */
#include "fake_transport.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cond.h"

/* All memory here is the C library's: a test may be failing the core's. */

static struct fake_transport *
from_base(struct whs_transport *transport)
{
    return (struct fake_transport *)(void *)transport;
}

static int64_t
now_ms(const struct fake_transport *fake)
{
    return fake->clock ? fake->clock->mono_ms : 0;
}

static char *
join_headers(const struct whs_request *request)
{
    size_t size = 1, at = 0;
    for (size_t i = 0; i < request->header_count; i++)
        size += request->headers[i].name.len + request->headers[i].value.len + 3;
    char *text = malloc(size);
    text[0] = '\0';
    for (size_t i = 0; i < request->header_count; i++) {
        const struct whs_header *header = &request->headers[i];
        at += (size_t)snprintf(text + at, size - at, "%.*s: %.*s\n",
                               (int)header->name.len, header->name.ptr,
                               (int)header->value.len, header->value.ptr);
    }
    return text;
}

static void
copy_request(struct fake_request *to, const struct whs_request *from)
{
    assert(from->socket_event.ptr || from->url.ptr[from->url.len] == '\0');
    to->method = from->method;
    to->url = from->url.ptr ? strndup(from->url.ptr, from->url.len) : NULL;
    if (from->socket_event.ptr)
        to->socket_event = strndup(from->socket_event.ptr, from->socket_event.len);
    to->origin = strndup(from->origin.ptr, from->origin.len);
    to->headers = join_headers(from);
    to->body = strndup(from->body.ptr, from->body.len);
    to->fresh_connection = from->fresh_connection;
}

static struct fake_answer
choose_answer(struct fake_transport *fake, const struct whs_request *request)
{
    if (fake->script_len > 0) {
        fake->script_len--;
        return *fake->script++;
    }
    for (size_t i = 0; i < fake->rule_count; i++)
        if (whs_slice_equal(request->origin, whs_slice_of(fake->rules[i].origin)))
            return fake->rules[i].answer;
    return fake->usual;
}

static enum whs_status
start_exchange(struct whs_transport *transport, struct whs_exchange *exchange,
               struct whs_error *err)
{
    struct fake_transport *fake = from_base(transport);
    (void)err;
    if (fake->refuses != WHS_OK)
        return fake->refuses;
    assert(fake->request_count < FAKE_REQUESTS_MAX);
    struct fake_request *request = &fake->requests[fake->request_count++];
    *request = (struct fake_request){.exchange = exchange, .under_way = true};
    request->answer = choose_answer(fake, &exchange->request);
    int64_t takes_ms = request->answer.takes_ms;
    request->due_ms = takes_ms == FAKE_NEVER ? FAKE_NEVER : now_ms(fake) + takes_ms;
    if (!fake->forgetful)
        copy_request(request, &exchange->request);
    if (++fake->in_flight > fake->in_flight_peak)
        fake->in_flight_peak = fake->in_flight;
    return WHS_OK;
}

static void
write_answer(struct fake_transport *fake, struct fake_request *request)
{
    struct whs_answer *answer = &request->exchange->answer;
    const struct fake_answer *wanted = &request->answer;
    answer->outcome = wanted->outcome ? wanted->outcome : WHS_OUTCOME_SUCCESS;
    answer->http_status = wanted->outcome ? wanted->http_status : 204;
    answer->retry_after_ms = wanted->retry_after_ms > 0 ? wanted->retry_after_ms : -1;
    answer->duration_ms = wanted->takes_ms == FAKE_NEVER ? 0 : wanted->takes_ms;
    snprintf(answer->address, sizeof(answer->address), "192.0.2.1");
    if (wanted->body)
        whs_buf_append_slice(&answer->body, whs_slice_of(wanted->body));
    request->under_way = false;
    fake->in_flight--;
}

static struct whs_exchange *
collect_due(struct fake_transport *fake)
{
    struct whs_exchange *first = NULL, **last = &first;
    bool all_done = true;
    for (size_t i = fake->first_under_way; i < fake->request_count; i++) {
        struct fake_request *request = &fake->requests[i];
        if (request->under_way && request->due_ms <= now_ms(fake)) {
            write_answer(fake, request);
            request->exchange->next_done = NULL;
            *last = request->exchange;
            last = &request->exchange->next_done;
        }
        all_done = all_done && !request->under_way;
        if (all_done)
            fake->first_under_way = i + 1;
    }
    return first;
}

static void
wait_for_wake(struct fake_transport *fake, int timeout_ms)
{
    struct timespec deadline = whs_cond_deadline(timeout_ms);
    pthread_mutex_lock(&fake->lock);
    while (fake->wakes == 0)
        if (!whs_cond_wait_locked(&fake->woken, &fake->lock, &deadline))
            break;
    fake->wakes = 0;
    pthread_mutex_unlock(&fake->lock);
}

static void
move_clock(struct fake_transport *fake, int timeout_ms)
{
    int64_t until_ms = now_ms(fake) + timeout_ms;
    for (size_t i = fake->first_under_way; i < fake->request_count; i++)
        if (fake->requests[i].under_way && fake->requests[i].due_ms < until_ms)
            until_ms = fake->requests[i].due_ms;
    fake_clock_advance(fake->clock, until_ms - now_ms(fake));
}

static struct whs_exchange *
poll_exchanges(struct whs_transport *transport, int timeout_ms)
{
    struct fake_transport *fake = from_base(transport);
    struct whs_exchange *done = collect_due(fake);
    if (done || timeout_ms == 0)
        return done;
    if (fake->clock)
        move_clock(fake, timeout_ms);
    else
        wait_for_wake(fake, timeout_ms);
    return collect_due(fake);
}

static void
cancel_exchange(struct whs_transport *transport, struct whs_exchange *exchange)
{
    struct fake_transport *fake = from_base(transport);
    for (size_t i = 0; i < fake->request_count; i++)
        if (fake->requests[i].under_way && fake->requests[i].exchange == exchange) {
            fake->requests[i].under_way = false;
            fake->in_flight--;
            fake->cancelled++;
        }
}

static void
wake(struct whs_transport *transport)
{
    struct fake_transport *fake = from_base(transport);
    pthread_mutex_lock(&fake->lock);
    fake->wakes++;
    pthread_cond_signal(&fake->woken);
    pthread_mutex_unlock(&fake->lock);
}

static void
destroy(struct whs_transport *transport)
{
    struct fake_transport *fake = from_base(transport);
    assert(fake->in_flight == 0);
    for (size_t i = 0; i < fake->request_count; i++) {
        free(fake->requests[i].url);
        free(fake->requests[i].socket_event);
        free(fake->requests[i].origin);
        free(fake->requests[i].headers);
        free(fake->requests[i].body);
    }
    pthread_cond_destroy(&fake->woken);
    pthread_mutex_destroy(&fake->lock);
    free(fake->requests);
    free(fake);
}

struct fake_transport *
fake_transport_create(struct fake_clock *clock)
{
    static const struct whs_transport_verbs verbs = {start_exchange, poll_exchanges,
                                                     cancel_exchange, wake, destroy};
    struct fake_transport *fake = calloc(1, sizeof(*fake));
    fake->base.verbs = &verbs;
    fake->clock = clock;
    fake->requests = calloc(FAKE_REQUESTS_MAX, sizeof(*fake->requests));
    pthread_mutex_init(&fake->lock, NULL);
    whs_cond_init(&fake->woken);
    return fake;
}

void
fake_transport_rule(struct fake_transport *fake, const char *origin,
                    struct fake_answer answer)
{
    size_t at = 0;
    while (at < fake->rule_count && strcmp(fake->rules[at].origin, origin) != 0)
        at++;
    assert(at < FAKE_RULES_MAX);
    fake->rules[at] = (struct fake_rule){origin, answer};
    if (at == fake->rule_count)
        fake->rule_count++;
}

void
fake_transport_script(struct fake_transport *fake, const struct fake_answer *answers,
                      size_t count)
{
    fake->script = answers;
    fake->script_len = count;
}

void
fake_transport_release(struct fake_transport *fake, struct fake_answer answer)
{
    for (size_t i = fake->first_under_way; i < fake->request_count; i++)
        if (fake->requests[i].under_way && fake->requests[i].due_ms == FAKE_NEVER) {
            fake->requests[i].answer = answer;
            fake->requests[i].due_ms = 0;
        }
}

char *
fake_request_header(const struct fake_request *request, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = request->headers; *line; line = strchr(line, '\n') + 1)
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            return strndup(line + len + 2,
                           (size_t)(strchr(line, '\n') - line) - len - 2);
    return NULL;
}
