/* SPDX-License-Identifier: MIT */
#include "attempt.h"

#include "alloc.h"
#include "payload.h"
#include "retry.h"

/* A spare one keeps its buffers, but not those that grew beyond a usual body. */
#define BUFFER_KEPT_MAX (64 * 1024)

static struct whs_attempt *
take_spare(struct whs_work *work)
{
    struct whs_attempt *attempt = work->spare;
    if (!attempt) {
        attempt = whs_calloc(1, sizeof(*attempt));
        if (attempt)
            whs_link_init(&attempt->link);
        return attempt;
    }
    work->spare = attempt->next_spare;
    return attempt;
}

static void
free_attempt(struct whs_attempt *attempt)
{
    whs_buf_fini(&attempt->exchange.answer.body);
    whs_buf_fini(&attempt->body);
    whs_buf_fini(&attempt->ids);
    whs_free(attempt);
}

static void
keep_buffer(struct whs_buf *buf)
{
    if (buf->cap > BUFFER_KEPT_MAX)
        whs_buf_fini(buf);
    whs_buf_reset(buf);
}

static void
put_spare(struct whs_work *work, struct whs_attempt *attempt)
{
    keep_buffer(&attempt->exchange.answer.body);
    keep_buffer(&attempt->body);
    keep_buffer(&attempt->ids);
    attempt->next_spare = work->spare;
    work->spare = attempt;
}

void
whs_attempt_free_spares(struct whs_work *work)
{
    while (work->spare)
        free_attempt(take_spare(work));
}

/* --- The body. --- */

static void
render_one(struct whs_attempt *attempt)
{
    const struct whs_delivery *dlv = attempt->first;
    whs_notification_id(dlv->fanout->event->id, attempt->sub->id, attempt->id);
    whs_payload_render(&attempt->body, dlv->fanout->event, dlv->path, attempt->sub,
                       attempt->id);
}

static void
render_batch(struct whs_attempt *attempt)
{
    struct whs_buf *ids = &attempt->ids;
    if (!whs_buf_reserve(ids, attempt->count * WHS_NOTIFICATION_ID_SIZE)) {
        attempt->body.failed = true;
        return;
    }
    whs_payload_begin_batch(&attempt->body);
    for (const struct whs_delivery *dlv = attempt->first; dlv; dlv = dlv->next) {
        char *id = ids->ptr + ids->len;
        whs_notification_id(dlv->fanout->event->id, attempt->sub->id, id);
        ids->len += WHS_NOTIFICATION_ID_SIZE;
        if (dlv != attempt->first)
            whs_payload_next(&attempt->body);
        whs_payload_render(&attempt->body, dlv->fanout->event, dlv->path, attempt->sub,
                           id);
    }
    whs_payload_end_batch(&attempt->body);
    whs_batch_id((const char(*)[WHS_NOTIFICATION_ID_SIZE])ids->ptr, attempt->count,
                 attempt->id);
}

static bool
render(struct whs_attempt *attempt)
{
    if (attempt->batch)
        render_batch(attempt);
    else
        render_one(attempt);
    return !attempt->body.failed;
}

/* --- The request. --- */

static void
add_header(struct whs_request *request, struct whs_slice name, struct whs_slice value)
{
    request->headers[request->header_count++] = (struct whs_header){name, value};
}

/* A subscription may be older than the operator's name for integrityHash, or than our
 * traces: its own header of such a name is not sent. */
static bool
is_ours(const struct whs_work *work, const struct whs_attempt *attempt,
        struct whs_slice name)
{
    return whs_slice_equal_nocase(name, whs_slice_of(work->config->integrity_header)) ||
           (attempt->traceparent[0] &&
            whs_slice_equal_nocase(name, WHS_SLICE("traceparent")));
}

static void
add_headers(const struct whs_work *work, struct whs_attempt *attempt)
{
    struct whs_request *request = &attempt->exchange.request;
    const struct whs_subscription *subscription = attempt->sub->subscription;
    struct whs_slice integrity_header = whs_slice_of(work->config->integrity_header);
    request->header_count = 0;
    add_header(request, WHS_SLICE("Content-Type"), WHS_SLICE("application/json"));
    add_header(request, WHS_SLICE("User-Agent"),
               whs_slice_of(work->config->user_agent));
    add_header(request, WHS_SLICE("webhook-id"), whs_slice_of(attempt->id));
    add_header(request, WHS_SLICE("webhook-timestamp"),
               whs_slice_of(attempt->timestamp));
    if (attempt->sub->keys.len > 0) {
        add_header(request, WHS_SLICE("webhook-signature"),
                   whs_slice_of(attempt->signatures.standard));
        add_header(request, integrity_header,
                   whs_slice_of(attempt->signatures.integrity));
    }
    if (work->config->request_origin[0])
        add_header(request, WHS_SLICE("WebHook-Request-Origin"),
                   whs_slice_of(work->config->request_origin));
    if (attempt->traceparent[0])
        add_header(request, WHS_SLICE("traceparent"),
                   whs_slice_of(attempt->traceparent));
    request->plain_count = request->header_count;
    for (size_t i = 0; i < subscription->header_count; i++)
        if (!is_ours(work, attempt, subscription->headers[i].name))
            add_header(request, subscription->headers[i].name,
                       subscription->headers[i].value);
}

