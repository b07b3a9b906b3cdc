/* SPDX-License-Identifier: MIT */
#include "transport_curl_callbacks.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "failpoint.h"
#include "text.h"

static int64_t
mono_ms(const struct whs_curl_transfer *transfer)
{
    const struct whs_clock *clock = &transfer->config->clock;
    return clock->mono_ms(clock->ctx);
}

/* --- Before a byte leaves. --- */

/* With a proxy every connection is to that, and what lies behind it is its to judge. */
static bool
has_proxy(const struct whs_curl_transfer *transfer)
{
    return transfer->config->proxy[0] != '\0';
}

static curl_socket_t
open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct whs_curl_transfer *transfer = ctx;
    whs_curl_transfer_note_found(transfer, mono_ms(transfer));
#ifndef WHS_SABOTAGE_no_opensocket
    /* The first refused address ends the attempt: a name that also points inside is not
     * tried until one of its addresses happens to be allowed. */
    if (transfer->blocked || purpose != CURLSOCKTYPE_IPCXN ||
        !(has_proxy(transfer) ||
          whs_guard_allows(&transfer->config->guard, &address->addr))) {
        transfer->blocked = true;
        return CURL_SOCKET_BAD;
    }
#endif
    int fd =
        socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0 && whs_curl_loop_keep(transfer->loop, fd, transfer)) {
        transfer->opened = true;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    transfer->local_failure = true;
    return CURL_SOCKET_BAD;
}

/* Called for connections that outlive the transfer that opened them. */
static int
close_socket(void *ctx, curl_socket_t fd)
{
    whs_curl_loop_forget(ctx, fd);
    return close(fd);
}

/* Who is at the other end of a socket, whatever was asked for: the system connects
 * 0.0.0.0 to loopback, and newer libcurls tell us what was asked for. Where nobody is
 * any more, because the other side has reset the connection, no byte goes. */
static bool
may_go_to_peer(struct whs_curl_transfer *transfer, int fd)
{
    struct sockaddr_storage storage;
    struct sockaddr *peer = (struct sockaddr *)(void *)&storage;
    socklen_t len = sizeof(storage);
    if (getpeername(fd, peer, &len) != 0)
        return errno == ENOTCONN;
    if (getnameinfo(peer, len, transfer->address, sizeof(transfer->address), NULL, 0,
                    NI_NUMERICHOST) != 0)
        transfer->address[0] = '\0';
    return whs_guard_allows(&transfer->config->guard, peer);
}

/* What was let through before is let through again: the guard does not change. */
static bool
may_send_to_text(struct whs_curl_transfer *transfer, const char *ip)
{
    if (ip && ip[0] && strcmp(ip, transfer->allowed) == 0)
        return true;
    if (!whs_guard_allows_text(&transfer->config->guard, ip))
        return false;
    whs_text_copy(transfer->allowed, sizeof(transfer->allowed), ip);
    return true;
}

/* Of a kept connection the peer was judged when it was new. */
static bool
may_send(struct whs_curl_transfer *transfer, const char *ip)
{
    int fd = -1;
    bool may = may_send_to_text(transfer, ip);
    whs_text_copy(transfer->address, sizeof(transfer->address), ip);
    while (transfer->opened &&
           (fd = whs_curl_loop_next_opened(transfer->loop, transfer, fd)) >= 0)
        may = may_go_to_peer(transfer, fd) && may;
    return may;
}

/* Of a kept connection that ended meanwhile. libcurl 8 looks after its connections once
 * in a second, and may take it all the same; it was cut, so that no byte can be sent,
 * and libcurl's next try on a new connection is the request's first. */
static bool
is_cut(const struct whs_curl_transfer *transfer, const char *ip, int port,
       int local_port)
{
    return !transfer->opened && ip &&
           whs_curl_loop_is_cut(transfer->loop, ip, port, local_port);
}

/* Just before a request is sent: on a new connection, on a kept one, and when libcurl
 * sends a request again by itself. */
