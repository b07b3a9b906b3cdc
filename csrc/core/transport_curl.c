/* SPDX-License-Identifier: MIT */
#include "transport_curl.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "alloc.h"
#include "head.h"

#define SECOND INT64_C(1000)
#define EVENTS_PER_POLL 128
/* A resolver thread that was given up ends by getaddrinfo's own time, about this. */
#define ABANDONED_RESOLVE_MS (30 * SECOND)
/* A name, ": ", a value and a zero for each header. */
#define REQUEST_BUF_BYTES 1024

const struct whs_curl_config whs_curl_config_default = {
    .connect_timeout_ms = 5 * SECOND,
    .total_timeout_ms = 15 * SECOND,
    .retry_after_max_ms = 6 * 3600 * SECOND,
    .connections_max = 256,
    .connections_idle_max = 1024,
    .idle_max_ms = 30 * SECOND,
    .connection_age_max_ms = 600 * SECOND,
    .resolves_max = 64,
    .clock = {0},
};

/* What epoll was told of a socket, and what libcurl wants to hear of it. */
struct watched {
    uint32_t told;
    uint32_t wanted;
};

struct curl_transport {
    struct whs_transport base;
    struct whs_curl_config config;
    struct whs_trust *trust;
    CURLM *multi;
    int epoll_fd;
    int wake_fd;
    int64_t timer_ms;        /* monotonic; negative: none */
    struct watched *sockets; /* by descriptor */
    size_t sockets_cap;
    struct transfer *idle;         /* handles to be used again */
    struct transfer *first, *last; /* waiting for a resolver */
    struct transfer *active;       /* added to the multi */
    struct whs_exchange *done;
    struct whs_exchange *done_last;
    unsigned resolving;
    /* When the threads of lookups that timed out are surely gone; a ring. */
    int64_t *abandoned;
    unsigned abandoned_first, abandoned_count;
};

/* One easy handle with all that libcurl points into while it runs. */
struct transfer {
    struct curl_transport *transport;
    struct transfer *next, *previous;
    struct whs_exchange *exchange;
    CURL *easy;
    CURLU *url;
    struct whs_buf url_text; /* that `url` was parsed from */
    struct whs_buf lines;    /* the header lines, each with its zero */
    struct curl_slist nodes[WHS_REQUEST_HEADERS_MAX + 1];
    struct whs_head head;
    enum whs_method method;
    int64_t began_ms;
    int64_t read_bytes;
    int requests; /* that libcurl was about to send */
    bool added;
    bool resolving;
    bool blocked;
    bool resend_refused;
    bool local_failure;
    char address[WHS_ADDRESS_SIZE];
};

static int64_t
read_mono(const struct curl_transport *t)
{
    return t->config.clock.mono_ms(t->config.clock.ctx);
}

static struct curl_transport *
from_base(struct whs_transport *transport)
{
    return (struct curl_transport *)(void *)transport;
}

/* --- Callbacks of a transfer.
 * --------------------------------------------------------- */

static void
end_resolving(struct transfer *transfer)
{
    if (transfer->resolving) {
        transfer->resolving = false;
        transfer->transport->resolving--;
    }
}

static curl_socket_t
open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = ctx;
    end_resolving(transfer);
#ifndef WHS_SABOTAGE_no_opensocket
    /* The first refused address ends the attempt: a name that also points inside is not
     * tried until one of its addresses happens to be allowed. */
    if (transfer->blocked || purpose != CURLSOCKTYPE_IPCXN ||
        !whs_guard_allows(&transfer->transport->config.guard, &address->addr)) {
        transfer->blocked = true;
        return CURL_SOCKET_BAD;
    }
#endif
    int fd =
        socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    transfer->local_failure |= fd < 0;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int
close_socket(void *ctx, curl_socket_t fd)
{
    struct curl_transport *t = ctx;
    if ((size_t)fd < t->sockets_cap)
        t->sockets[fd] = (struct watched){0};
    return close(fd);
}

/* Just before a request is sent: on a new connection, on a kept one, and when libcurl
 * sends a request again by itself. */
