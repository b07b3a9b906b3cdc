/* SPDX-License-Identifier: MIT */
#include "transport_curl_loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alloc.h"

#define EVENTS_PER_TURN 128
#define FIRST_SOCKETS 64
/* libcurl's timer is run again so soon when that failed, for want of memory. */
#define TIMER_AGAIN_MS 100
/* Reads of what is not listened to. */
#define UNHEARD_MAX 16

static int64_t
read_mono(const struct whs_curl_loop *loop)
{
    return loop->clock.mono_ms(loop->clock.ctx);
}

/* --- What libcurl wants to hear of. --- */

static bool
make_room_for(struct whs_curl_loop *loop, curl_socket_t fd)
{
    size_t cap = loop->sockets_cap ? loop->sockets_cap : FIRST_SOCKETS;
    while (cap <= (size_t)fd)
        cap *= 2;
    if (cap == loop->sockets_cap)
        return true;
    struct whs_curl_watched *sockets =
        whs_resize(loop->sockets, cap * sizeof(*sockets));
    if (!sockets)
        return false;
    memset(sockets + loop->sockets_cap, 0,
           (cap - loop->sockets_cap) * sizeof(*sockets));
    loop->sockets = sockets;
    loop->sockets_cap = cap;
    return true;
}

static int
tell_epoll(struct whs_curl_loop *loop, curl_socket_t fd, uint32_t events)
{
    struct whs_curl_watched *watched = &loop->sockets[fd];
    struct epoll_event event = {.events = events, .data = {.fd = fd}};
    int op = watched->told == 0 ? EPOLL_CTL_ADD
             : events           ? EPOLL_CTL_MOD
                                : EPOLL_CTL_DEL;
    watched->told = events;
    return epoll_ctl(loop->epoll_fd, op, fd, &event);
}

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int
port_of(const union address *address)
{
    return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port
                                                    : address->v4.sin_port);
}

/* Leaves them as they were where it is not, or no more, connected. */
static void
read_ends(int fd, struct whs_curl_ends *out)
{
    union address here, there;
    socklen_t here_len = sizeof(here), there_len = sizeof(there);
    if (getsockname(fd, &here.any, &here_len) != 0 ||
        getpeername(fd, &there.any, &there_len) != 0)
        return;
    const void *ip = there.any.sa_family == AF_INET6 ? (const void *)&there.v6.sin6_addr
                                                     : (const void *)&there.v4.sin_addr;
    if (!inet_ntop(there.any.sa_family, ip, out->ip, sizeof(out->ip)))
        return;
    out->port = port_of(&there);
    out->local_port = port_of(&here);
}

/* A connection that libcurl has no more interest in stays registered, because the next
 * request usually wants it again: forgetting it each time costs a third of the
 * throughput. It is forgotten when it is closed, or when it ends or speaks unasked. Of
 * other sockets nobody tells us when they are closed, and their number is soon
 * another's. */
static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    static const uint32_t masks[] = {[CURL_POLL_IN] = EPOLLIN,
                                     [CURL_POLL_OUT] = EPOLLOUT,
                                     [CURL_POLL_INOUT] = EPOLLIN | EPOLLOUT};
    struct whs_curl_loop *loop = ctx;
    (void)socket_ctx;
    if (!make_room_for(loop, fd))
        return -1;
    struct whs_curl_watched *watched = &loop->sockets[fd];
    watched->wanted = what == CURL_POLL_REMOVE ? 0 : masks[what];
    if (!watched->kept && watched->wanted != 0)
        loop->looks_up(easy, fd);
    if (watched->kept && what == CURL_POLL_REMOVE && watched->ends.port == 0)
        read_ends(fd, &watched->ends);
    if (watched->told == watched->wanted || (watched->kept && what == CURL_POLL_REMOVE))
        return 0;
    return tell_epoll(loop, fd, watched->wanted);
}

static int
set_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct whs_curl_loop *loop = ctx;
    (void)multi;
    /* Negative is none, and 0 was due long ago: neither needs the clock. */
    loop->timer_ms = timeout_ms <= 0 ? timeout_ms : read_mono(loop) + timeout_ms;
    return 0;
}

bool
whs_curl_loop_keep(struct whs_curl_loop *loop, int fd, const void *opener)
{
    if (!make_room_for(loop, fd))
        return false;
    loop->sockets[fd] = (struct whs_curl_watched){.kept = true, .opener = opener};
    return true;
}

void
whs_curl_loop_forget(struct whs_curl_loop *loop, int fd)
{
    if ((size_t)fd >= loop->sockets_cap)
        return;
    loop->cut_count -= loop->sockets[fd].cut;
    loop->sockets[fd] = (struct whs_curl_watched){0};
}

int
whs_curl_loop_next_opened(struct whs_curl_loop *loop, const void *opener, int fd)
{
    for (size_t at = (size_t)(fd + 1); at < loop->sockets_cap; at++)
        if (loop->sockets[at].opener == opener) {
            loop->sockets[at].opener = NULL;
            return (int)at;
        }
    return -1;
}

/* --- Turns. --- */

static void
empty_wakeups(struct whs_curl_loop *loop)
{
    uint64_t count;
    while (read(loop->wake_fd, &count, sizeof(count)) > 0) {
    }
}

