/* SPDX-License-Identifier: MIT
 *
 * What may be chosen about an engine: its limits, its retries, its names of headers.
 */
#ifndef WHS_ENGINE_CONFIG_H
#define WHS_ENGINE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "retry.h"
#include "sign.h"

/* Every limit of the engine, with its default. */
#define WHS_ENGINE_LIMIT_MAP(X)                                                        \
    X(queue_deliveries_max, 65536) /* matches queued, not started */                   \
    X(queue_bytes_max, 67108864)   /* events and matches queued, in bytes */           \
    X(in_flight_max, 256)          /* attempts at once */                              \
    X(in_flight_per_origin, 8)                                                         \
    X(in_flight_reserved_per_origin, 2) /* for who has nothing in flight there */      \
    X(in_flight_per_subscription, 8)                                                   \
    X(report_slots, 4096) /* attempts running or not yet settled */                    \
    X(spill_after_ms, 2000)                                                            \
    X(breaker_failures, 5)    /* connection failures in a row that open it */          \
    X(breaker_open_ms, 30000) /* then one probe */

struct whs_engine_limits {
#define X(name, value) int64_t name;
    WHS_ENGINE_LIMIT_MAP(X)
#undef X
};
extern const struct whs_engine_limits whs_engine_limits_default;

struct whs_engine_config {
    struct whs_engine_limits limits;
    struct whs_retry_policy retry;
    enum whs_encoding integrity_encoding;
    char integrity_header[64]; /* "integrityHash" */
    char user_agent[64];
    char request_origin[256]; /* WebHook-Request-Origin; "" for none */
    bool traceparent;         /* a notification that is sent alone names its trace */
    /* False in memory: what cannot start stays queued, because there is no store to
     * spill to before its retry. */
    bool spill;
    struct whs_clock clock;
    struct whs_random random;
};
void whs_engine_config_default(struct whs_engine_config *config);

#endif