static int
before_request(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
    struct transfer *transfer = ctx;
    (void)local_ip, (void)port, (void)local_port;
    end_resolving(transfer);
    snprintf(transfer->address, sizeof(transfer->address), "%s", ip ? ip : "");
    transfer->requests++;
#ifndef WHS_SABOTAGE_no_resend_guard
    if (transfer->requests > 1) {
        transfer->resend_refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
#endif
#ifndef WHS_SABOTAGE_no_prereq
    if (!whs_guard_allows_text(&transfer->transport->config.guard, ip)) {
        transfer->blocked = true;
        return CURL_PREREQFUNC_ABORT;
    }
#endif
    return CURL_PREREQFUNC_OK;
}

static size_t
read_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    const struct curl_transport *t = transfer->transport;
    struct whs_slice line = {bytes, size * count};
    int64_t now_ms = t->config.clock.wall_ms(t->config.clock.ctx);
    if (!whs_head_read(&transfer->head, line, now_ms, t->config.retry_after_max_ms))
        return 0;
    if (transfer->head.ambiguous)
        curl_easy_setopt(transfer->easy, CURLOPT_FORBID_REUSE, 1L);
    return line.len;
}

static size_t
read_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    struct whs_buf *body = &transfer->exchange->answer.body;
    size_t len = size * count;
    size_t room =
        body->len < WHS_ANSWER_BYTES_MAX ? WHS_ANSWER_BYTES_MAX - body->len : 0;
#ifdef WHS_SABOTAGE_no_body_cap
    room = len;
#endif
    whs_buf_append(body, bytes, len < room ? len : room);
    transfer->read_bytes += (int64_t)len;
#ifdef WHS_SABOTAGE_no_body_cap
    return len;
#else
    return transfer->read_bytes > WHS_ANSWER_READ_MAX ? 0 : len;
#endif
}

static CURLcode
install_trust(CURL *easy, void *ssl_ctx, void *ctx)
{
    (void)easy;
    whs_trust_install(ctx, ssl_ctx);
    return CURLE_OK;
}

/* --- The one table of options.
 * -------------------------------------------------------- */

#define SET(option, value)                                                             \
    do {                                                                               \
        CURLcode code = curl_easy_setopt(easy, (option), (value));                     \
        if (code != CURLE_OK)                                                          \
            return code;                                                               \
    } while (0)

static CURLcode
apply_callbacks(CURL *easy, struct transfer *transfer)
{
    struct curl_transport *t = transfer->transport;
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, transfer);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, t);
    SET(CURLOPT_PREREQFUNCTION, before_request);
    SET(CURLOPT_PREREQDATA, transfer);
    SET(CURLOPT_HEADERFUNCTION, read_header);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_WRITEFUNCTION, read_body);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_SSL_CTX_FUNCTION, install_trust);
    SET(CURLOPT_SSL_CTX_DATA, t->trust);
    return CURLE_OK;
}

static CURLcode
apply_options(CURL *easy, struct transfer *transfer)
{
    const struct whs_curl_config *config = &transfer->transport->config;
    /* Threads and signals do not mix. */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_NOPROGRESS, 1L);
    /* One stream, one connection: a neighbour's bad answer is its own. */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
#ifdef WHS_SABOTAGE_follow_redirects
    SET(CURLOPT_FOLLOWLOCATION, 1L);
#else
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_MAXREDIRS, 0L);
#endif
    /* An environment's proxy would hide the address from the guard. */
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "*");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    /* With any path set here libcurl parses the bundle anew for every connection. */
    SET(CURLOPT_CAINFO, NULL);
    SET(CURLOPT_CAPATH, NULL);
    SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, (long)config->total_timeout_ms);
    SET(CURLOPT_MAXAGE_CONN, (long)(config->idle_max_ms / SECOND));
    SET(CURLOPT_MAXLIFETIME_CONN, (long)(config->connection_age_max_ms / SECOND));
    /* A lookup that hangs must not be waited for when its transfer ends. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    return apply_callbacks(easy, transfer);
}

/* --- Handles.
 * ------------------------------------------------------------------------- */

static void
destroy_transfer(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    curl_url_cleanup(transfer->url);
    whs_buf_fini(&transfer->url_text);
    whs_buf_fini(&transfer->lines);
    whs_free(transfer);
}

