/* SPDX-License-Identifier: MIT */
#include "transport_curl_resolve.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"

/* A resolver thread that was given up ends by getaddrinfo's own time, about this. */
#define ABANDONED_MS INT64_C(30000)

static int64_t
read_mono(const struct whs_curl_resolves *resolves)
{
    return resolves->clock.mono_ms(resolves->clock.ctx);
}

bool
whs_curl_resolves_init(struct whs_curl_resolves *resolves, unsigned max,
                       struct whs_clock clock)
{
    *resolves = (struct whs_curl_resolves){.clock = clock, .max = max};
    resolves->abandoned = whs_calloc(max, sizeof(*resolves->abandoned));
    return resolves->abandoned != NULL;
}

/* --- Those that were given up. --- */

/* Waits for the other side to be closed, which may have left a byte before. */
static bool
is_closed(int fd, int64_t wait_ms)
{
    struct pollfd pollfd = {.fd = fd, .events = 0};
    return poll(&pollfd, 1, (int)wait_ms) > 0 &&
           pollfd.revents & (POLLHUP | POLLERR | POLLNVAL);
}

static bool
has_ended(const struct whs_curl_abandoned *abandoned, int64_t now_ms)
{
    return now_ms >= abandoned->ends_at_ms ||
           (abandoned->fd >= 0 && is_closed(abandoned->fd, 0));
}

static void
close_copy(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void
release_abandoned(struct whs_curl_resolves *resolves)
{
    int64_t now_ms = resolves->abandoned_count > 0 ? read_mono(resolves) : 0;
    for (unsigned i = 0; i < resolves->abandoned_count;) {
        if (!has_ended(&resolves->abandoned[i], now_ms)) {
            i++;
            continue;
        }
        close_copy(resolves->abandoned[i].fd);
        resolves->abandoned[i] = resolves->abandoned[--resolves->abandoned_count];
        resolves->taken--;
    }
}

void
whs_curl_resolves_fini(struct whs_curl_resolves *resolves)
{
    for (unsigned i = 0; i < resolves->abandoned_count; i++) {
        const struct whs_curl_abandoned *abandoned = &resolves->abandoned[i];
        int64_t left_ms = abandoned->ends_at_ms - read_mono(resolves);
        if (abandoned->fd >= 0 && left_ms > 0)
            (void)is_closed(abandoned->fd, left_ms);
        close_copy(abandoned->fd);
    }
    whs_free(resolves->abandoned);
}

int
whs_curl_resolves_copy(int fd)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0 || !(S_ISSOCK(stat.st_mode) || S_ISFIFO(stat.st_mode)))
        return -1;
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

void
whs_curl_resolves_abandon(struct whs_curl_resolves *resolves, int fd)
{
    resolves->abandoned[resolves->abandoned_count++] =
        (struct whs_curl_abandoned){fd, read_mono(resolves) + ABANDONED_MS};
}

/* --- Places. --- */

bool
whs_curl_resolves_has_room(struct whs_curl_resolves *resolves, unsigned share)
{
    if (resolves->taken >= share)
        release_abandoned(resolves);
    return resolves->taken < share;
}

bool
whs_curl_resolves_take(struct whs_curl_resolves *resolves, unsigned share)
{
    if (!whs_curl_resolves_has_room(resolves, share))
        return false;
    resolves->taken++;
    return true;
}

void
whs_curl_resolves_put(struct whs_curl_resolves *resolves)
{
    resolves->taken--;
}
