/* SPDX-License-Identifier: MIT
 *
 * Do we retry, and when? Asked here and nowhere else. Pure: policy and facts in,
 * decision out. The store's clock turns the delay into a date.
 */
#ifndef WHS_RETRY_H
#define WHS_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "outcome.h"
#include "slice.h"

#define WHS_RETRY_STEPS_MAX 32

struct whs_retry_policy {
    int64_t steps_ms[WHS_RETRY_STEPS_MAX]; /* the last one is repeated */
    int step_count;
    double jitter;              /* 0.2: each step ± 20 % */
    int max_retries;            /* where a subscription names none */
    int64_t retry_after_max_ms; /* an endpoint cannot ask for longer */
    int64_t absent_ms; /* nobody listens: looked for again so late, unless one comes */
    int64_t disable_after_ms; /* of only failures; 0: never */
    bool disable_on_gone;
};

/* 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h (Standard Webhooks' schedule),
 * ± 20 %, 9 retries, Retry-After to 6 h, who is absent 10 m, 5 days, 410 disables. */
extern const struct whs_retry_policy whs_retry_policy_default;

struct whs_retry_facts {
    enum whs_outcome outcome;
    int http_status; /* 0: no complete head */
    int attempt;     /* 1 for the first: how many have been made, this included */
    int max_retries; /* the subscription's, or WHS_MAX_RETRIES_DEFAULT */
    int64_t retry_after_ms; /* from now; negative: none */
    int64_t
        failing_for_ms; /* how long the subscription has only failed; 0: it hasn't */
    uint64_t random;
};

enum whs_verdict {
    WHS_VERDICT_DELIVERED = 1,
    WHS_VERDICT_RETRY = 2,
    WHS_VERDICT_DEAD = 3,
    /* This delivery is dead and the subscription is disabled. */
    WHS_VERDICT_DISABLE = 4,
    /* Nothing was tried: it waits, and no attempt was made. */
    WHS_VERDICT_WAIT = 5,
};

struct whs_decision {
    enum whs_verdict verdict;
    int64_t delay_ms; /* of a retry, or a wait */
};

struct whs_decision whs_retry_decide(const struct whs_retry_policy *policy,
                                     const struct whs_retry_facts *facts);

/* True when `attempt` would be the last one permitted: it takes a fresh connection. */
bool whs_retry_is_last(const struct whs_retry_policy *policy, int attempt,
                       int max_retries);

/* RFC 9110 §10.2.3: delta-seconds or an HTTP-date. Milliseconds from now, 0 for the
 * past, clamped to `max_ms`; -1 when it is neither. */
int64_t whs_retry_after_parse(struct whs_slice value, int64_t now_ms, int64_t max_ms);

#endif