static struct transfer *
create_transfer(struct curl_transport *t)
{
    struct transfer *transfer = whs_calloc(1, sizeof(*transfer));
    if (!transfer)
        return NULL;
    transfer->transport = t;
    transfer->easy = curl_easy_init();
    transfer->url = curl_url();
    transfer->method = WHS_METHOD_POST;
    if (!transfer->easy || !transfer->url ||
        apply_options(transfer->easy, transfer) != CURLE_OK) {
        destroy_transfer(transfer);
        return NULL;
    }
    return transfer;
}

static struct transfer *
take_transfer(struct curl_transport *t)
{
    struct transfer *transfer = t->idle;
    if (!transfer)
        return create_transfer(t);
    t->idle = transfer->next;
    transfer->next = NULL;
    return transfer;
}

static void
put_transfer(struct transfer *transfer)
{
    transfer->exchange = NULL;
    transfer->next = transfer->transport->idle;
    transfer->transport->idle = transfer;
}

/* Header lines stand in one buffer and the list's nodes in the transfer: nothing is
 * allocated for a request like the one before. "Name;" is how libcurl is told to send a
 * field without a value, "Expect:" how to leave its own away. */
static bool
write_headers(struct transfer *transfer, const struct whs_request *request)
{
    struct whs_buf *lines = &transfer->lines;
    size_t offsets[WHS_REQUEST_HEADERS_MAX + 1], count = 0;
    whs_buf_reset(lines);
    offsets[count++] = lines->len;
    whs_buf_append(lines, "Expect:", sizeof("Expect:"));
    for (size_t i = 0; i < request->header_count; i++) {
        const struct whs_header *header = &request->headers[i];
        offsets[count++] = lines->len;
        whs_buf_append_slice(lines, header->name);
        if (header->value.len > 0) {
            whs_buf_append(lines, ": ", 2);
            whs_buf_append_slice(lines, header->value);
        } else {
            whs_buf_append_char(lines, ';');
        }
        whs_buf_append_char(lines, '\0');
    }
    if (lines->failed)
        return false;
    for (size_t i = 0; i < count; i++) {
        transfer->nodes[i].data = lines->ptr + offsets[i];
        transfer->nodes[i].next = i + 1 < count ? &transfer->nodes[i + 1] : NULL;
    }
    return true;
}

static CURLcode
set_url(struct transfer *transfer, struct whs_slice url)
{
    if (whs_slice_equal(whs_buf_slice(&transfer->url_text), url))
        return CURLE_OK;
    whs_buf_reset(&transfer->url_text);
    if (curl_url_set(transfer->url, CURLUPART_URL, url.ptr, 0) != CURLUE_OK)
        return CURLE_URL_MALFORMAT;
    whs_buf_append_slice(&transfer->url_text, url);
    return curl_easy_setopt(transfer->easy, CURLOPT_CURLU, transfer->url);
}

static CURLcode
set_request(struct transfer *transfer, const struct whs_request *request)
{
    CURL *easy = transfer->easy;
    CURLcode url = set_url(transfer, request->url);
    if (url != CURLE_OK)
        return url;
    if (!write_headers(transfer, request))
        return CURLE_OUT_OF_MEMORY;
    SET(CURLOPT_HTTPHEADER, transfer->nodes);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    SET(CURLOPT_POSTFIELDS, request->body.ptr ? request->body.ptr : "");
    SET(CURLOPT_FRESH_CONNECT, request->fresh_connection ? 1L : 0L);
    SET(CURLOPT_FORBID_REUSE, 0L);
    if (transfer->method != request->method)
        SET(CURLOPT_CUSTOMREQUEST,
            request->method == WHS_METHOD_OPTIONS ? "OPTIONS" : NULL);
    transfer->method = request->method;
    return CURLE_OK;
}

/* --- How it ended.
 * -------------------------------------------------------------------- */

static enum whs_outcome
classify_timeout(const struct transfer *transfer)
{
    if (transfer->requests > 0)
        return WHS_OUTCOME_TIMEOUT;
    return transfer->resolving ? WHS_OUTCOME_DNS_ERROR : WHS_OUTCOME_CONNECT_TIMEOUT;
}

