/* SPDX-License-Identifier: MIT
 *
 * What an engine has done and holds, in numbers. Only the engine thread writes them;
 * any thread may read.
 */
#ifndef WHS_COUNTERS_H
#define WHS_COUNTERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define WHS_ENGINE_COUNTER_MAP(X)                                                      \
    X(queued) /* deliveries waiting to start */                                        \
    X(queued_bytes)                                                                    \
    X(in_flight) /* attempts */                                                        \
    X(unsettled) /* report slots in use */                                             \
    X(attempts)  /* ended */                                                           \
    X(delivered) /* notifications */                                                   \
    X(retried)                                                                         \
    X(dead)                                                                            \
    X(spilled)                                                                         \
    X(expired)                                                                         \
    X(cancelled)                                                                       \
    X(origins_blocked) /* breakers open now */                                         \
    X(lease_stops)     /* times that starting waited for the lease */

struct whs_engine_stats {
#define X(name) int64_t name;
    WHS_ENGINE_COUNTER_MAP(X)
#undef X
};

struct whs_counters {
#define X(name) atomic_int_fast64_t name;
    WHS_ENGINE_COUNTER_MAP(X)
#undef X
};

/* One writer, so that reading and writing need not be one step. */
static inline void
whs_counter_set(atomic_int_fast64_t *counter, int64_t value)
{
    atomic_store_explicit(counter, value, memory_order_relaxed);
}

static inline void
whs_counter_add(atomic_int_fast64_t *counter, size_t count)
{
    int64_t before = atomic_load_explicit(counter, memory_order_relaxed);
    whs_counter_set(counter, before + (int64_t)count);
}

#endif