static void
cut(struct whs_curl_loop *loop, int fd)
{
    struct whs_curl_watched *watched = &loop->sockets[fd];
    /* What the other side has reset is shut already. */
    bool shut = shutdown(fd, SHUT_RDWR) == 0 || errno == ENOTCONN;
    if (!shut || watched->ends.port == 0 || watched->cut)
        return;
    watched->cut = true;
    loop->cut_count++;
}

bool
whs_curl_loop_is_cut(const struct whs_curl_loop *loop, const char *ip, int port,
                     int local_port)
{
    size_t left = loop->cut_count;
    for (size_t fd = 0; left > 0 && fd < loop->sockets_cap; fd++) {
        const struct whs_curl_watched *watched = &loop->sockets[fd];
        left -= watched->cut;
        if (watched->cut && watched->ends.local_port == local_port &&
            watched->ends.port == port && strcmp(watched->ends.ip, ip) == 0)
            return true;
    }
    return false;
}

/* What an idle connection says is its end, or an answer to nothing. libcurl would send
 * the next request all the same: to where nobody is, because it does not see an end
 * behind TLS's goodbye, or to get that answer for it. Read away, and cut, it is dead to
 * libcurl too. False: it can only be written to, which libcurl wanted when it had done.
 */
static bool
end_if_it_spoke(struct whs_curl_loop *loop, int fd)
{
    char unheard[4096];
    ssize_t got = recv(fd, unheard, sizeof(unheard), MSG_DONTWAIT);
    bool spoke = got >= 0 || errno != EAGAIN;
    for (int more = UNHEARD_MAX; got > 0 && more > 0; more--)
        got = recv(fd, unheard, sizeof(unheard), MSG_DONTWAIT);
    if (spoke)
        cut(loop, fd);
    return spoke;
}

static void
dispatch_event(struct whs_curl_loop *loop, const struct epoll_event *event)
{
    int fd = event->data.fd, running;
    if (fd == loop->wake_fd) {
        empty_wakeups(loop);
        return;
    }
    if (loop->sockets[fd].told == 0)
        return;
    if (loop->sockets[fd].wanted == 0) {
        bool stays = loop->sockets[fd].kept && !end_if_it_spoke(loop, fd);
        tell_epoll(loop, fd, stays ? EPOLLIN : 0);
        return;
    }
    int flags =
        (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? CURL_CSELECT_IN : 0) |
        (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
        (event->events & EPOLLERR ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(loop->multi, fd, flags, &running);
}

void
whs_curl_loop_run_timer(struct whs_curl_loop *loop)
{
    int running;
    if (loop->timer_ms < 0 || loop->timer_ms > read_mono(loop))
        return;
    loop->timer_ms = -1;
    CURLMcode code =
        curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    /* Nobody else would call it again for what is due. */
    if (code != CURLM_OK && loop->timer_ms < 0)
        loop->timer_ms = read_mono(loop) + TIMER_AGAIN_MS;
}

static int
choose_wait(const struct whs_curl_loop *loop, int64_t wait_ms)
{
    if (loop->timer_ms >= 0) {
        int64_t left_ms = loop->timer_ms - read_mono(loop);
        left_ms = left_ms > 0 ? left_ms : 0;
        wait_ms = wait_ms < 0 || left_ms < wait_ms ? left_ms : wait_ms;
    }
    return (int)wait_ms;
}

void
whs_curl_loop_turn(struct whs_curl_loop *loop, int64_t wait_ms)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int count =
        epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, choose_wait(loop, wait_ms));
    loop->now_ms = read_mono(loop);
    for (int i = 0; i < count; i++)
        dispatch_event(loop, &events[i]);
    whs_curl_loop_run_timer(loop);
    loop->now_ms = read_mono(loop);
}

void
whs_curl_loop_wake(struct whs_curl_loop *loop)
{
    uint64_t one = 1;
    /* A full counter wakes as well. */
    ssize_t written = write(loop->wake_fd, &one, sizeof(one));
    (void)written;
}

/* --- Life. --- */

static bool
open_epoll(struct whs_curl_loop *loop)
{
    struct epoll_event event = {.events = EPOLLIN};
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    event.data.fd = loop->wake_fd;
    return loop->epoll_fd >= 0 && loop->wake_fd >= 0 &&
           epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) == 0;
}

static bool
open_multi(struct whs_curl_loop *loop)
{
    CURLM *multi = loop->multi = curl_multi_init();
    return multi &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket) ==
               CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, loop) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, loop) == CURLM_OK;
}

bool
whs_curl_loop_init(struct whs_curl_loop *loop, struct whs_clock clock,
                   whs_curl_loop_looks_up looks_up)
{
    *loop = (struct whs_curl_loop){.clock = clock,
                                   .looks_up = looks_up,
                                   .epoll_fd = -1,
                                   .wake_fd = -1,
                                   .timer_ms = -1};
    loop->now_ms = read_mono(loop);
    return open_epoll(loop) && open_multi(loop);
}

void
whs_curl_loop_fini(struct whs_curl_loop *loop)
{
    if (loop->multi)
        curl_multi_cleanup(loop->multi);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    whs_free(loop->sockets);
}
