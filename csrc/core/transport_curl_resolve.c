/* SPDX-License-Identifier: MIT */
#include "transport_curl_resolve.h"

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

void
whs_curl_resolves_fini(struct whs_curl_resolves *resolves)
{
    whs_free(resolves->abandoned);
}

static void
release_abandoned(struct whs_curl_resolves *resolves)
{
    int64_t now_ms = resolves->abandoned_count > 0 ? read_mono(resolves) : 0;
    while (resolves->abandoned_count > 0 &&
           resolves->abandoned[resolves->abandoned_first] <= now_ms) {
        resolves->abandoned_first = (resolves->abandoned_first + 1) % resolves->max;
        resolves->abandoned_count--;
        resolves->taken--;
    }
}

bool
whs_curl_resolves_take(struct whs_curl_resolves *resolves)
{
    release_abandoned(resolves);
    if (resolves->taken >= resolves->max)
        return false;
    resolves->taken++;
    return true;
}

void
whs_curl_resolves_put(struct whs_curl_resolves *resolves)
{
    resolves->taken--;
}

void
whs_curl_resolves_abandon(struct whs_curl_resolves *resolves)
{
    unsigned at =
        (resolves->abandoned_first + resolves->abandoned_count++) % resolves->max;
    resolves->abandoned[at] = read_mono(resolves) + ABANDONED_MS;
}
