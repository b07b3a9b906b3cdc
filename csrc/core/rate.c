/* SPDX-License-Identifier: MIT */
#include "rate.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_SECOND INT64_C(1000000000)

static int64_t
token_ns(uint32_t micros)
{
    return NS_PER_SECOND * WHS_RATE_MICROS / micros;
}

/* How long an empty bucket takes to be full. */
static int64_t
bucket_ns(uint32_t micros)
{
    int64_t token = token_ns(micros);
    return token > NS_PER_SECOND ? token : NS_PER_SECOND;
}

static int64_t
round_up_ms(int64_t ns)
{
    return (ns + NS_PER_MS - 1) / NS_PER_MS;
}

/* A bucket that has long been full is no fuller than one that is full now. */
static int64_t
full_at(const struct whs_rate *rate, int64_t mono_ms)
{
    int64_t now_ns = mono_ms * NS_PER_MS;
    return rate->full_at_ns > now_ns ? rate->full_at_ns : now_ns;
}

int64_t
whs_rate_ready_ms(const struct whs_rate *rate, uint32_t micros, size_t ahead,
                  int64_t mono_ms)
{
    int64_t tokens = (int64_t)ahead + 1;
    int64_t at_ms = round_up_ms(full_at(rate, mono_ms) + tokens * token_ns(micros) -
                                bucket_ns(micros));
    return at_ms > mono_ms ? at_ms : mono_ms;
}

size_t
whs_rate_count(const struct whs_rate *rate, uint32_t micros, int64_t mono_ms,
               int64_t until_ms)
{
    int64_t empty_ns = full_at(rate, mono_ms) - bucket_ns(micros);
    int64_t filled_ns = until_ms * NS_PER_MS - empty_ns;
    return filled_ns > 0 ? (size_t)(filled_ns / token_ns(micros)) : 0;
}

void
whs_rate_take(struct whs_rate *rate, uint32_t micros, size_t count, int64_t mono_ms)
{
    rate->full_at_ns = full_at(rate, mono_ms) + (int64_t)count * token_ns(micros);
}

int64_t
whs_rate_full_ms(const struct whs_rate *rate)
{
    return round_up_ms(rate->full_at_ns);
}
