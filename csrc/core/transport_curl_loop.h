/* SPDX-License-Identifier: MIT
 *
 * How libcurl hears of its sockets: an epoll, an eventfd to be woken by, and the one
 * timer that libcurl asks for. Engine thread, but for wake.
 */
#ifndef WHS_TRANSPORT_CURL_LOOP_H
#define WHS_TRANSPORT_CURL_LOOP_H

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"

/* The two ends of a connection, as libcurl names them. */
struct whs_curl_ends {
    char ip[INET6_ADDRSTRLEN];
    int port;
    int local_port;
};

/* What epoll was told of a socket, and what libcurl wants to hear of it. */
struct whs_curl_watched {
    uint32_t told;
    uint32_t wanted;
    bool kept;                 /* ours: we hear of its end by whs_curl_loop_forget */
    bool cut;                  /* by us, between two requests; then `ends` are known */
    struct whs_curl_ends ends; /* known from its first rest on; port 0: not */
    const void *opener;        /* until its first request: whom it was opened for */
};

/* `easy` looks up a name and is told by `fd` when it is found. */
typedef void (*whs_curl_loop_looks_up)(CURL *easy, int fd);

struct whs_curl_loop {
    CURLM *multi;
    struct whs_clock clock;
    whs_curl_loop_looks_up looks_up;
    int epoll_fd;
    int wake_fd;
    /* Monotonic, as it was when the last turn heard of its events or had dealt with
     * them: exact enough for how long something took, at no cost. */
    int64_t now_ms;
    int64_t timer_ms;                 /* monotonic; negative: none */
    struct whs_curl_watched *sockets; /* by descriptor */
    size_t sockets_cap;
    size_t cut_count; /* of sockets that are cut and not yet closed */
};

/* False: no memory or no descriptors; fini is needed all the same. */
bool whs_curl_loop_init(struct whs_curl_loop *loop, struct whs_clock clock,
                        whs_curl_loop_looks_up looks_up);
/* No transfer may be in the multi. */
void whs_curl_loop_fini(struct whs_curl_loop *loop);

/* Lets libcurl do what its timer asks for, if it is time. */
void whs_curl_loop_run_timer(struct whs_curl_loop *loop);
/* Waits to `wait_ms` (negative: without end) or to the timer, whichever is first, and
 * lets libcurl do what there is to do then. */
void whs_curl_loop_turn(struct whs_curl_loop *loop, int64_t wait_ms);
/* Any thread: a turn that waits ends. */
void whs_curl_loop_wake(struct whs_curl_loop *loop);
/* After a socket for a connection was opened (false: no memory), and before it is
 * closed. libcurl's other sockets are its own business: they wake it when a name is
 * found. */
bool whs_curl_loop_keep(struct whs_curl_loop *loop, int fd, const void *opener);
void whs_curl_loop_forget(struct whs_curl_loop *loop, int fd);
/* Nothing can be sent by this connection any more: it ended while nobody used it. */
bool whs_curl_loop_is_cut(const struct whs_curl_loop *loop, const char *ip, int port,
                          int local_port);
/* The next socket behind `fd` that was opened for this one, which is named once;
 * negative: no other. Begins with -1. */
int whs_curl_loop_next_opened(struct whs_curl_loop *loop, const void *opener, int fd);

#endif