/* True when no member may be tried again after this. */
static bool
is_last(const struct whs_work *work, const struct whs_attempt *attempt)
{
    int made = 0;
    for (const struct whs_delivery *dlv = attempt->first; dlv; dlv = dlv->next)
        made = dlv->attempts > made ? dlv->attempts : made;
    return whs_retry_is_last(&work->config->retry, made + 1,
                             attempt->sub->subscription->max_retries);
}

static void
write_request(const struct whs_work *work, struct whs_attempt *attempt)
{
    struct whs_request *request = &attempt->exchange.request;
    const struct whs_subscription *subscription = attempt->sub->subscription;
    request->method = WHS_METHOD_POST;
    request->url = subscription->url;
    request->socket_event = subscription->channel == WHS_CHANNEL_SOCKET
                                ? subscription->socket_event
                                : (struct whs_slice){0};
    request->origin = attempt->origin->name;
    request->body = whs_buf_slice(&attempt->body);
    request->fresh_connection = is_last(work, attempt);
    request->lease_until_ms = &work->lease_until_ms;
    /* A batch has many traces. */
    attempt->traceparent[0] = '\0';
    if (work->config->traceparent && !attempt->batch)
        whs_traceparent(attempt->first->fanout->event->id, attempt->traceparent);
    add_headers(work, attempt);
}

/* An answer that nobody gave: what it is until the transport knows better. */
static void
reset_answer(struct whs_answer *answer)
{
    answer->outcome = WHS_OUTCOME_LOCAL_ERROR;
    answer->http_status = 0;
    answer->retry_after_ms = -1;
    answer->duration_ms = 0;
    answer->address[0] = '\0';
    answer->detail[0] = '\0';
    whs_buf_reset(&answer->body);
}

/* --- Its life. --- */

static void
take_members(struct whs_work *work, struct whs_attempt *attempt, struct whs_lane *lane)
{
    attempt->lane = lane;
    attempt->origin = lane->origin;
    attempt->sub = whs_subscriber_ref(lane->sub);
    attempt->batch = lane->sub->subscription->batching.max_notifications > 0;
    attempt->first = whs_lane_take(lane, &attempt->count);
    attempt->last = attempt->first;
    while (attempt->last->next)
        attempt->last = attempt->last->next;
    whs_lane_begin(&work->lanes, lane);
    whs_list_append(&work->in_flight, &attempt->link);
    work->in_flight_count++;
    whs_queue_release(&work->queue, attempt->count, 0);
}

static void
release_members(struct whs_work *work, struct whs_attempt *attempt)
{
    whs_list_remove(&attempt->link);
    work->in_flight_count--;
    whs_subscriber_unref(attempt->sub);
    whs_lane_end(&work->lanes, attempt->lane, attempt->origin);
    put_spare(work, attempt);
}

struct whs_attempt *
whs_attempt_create(struct whs_work *work, struct whs_lane *lane)
{
    struct whs_attempt *attempt = take_spare(work);
    if (!attempt)
        return NULL;
    take_members(work, attempt, lane);
    reset_answer(&attempt->exchange.answer);
    attempt->report = whs_report_queue_blank(work->reports, attempt->count);
    if (attempt->report && render(attempt))
        return attempt;
    whs_attempt_undo(work, attempt);
    return NULL;
}

void
whs_attempt_undo(struct whs_work *work, struct whs_attempt *attempt)
{
    whs_report_destroy(attempt->report);
    whs_queue_recount(&work->queue, attempt->count);
    whs_lane_put_back(attempt->lane, attempt->first, attempt->last, attempt->count);
    release_members(work, attempt);
}

enum whs_status
whs_attempt_send(struct whs_work *work, struct whs_attempt *attempt)
{
    int64_t timestamp_s = work->wall_ms / 1000;
    attempt->started_at_ms = work->wall_ms;
    whs_decimal_write(timestamp_s, attempt->timestamp);
    enum whs_status status =
        whs_sign_request(&attempt->sub->keys, work->config->integrity_encoding,
                         whs_slice_of(attempt->id), timestamp_s,
                         whs_buf_slice(&attempt->body), &attempt->signatures);
    if (status != WHS_OK)
        return status;
    write_request(work, attempt);
    return work->transport->verbs->start(work->transport, &attempt->exchange, NULL);
}

void
whs_attempt_free(struct whs_work *work, struct whs_attempt *attempt)
{
    release_members(work, attempt);
}