static enum whs_outcome
classify_broken(const struct transfer *transfer)
{
    if (transfer->requests == 0)
        return WHS_OUTCOME_TLS_HANDSHAKE;
    return transfer->head.refused ? WHS_OUTCOME_PROTOCOL_ERROR : WHS_OUTCOME_UNKNOWN;
}

static enum whs_outcome
classify_code(const struct transfer *transfer, CURLcode code)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return classify_timeout(transfer);
    case CURLE_COULDNT_RESOLVE_HOST:
        return WHS_OUTCOME_DNS_ERROR;
    case CURLE_COULDNT_CONNECT:
        return WHS_OUTCOME_CONNECT_ERROR;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return WHS_OUTCOME_TLS_CERTIFICATE;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
        return WHS_OUTCOME_TLS_HANDSHAKE;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return classify_broken(transfer);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_WRITE_ERROR:
        return WHS_OUTCOME_PROTOCOL_ERROR;
    default:
        return transfer->requests > 0 ? WHS_OUTCOME_UNKNOWN : WHS_OUTCOME_LOCAL_ERROR;
    }
}

static enum whs_outcome
classify(const struct transfer *transfer, CURLcode code)
{
    if (transfer->blocked)
        return WHS_OUTCOME_BLOCKED_ADDRESS;
    if (transfer->resend_refused)
        return WHS_OUTCOME_RESEND_REFUSED;
    if (transfer->head.complete)
        return whs_head_outcome(&transfer->head);
    if (transfer->head.refused)
        return WHS_OUTCOME_PROTOCOL_ERROR;
    if (transfer->local_failure)
        return WHS_OUTCOME_LOCAL_ERROR;
    return code == CURLE_OK ? WHS_OUTCOME_PROTOCOL_ERROR
                            : classify_code(transfer, code);
}

static void
write_answer(struct transfer *transfer, CURLcode code)
{
    struct whs_answer *answer = &transfer->exchange->answer;
    const struct whs_head *head = &transfer->head;
    answer->outcome = classify(transfer, code);
    answer->http_status = head->complete ? head->status : 0;
    answer->retry_after_ms = head->complete ? head->retry_after_ms : -1;
    answer->duration_ms = read_mono(transfer->transport) - transfer->began_ms;
    memcpy(answer->address, transfer->address, sizeof(answer->address));
    snprintf(answer->detail, sizeof(answer->detail), "%s",
             code == CURLE_OK ? "" : curl_easy_strerror(code));
}

/* A lookup that nobody waits for still holds its thread: its place is kept for as long.
 */
static void
abandon_resolve(struct transfer *transfer)
{
    struct curl_transport *t = transfer->transport;
    if (!transfer->resolving)
        return;
    transfer->resolving = false;
    unsigned at = (t->abandoned_first + t->abandoned_count++) % t->config.resolves_max;
    t->abandoned[at] = read_mono(t) + ABANDONED_RESOLVE_MS;
}

static void
release_abandoned(struct curl_transport *t)
{
    while (t->abandoned_count > 0 && t->abandoned[t->abandoned_first] <= read_mono(t)) {
        t->abandoned_first = (t->abandoned_first + 1) % t->config.resolves_max;
        t->abandoned_count--;
        t->resolving--;
    }
}

static void
unlink_active(struct transfer *transfer)
{
    struct curl_transport *t = transfer->transport;
    if (transfer->previous)
        transfer->previous->next = transfer->next;
    else
        t->active = transfer->next;
    if (transfer->next)
        transfer->next->previous = transfer->previous;
    transfer->next = transfer->previous = NULL;
}

static void
remove_active(struct transfer *transfer, bool timed_out)
{
    if (timed_out)
        abandon_resolve(transfer);
    else
        end_resolving(transfer);
    curl_multi_remove_handle(transfer->transport->multi, transfer->easy);
    transfer->added = false;
    unlink_active(transfer);
}

static void
append_done(struct curl_transport *t, struct whs_exchange *exchange)
{
    exchange->transfer = NULL;
    exchange->next_done = NULL;
    if (t->done)
        t->done_last->next_done = exchange;
    else
        t->done = exchange;
    t->done_last = exchange;
}