static int
before_request(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
    struct whs_curl_transfer *transfer = ctx;
    int64_t now_ms = mono_ms(transfer);
    bool allowed = has_proxy(transfer) || may_send(transfer, ip);
    (void)local_ip;
    whs_curl_transfer_note_found(transfer, now_ms);
    transfer->requests += !is_cut(transfer, ip, port, local_port);
#ifdef WHS_SABOTAGE_no_prereq
    allowed = true;
#endif
#ifndef WHS_SABOTAGE_no_resend_guard
    if (transfer->requests > 1) {
        transfer->resend_refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
#endif
    if (!allowed) {
        transfer->blocked = true;
        return CURL_PREREQFUNC_ABORT;
    }
#ifndef WHS_SABOTAGE_no_lease_at_send
    /* A process that was stopped has its work taken over: what was connecting then must
     * not leave when it is resumed. */
    transfer->late = whs_request_is_late(&transfer->exchange->request, now_ms);
#endif
    return transfer->late ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

#ifdef WHS_FAILPOINTS
/* Told often: the point is where a part of the body is on its way and nothing came
 * back. */
static int
note_progress(void *ctx, curl_off_t answer_bytes, curl_off_t answered,
              curl_off_t body_bytes, curl_off_t sent)
{
    const struct whs_curl_transfer *transfer = ctx;
    (void)answer_bytes, (void)answered, (void)body_bytes;
    if (sent > 0 && !transfer->head.complete)
        WHS_FAILPOINT("mid-send");
    return 0;
}
#endif

static CURLcode
install_trust(CURL *easy, void *ssl_ctx, void *ctx)
{
    (void)easy;
    whs_trust_install(ctx, ssl_ctx);
    return CURLE_OK;
}

/* --- The answer. --- */

/* The head has decided; the body is read to have its first bytes and to keep the
 * connection, which is not worth a place in flight until the attempt's own timeout.
 * libcurl would look at a new timeout only when the endpoint says something. */
static void
limit_body(struct whs_curl_transfer *transfer)
{
    transfer->body_until_ms =
        transfer->loop->now_ms + transfer->config->body_timeout_ms;
    whs_list_append(transfer->bodies, &transfer->link);
}

static bool
forbid_reuse(struct whs_curl_transfer *transfer)
{
    transfer->reuse_forbidden = true;
    return curl_easy_setopt(transfer->easy, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK;
}

static size_t
read_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct whs_curl_transfer *transfer = ctx;
    const struct whs_curl_config *config = transfer->config;
    struct whs_slice line = {bytes, size * count};
    bool was_complete = transfer->head.complete;
    if (!whs_head_read(&transfer->head, line, &config->clock,
                       config->retry_after_max_ms))
        return 0;
    if (transfer->exchange->fields && !was_complete)
        whs_fields_read(transfer->exchange->fields, line);
    if (transfer->head.complete && !was_complete)
        limit_body(transfer);
    if (transfer->head.ambiguous && !forbid_reuse(transfer))
        return 0;
    return line.len;
}

static size_t
read_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct whs_curl_transfer *transfer = ctx;
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

CURLcode
whs_curl_callbacks_set(struct whs_curl_transfer *transfer, struct whs_trust *trust)
{
    CURL *easy = transfer->easy;
    WHS_CURL_SET(easy, CURLOPT_PRIVATE, transfer);
    WHS_CURL_SET(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    WHS_CURL_SET(easy, CURLOPT_OPENSOCKETDATA, transfer);
    WHS_CURL_SET(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    WHS_CURL_SET(easy, CURLOPT_CLOSESOCKETDATA, transfer->loop);
    WHS_CURL_SET(easy, CURLOPT_PREREQFUNCTION, before_request);
    WHS_CURL_SET(easy, CURLOPT_PREREQDATA, transfer);
    WHS_CURL_SET(easy, CURLOPT_HEADERFUNCTION, read_header);
    WHS_CURL_SET(easy, CURLOPT_HEADERDATA, transfer);
    WHS_CURL_SET(easy, CURLOPT_WRITEFUNCTION, read_body);
    WHS_CURL_SET(easy, CURLOPT_WRITEDATA, transfer);
    WHS_CURL_SET(easy, CURLOPT_SSL_CTX_FUNCTION, install_trust);
    WHS_CURL_SET(easy, CURLOPT_SSL_CTX_DATA, trust);
#ifdef WHS_FAILPOINTS
    WHS_CURL_SET(easy, CURLOPT_XFERINFOFUNCTION, note_progress);
    WHS_CURL_SET(easy, CURLOPT_XFERINFODATA, transfer);
    WHS_CURL_SET(easy, CURLOPT_NOPROGRESS, 0L);
#endif
    return CURLE_OK;
}
