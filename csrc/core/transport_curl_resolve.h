/* SPDX-License-Identifier: MIT
 *
 * How many names are looked up at once? libcurl takes a thread for each lookup, which
 * nobody can stop: when its transfer is given up the thread goes on until getaddrinfo
 * returns. So every transfer holds a place until it surely needs no lookup, and a place
 * that was abandoned is kept until its thread is surely gone. Engine thread.
 */
#ifndef WHS_TRANSPORT_CURL_RESOLVE_H
#define WHS_TRANSPORT_CURL_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

struct whs_curl_resolves {
    struct whs_clock clock;
    unsigned max;
    unsigned taken; /* abandoned ones included */
    /* When the threads of lookups that were given up are surely gone; a ring. */
    int64_t *abandoned;
    unsigned abandoned_first, abandoned_count;
};

/* False: no memory; fini is needed all the same. */
bool whs_curl_resolves_init(struct whs_curl_resolves *resolves, unsigned max,
                            struct whs_clock clock);
void whs_curl_resolves_fini(struct whs_curl_resolves *resolves);

/* False: all places are taken. */
bool whs_curl_resolves_take(struct whs_curl_resolves *resolves);
void whs_curl_resolves_put(struct whs_curl_resolves *resolves);
/* Instead of put: its thread may still be running. */
void whs_curl_resolves_abandon(struct whs_curl_resolves *resolves);

#endif
