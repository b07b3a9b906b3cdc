/* SPDX-License-Identifier: MIT */
#include "breaker.h"

bool
whs_breaker_admits(struct whs_breaker *breaker, int64_t mono_ms)
{
    if (breaker->blocked_until_ms == 0)
        return true;
    if (breaker->probing || mono_ms < breaker->blocked_until_ms)
        return false;
#ifndef WHS_SABOTAGE_no_probe
    breaker->probing = true;
#endif
    return true;
}

int64_t
whs_breaker_blocked_until(const struct whs_breaker *breaker)
{
    return breaker->blocked_until_ms;
}

enum whs_breaker_news
whs_breaker_record(struct whs_breaker *breaker, bool connection_failed,
                   int failures_max, int64_t open_ms, int64_t mono_ms)
{
    if (!connection_failed) {
        bool was_open = breaker->blocked_until_ms != 0;
        *breaker = (struct whs_breaker){0};
        return was_open ? WHS_BREAKER_CLOSED : WHS_BREAKER_AS_BEFORE;
    }
    bool probe_failed = breaker->probing;
    breaker->probing = false;
    breaker->failures++;
    if (!probe_failed && breaker->failures < failures_max)
        return WHS_BREAKER_AS_BEFORE;
    breaker->blocked_until_ms = mono_ms + open_ms;
    return WHS_BREAKER_OPENED;
}