static void
finish(struct transfer *transfer, CURLcode code)
{
    struct whs_exchange *exchange = transfer->exchange;
    write_answer(transfer, code);
    if (transfer->added)
        remove_active(transfer, code == CURLE_OPERATION_TIMEDOUT);
    append_done(transfer->transport, exchange);
    put_transfer(transfer);
}

static void
collect_ended(struct curl_transport *t)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(t->multi, &left))) {
        struct transfer *transfer = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        if (message->msg == CURLMSG_DONE && transfer)
            finish(transfer, code);
    }
}

/* --- Starting: no more lookups at once than there may be threads for.
 * ------------------ */

static void
push_waiting(struct curl_transport *t, struct transfer *transfer)
{
    transfer->previous = t->last;
    transfer->next = NULL;
    if (t->last)
        t->last->next = transfer;
    else
        t->first = transfer;
    t->last = transfer;
}

static void
unlink_waiting(struct curl_transport *t, struct transfer *transfer)
{
    if (transfer->previous)
        transfer->previous->next = transfer->next;
    else
        t->first = transfer->next;
    if (transfer->next)
        transfer->next->previous = transfer->previous;
    else
        t->last = transfer->previous;
    transfer->next = transfer->previous = NULL;
}

static void
add_to_multi(struct curl_transport *t, struct transfer *transfer)
{
    transfer->resolving = true;
    t->resolving++;
    transfer->next = t->active;
    if (t->active)
        t->active->previous = transfer;
    t->active = transfer;
    transfer->added = true;
    if (curl_multi_add_handle(t->multi, transfer->easy) != CURLM_OK)
        finish(transfer, CURLE_FAILED_INIT);
}

static void
admit_waiting(struct curl_transport *t)
{
    release_abandoned(t);
    while (t->first && t->resolving < t->config.resolves_max) {
        struct transfer *transfer = t->first;
        unlink_waiting(t, transfer);
        add_to_multi(t, transfer);
    }
}

/* Those that found no resolver in time end as if theirs had not answered. */
static void
expire_waiting(struct curl_transport *t)
{
    int64_t oldest_ms = read_mono(t) - t->config.connect_timeout_ms;
    while (t->first && t->first->began_ms <= oldest_ms) {
        struct transfer *transfer = t->first;
        unlink_waiting(t, transfer);
        finish(transfer, CURLE_COULDNT_RESOLVE_HOST);
    }
}

static void
begin(struct transfer *transfer, struct whs_exchange *exchange)
{
    transfer->exchange = exchange;
    transfer->head = (struct whs_head){.retry_after_ms = -1};
    transfer->began_ms = read_mono(transfer->transport);
    transfer->read_bytes = 0;
    transfer->requests = 0;
    transfer->resolving = transfer->blocked = transfer->resend_refused = false;
    transfer->local_failure = false;
    transfer->address[0] = '\0';
    exchange->transfer = transfer;
    whs_buf_reset(&exchange->answer.body);
}

static enum whs_status
start_exchange(struct whs_transport *transport, struct whs_exchange *exchange,
               struct whs_error *err)
{
    struct curl_transport *t = from_base(transport);
    struct transfer *transfer = take_transfer(t);
    if (!transfer)
        return whs_error_set(err, WHS_NO_MEMORY, "no memory for a request");
    CURLcode code = set_request(transfer, &exchange->request);
    if (code != CURLE_OK) {
        put_transfer(transfer);
        return whs_error_set(err,
                             code == CURLE_OUT_OF_MEMORY ? WHS_NO_MEMORY : WHS_SYSTEM,
                             "%s", curl_easy_strerror(code));
    }
    begin(transfer, exchange);
    if (!t->first && t->resolving < t->config.resolves_max)
        add_to_multi(t, transfer);
    else
        push_waiting(t, transfer);
    return WHS_OK;
}

static void
cancel_exchange(struct whs_transport *transport, struct whs_exchange *exchange)
{
    struct curl_transport *t = from_base(transport);
    struct transfer *transfer = exchange->transfer;
    if (!transfer)
        return;
    if (transfer->added)
        remove_active(transfer, true);
    else
        unlink_waiting(t, transfer);
    exchange->transfer = NULL;
    put_transfer(transfer);
}

/* --- The event loop.
 * ------------------------------------------------------------------ */

