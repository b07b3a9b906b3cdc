/* SPDX-License-Identifier: MIT
 *
 * How many names are looked up at once? libcurl takes a thread for each lookup, which
 * nobody can stop: when its transfer is given up the thread goes on until getaddrinfo
 * returns. So every transfer holds a place until it surely needs no lookup, and a place
 * that was abandoned is kept until its thread is gone. That is seen by the pipe through
 * which the thread would have told libcurl: its end closes the other side. Where
 * libcurl uses no pipe for it, time must tell. Engine thread.
 */
#ifndef WHS_TRANSPORT_CURL_RESOLVE_H
#define WHS_TRANSPORT_CURL_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

/* A lookup that was given up. */
struct whs_curl_abandoned {
    int fd;             /* our copy of the pipe's end, negative: none */
    int64_t ends_at_ms; /* its thread is surely gone then */
};

struct whs_curl_resolves {
    struct whs_clock clock;
    unsigned max;
    unsigned taken;                       /* abandoned ones included */
    struct whs_curl_abandoned *abandoned; /* places for `max` */
    unsigned abandoned_count;
};

/* False: no memory; fini is needed all the same. */
bool whs_curl_resolves_init(struct whs_curl_resolves *resolves, unsigned max,
                            struct whs_clock clock);
/* Waits for the threads of which it can be seen that they run. */
void whs_curl_resolves_fini(struct whs_curl_resolves *resolves);

/* Of the first `share` places. */
bool whs_curl_resolves_has_room(struct whs_curl_resolves *resolves, unsigned share);
/* False: so many are taken. */
bool whs_curl_resolves_take(struct whs_curl_resolves *resolves, unsigned share);
void whs_curl_resolves_put(struct whs_curl_resolves *resolves);
/* Instead of put: its thread may still be running. Takes `fd`, a copy of what it would
 * have told its result by; negative when there is none. */
void whs_curl_resolves_abandon(struct whs_curl_resolves *resolves, int fd);
/* A copy of a lookup's `fd` for abandon; negative when its end cannot be seen by it. */
int whs_curl_resolves_copy(int fd);

#endif
