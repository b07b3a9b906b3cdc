/* SPDX-License-Identifier: MIT */
#include "transport_curl_transfer.h"

#include <unistd.h>

#include "alloc.h"

struct whs_curl_transfer *
whs_curl_transfer_create(const struct whs_curl_config *config,
                         struct whs_curl_loop *loop, struct whs_curl_resolves *resolves,
                         struct whs_curl_names *names, struct whs_link *bodies)
{
    struct whs_curl_transfer *transfer = whs_calloc(1, sizeof(*transfer));
    if (!transfer)
        return NULL;
    transfer->config = config;
    transfer->loop = loop;
    transfer->resolves = resolves;
    transfer->names = names;
    transfer->bodies = bodies;
    whs_link_init(&transfer->link);
    whs_link_init(&transfer->whole);
    transfer->method = WHS_METHOD_POST;
    transfer->lookup_fd = -1;
    transfer->easy = curl_easy_init();
    transfer->url = curl_url();
    if (transfer->easy && transfer->url)
        return transfer;
    whs_curl_transfer_destroy(transfer);
    return NULL;
}

void
whs_curl_transfer_destroy(struct whs_curl_transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    curl_url_cleanup(transfer->url);
    whs_buf_fini(&transfer->url_text);
    whs_buf_fini(&transfer->lines);
    whs_free(transfer);
}

/* --- The request. --- */

/* Without a value libcurl wants to see "Name;" and sends "Name:", which is written here
 * where it does not look. */
static void
write_line(struct whs_buf *lines, const struct whs_header *header, bool seen)
{
    whs_buf_append_slice(lines, header->name);
    if (header->value.len > 0) {
        whs_buf_append(lines, ": ", 2);
        whs_buf_append_slice(lines, header->value);
    } else {
        whs_buf_append_char(lines, seen ? ';' : ':');
    }
}

/* Header lines stand in one buffer and the list's nodes in the transfer: nothing is
 * allocated for a request like the one before. libcurl goes through its list once for
 * each field that it knows, and sends the texts as they are: plain lines are one text.
 * "Expect:" is how it is told to leave its own away. */
static bool
write_headers(struct whs_curl_transfer *transfer, const struct whs_request *request)
{
    struct whs_buf *lines = &transfer->lines;
    size_t offsets[WHS_REQUEST_HEADERS_MAX + 1], count = 0;
    whs_buf_reset(lines);
    for (size_t i = 0; i < request->header_count; i++) {
        bool seen = i == 0 || i >= request->plain_count;
        if (i > 0)
            whs_buf_append(lines, seen ? "\0" : "\r\n", seen ? 1 : 2);
        if (seen)
            offsets[count++] = lines->len;
        write_line(lines, &request->headers[i], seen);
    }
    if (count > 0)
        whs_buf_append_char(lines, '\0');
    offsets[count++] = lines->len;
    whs_buf_append(lines, "Expect:", sizeof("Expect:"));
    if (lines->failed)
        return false;
    for (size_t i = 0; i < count; i++) {
        transfer->nodes[i].data = lines->ptr + offsets[i];
        transfer->nodes[i].next = i + 1 < count ? &transfer->nodes[i + 1] : NULL;
    }
    return true;
}

static CURLcode
set_url(struct whs_curl_transfer *transfer, struct whs_slice url)
{
    if (whs_slice_equal(whs_buf_slice(&transfer->url_text), url))
        return CURLE_OK;
    whs_buf_reset(&transfer->url_text);
    if (curl_url_set(transfer->url, CURLUPART_URL, url.ptr, 0) != CURLUE_OK)
        return CURLE_URL_MALFORMAT;
    WHS_CURL_SET(transfer->easy, CURLOPT_CURLU, transfer->url);
    /* Only what is set counts as the same the next time. */
    whs_buf_append_slice(&transfer->url_text, url);
    return CURLE_OK;
}

static CURLcode
set_request(struct whs_curl_transfer *transfer, const struct whs_request *request)
{
    CURL *easy = transfer->easy;
    CURLcode url = set_url(transfer, request->url);
    if (url != CURLE_OK)
        return url;
    if (!write_headers(transfer, request))
        return CURLE_OUT_OF_MEMORY;
    WHS_CURL_SET(easy, CURLOPT_HTTPHEADER, transfer->nodes);
    WHS_CURL_SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    WHS_CURL_SET(easy, CURLOPT_POSTFIELDS, request->body.ptr ? request->body.ptr : "");
    if (transfer->fresh_connection != request->fresh_connection)
        WHS_CURL_SET(easy, CURLOPT_FRESH_CONNECT, request->fresh_connection ? 1L : 0L);
    transfer->fresh_connection = request->fresh_connection;
    if (transfer->reuse_forbidden)
        WHS_CURL_SET(easy, CURLOPT_FORBID_REUSE, 0L);
    transfer->reuse_forbidden = false;
    if (transfer->method != request->method)
        WHS_CURL_SET(easy, CURLOPT_CUSTOMREQUEST,
                     request->method == WHS_METHOD_OPTIONS ? "OPTIONS" : NULL);
    transfer->method = request->method;
    return CURLE_OK;
}

CURLcode
whs_curl_transfer_begin(struct whs_curl_transfer *transfer,
                        struct whs_exchange *exchange)
{
    CURLcode code = set_request(transfer, &exchange->request);
    if (code != CURLE_OK)
        return code;
    transfer->exchange = exchange;
    transfer->head = (struct whs_head){.retry_after_ms = -1};
    transfer->began_ms = transfer->loop->now_ms;
    transfer->read_bytes = 0;
    transfer->requests = 0;
    transfer->resolving = transfer->blocked = transfer->late =
        transfer->resend_refused = false;
    transfer->opened = transfer->found = transfer->local_failure = false;
    transfer->address[0] = '\0';
    exchange->transfer = transfer;
    whs_buf_reset(&exchange->answer.body);
    return CURLE_OK;
}

void
whs_curl_transfer_note_found(struct whs_curl_transfer *transfer, int64_t now_ms)
{
    whs_curl_transfer_end_resolving(transfer);
    if (transfer->found)
        return;
    transfer->found = true;
    whs_curl_names_note_found(transfer->names, transfer->exchange->request.origin,
                              now_ms);
}

void
whs_curl_transfer_end_resolving(struct whs_curl_transfer *transfer)
{
    if (!transfer->resolving)
        return;
    transfer->resolving = false;
    if (transfer->lookup_fd >= 0)
        close(transfer->lookup_fd);
    transfer->lookup_fd = -1;
    whs_curl_resolves_put(transfer->resolves);
}

void
whs_curl_transfer_abandon_resolving(struct whs_curl_transfer *transfer)
{
    if (!transfer->resolving)
        return;
    transfer->resolving = false;
    whs_curl_resolves_abandon(transfer->resolves, transfer->lookup_fd);
    transfer->lookup_fd = -1;
}