static bool
make_room_for(struct curl_transport *t, curl_socket_t fd)
{
    size_t cap = t->sockets_cap ? t->sockets_cap : 64;
    while (cap <= (size_t)fd)
        cap *= 2;
    if (cap == t->sockets_cap)
        return true;
    struct watched *sockets = whs_resize(t->sockets, cap * sizeof(*sockets));
    if (!sockets)
        return false;
    memset(sockets + t->sockets_cap, 0, (cap - t->sockets_cap) * sizeof(*sockets));
    t->sockets = sockets;
    t->sockets_cap = cap;
    return true;
}

static int
tell_epoll(struct curl_transport *t, curl_socket_t fd, uint32_t events)
{
    struct watched *watched = &t->sockets[fd];
    struct epoll_event event = {.events = events, .data = {.fd = fd}};
    int op = watched->told == 0 ? EPOLL_CTL_ADD
             : events           ? EPOLL_CTL_MOD
                                : EPOLL_CTL_DEL;
    watched->told = events;
    return epoll_ctl(t->epoll_fd, op, fd, &event);
}

/* A socket that libcurl has no more interest in stays registered, because the next
 * request usually wants it again: forgetting it each time costs a third of the
 * throughput. It is forgotten when it is closed, or when it speaks unasked. */
static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    static const uint32_t masks[] = {[CURL_POLL_IN] = EPOLLIN,
                                     [CURL_POLL_OUT] = EPOLLOUT,
                                     [CURL_POLL_INOUT] = EPOLLIN | EPOLLOUT};
    struct curl_transport *t = ctx;
    (void)easy, (void)socket_ctx;
    if (!make_room_for(t, fd))
        return -1;
    t->sockets[fd].wanted = what == CURL_POLL_REMOVE ? 0 : masks[what];
    if (what == CURL_POLL_REMOVE || t->sockets[fd].told == t->sockets[fd].wanted)
        return 0;
    return tell_epoll(t, fd, t->sockets[fd].wanted);
}

static int
set_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct curl_transport *t = ctx;
    (void)multi;
    t->timer_ms = timeout_ms < 0 ? -1 : read_mono(t) + timeout_ms;
    return 0;
}

