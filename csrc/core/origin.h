/* SPDX-License-Identifier: MIT
 *
 * Where deliveries go: one scheme, host and port, shared by all lanes that lead there.
 * Those with a ready lane stand in one ring, unless they are at their cap or their
 * breaker is open. Lanes with nothing in flight go before others, and the last places
 * under the cap are theirs alone: one slow subscription holds a shared host's most
 * places, but never all. One that nobody refers to is kept for a while: its breaker
 * remembers. Everything here belongs to the engine thread.
 */
#ifndef WHS_ORIGIN_H
#define WHS_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "breaker.h"
#include "clock.h"
#include "hash.h"
#include "list.h"
#include "slice.h"
#include "table.h"
#include "timer.h"

struct whs_origin {
    struct whs_entry entry;
    struct whs_link ring; /* in origins.ready */
    struct whs_link
        fresh; /* head: its lanes that are ready, nothing of theirs in flight */
    struct whs_link lanes; /* head: others that are ready */
    struct whs_link idle;  /* in origins.idle while nobody refers to it */
    struct whs_timer reopening;
    struct whs_breaker breaker;
    size_t refs; /* lanes and attempts */
    size_t in_flight;
    size_t queued;    /* deliveries in its lanes */
    size_t pace;      /* attempts started lately: see spill.c */
    int64_t paced_ms; /* when it was last halved */
    struct whs_slice name;
};

struct whs_origins {
    size_t in_flight_max; /* of each */
    size_t shared_max;    /* at so many in flight only fresh lanes start */
    int64_t mono_ms;      /* now, set once a turn */
    struct whs_hash_key key;
    struct whs_table table;
    struct whs_link ready;
    struct whs_link idle;
    size_t idle_count;
    size_t blocked; /* breakers that are open */
    struct whs_timers reopening;
};

/* `reserved` of `in_flight_max` are for lanes with nothing in flight. False: no memory.
 */
bool whs_origins_init(struct whs_origins *origins, size_t in_flight_max,
                      size_t reserved, const struct whs_random *random);
/* Nobody may refer to one. */
void whs_origins_fini(struct whs_origins *origins);

/* Refers to it: whs_origin_close. NULL: no memory. */
struct whs_origin *whs_origin_open(struct whs_origins *origins, struct whs_slice name);
void whs_origin_close(struct whs_origins *origins, struct whs_origin *origin);
/* Says whether it may start something now. After every change. */
void whs_origin_place(struct whs_origins *origins, struct whs_origin *origin);
/* Its lane whose turn it is; it must be ready. */
struct whs_link *whs_origin_front(const struct whs_origin *origin);
/* Whoever is there says that it can be reached: what is known of it is forgotten, and
 * it is placed. Nothing where it is not known. */
void whs_origin_reopen(struct whs_origins *origins, struct whs_slice name);
/* The probe did not happen: the next one that starts is. Places it. */
void whs_origin_forgo(struct whs_origins *origins, struct whs_origin *origin);
/* Notes how an attempt ended; places it. */
enum whs_breaker_news whs_origin_record(struct whs_origins *origins,
                                        struct whs_origin *origin,
                                        bool connection_failed, int failures_max,
                                        int64_t open_ms);

static inline bool
whs_origin_is_blocked(const struct whs_origin *origin, int64_t mono_ms)
{
    return whs_breaker_blocked_until(&origin->breaker) > mono_ms;
}

#endif