static void
dispatch_event(struct curl_transport *t, const struct epoll_event *event)
{
    int fd = event->data.fd, running;
    if (fd == t->wake_fd) {
        uint64_t count;
        while (read(fd, &count, sizeof(count)) > 0) {
        }
        return;
    }
    if (t->sockets[fd].told == 0)
        return;
    if (t->sockets[fd].wanted == 0) {
        tell_epoll(t, fd, 0);
        return;
    }
    int flags =
        (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? CURL_CSELECT_IN : 0) |
        (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
        (event->events & EPOLLERR ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(t->multi, fd, flags, &running);
}

static int
choose_wait(const struct curl_transport *t, int timeout_ms)
{
    if (t->done)
        return 0;
    int64_t wait_ms = timeout_ms;
    if (t->timer_ms >= 0) {
        int64_t left = t->timer_ms - read_mono(t);
        left = left > 0 ? left : 0;
        wait_ms = wait_ms < 0 || left < wait_ms ? left : wait_ms;
    }
    /* A waiting lookup's turn comes by the clock alone. */
    if (t->first && (wait_ms < 0 || wait_ms > 100))
        wait_ms = 100;
    return (int)wait_ms;
}

static void
run_timer(struct curl_transport *t)
{
    int running;
    if (t->timer_ms < 0 || t->timer_ms > read_mono(t))
        return;
    t->timer_ms = -1;
    curl_multi_socket_action(t->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static struct whs_exchange *
poll_exchanges(struct whs_transport *transport, int timeout_ms)
{
    struct curl_transport *t = from_base(transport);
    struct epoll_event events[EVENTS_PER_POLL];
    admit_waiting(t);
    run_timer(t);
    collect_ended(t);
    int count =
        epoll_wait(t->epoll_fd, events, EVENTS_PER_POLL, choose_wait(t, timeout_ms));
    for (int i = 0; i < count; i++)
        dispatch_event(t, &events[i]);
    run_timer(t);
    collect_ended(t);
    expire_waiting(t);
    struct whs_exchange *done = t->done;
    t->done = t->done_last = NULL;
    return done;
}

static void
wake(struct whs_transport *transport)
{
    uint64_t one = 1;
    /* A full counter wakes as well. */
    ssize_t written = write(from_base(transport)->wake_fd, &one, sizeof(one));
    (void)written;
}

/* --- Life.
 * ---------------------------------------------------------------------------- */

static void
destroy(struct whs_transport *transport)
{
    struct curl_transport *t = from_base(transport);
    while (t->idle) {
        struct transfer *transfer = t->idle;
        t->idle = transfer->next;
        destroy_transfer(transfer);
    }
    if (t->multi)
        curl_multi_cleanup(t->multi);
    if (t->epoll_fd >= 0)
        close(t->epoll_fd);
    if (t->wake_fd >= 0)
        close(t->wake_fd);
    whs_trust_destroy(t->trust);
    whs_free(t->abandoned);
    whs_free(t->sockets);
    whs_free(t);
}

static const struct whs_transport_verbs verbs = {
    .start = start_exchange,
    .poll = poll_exchanges,
    .cancel = cancel_exchange,
    .wake = wake,
    .destroy = destroy,
};

static pthread_once_t initialised = PTHREAD_ONCE_INIT;
static CURLcode initialisation;

static void
initialise(void)
{
    initialisation = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static enum whs_status
check_libcurl(struct whs_error *err)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    pthread_once(&initialised, initialise);
    if (initialisation != CURLE_OK)
        return whs_error_set(err, WHS_SYSTEM, "libcurl cannot be initialised");
    if (info->version_num < 0x075800)
        return whs_error_set(err, WHS_CONFIGURATION, "libcurl %s is older than 7.88",
                             info->version);
    if (!info->ssl_version || strncmp(info->ssl_version, "OpenSSL/", 8) != 0)
        return whs_error_set(
            err, WHS_CONFIGURATION,
            "libcurl is built on %s; webhooksub needs the OpenSSL build "
            "(libcurl4-openssl-dev)",
            info->ssl_version ? info->ssl_version : "no TLS");
    if (!(info->features & CURL_VERSION_ASYNCHDNS))
        return whs_error_set(err, WHS_CONFIGURATION,
                             "libcurl is built without a threaded resolver");
    return WHS_OK;
}

static bool
set_multi(struct curl_transport *t)
{
    CURLM *multi = t->multi;
    unsigned most = t->config.connections_idle_max > t->config.connections_max
                        ? t->config.connections_idle_max
                        : t->config.connections_max;
    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket) ==
               CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, t) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, t) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) ==
               CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)most) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)most) ==
               CURLM_OK;
}

static bool
open_loop(struct curl_transport *t)
{
    struct epoll_event event = {.events = EPOLLIN};
    t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    event.data.fd = t->wake_fd;
    return t->epoll_fd >= 0 && t->wake_fd >= 0 &&
           epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, t->wake_fd, &event) == 0;
}

enum whs_status
whs_transport_curl_create(const struct whs_curl_config *config, struct whs_trust *trust,
                          struct whs_transport **out, struct whs_error *err)
{
    *out = NULL;
    enum whs_status status = check_libcurl(err);
    struct curl_transport *t = status == WHS_OK ? whs_calloc(1, sizeof(*t)) : NULL;
    if (!t) {
        whs_trust_destroy(trust);
        return status != WHS_OK ? status
                                : whs_error_set(err, WHS_NO_MEMORY, "out of memory");
    }
    t->base.verbs = &verbs;
    t->config = *config;
    if (!t->config.clock.mono_ms)
        t->config.clock = whs_clock_system;
    t->trust = trust;
    t->timer_ms = -1;
    t->epoll_fd = t->wake_fd = -1;
    t->abandoned = whs_calloc(config->resolves_max, sizeof(*t->abandoned));
    t->multi = curl_multi_init();
    if (!t->abandoned || !t->multi || !set_multi(t) || !open_loop(t)) {
        destroy(&t->base);
        return whs_error_set(err, WHS_SYSTEM, "the transport cannot be set up: %s",
                             strerror(errno));
    }
    *out = &t->base;
    return WHS_OK;
}

const char *
whs_transport_curl_version(void)
{
    return curl_version();
}
