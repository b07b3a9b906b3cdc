/* SPDX-License-Identifier: MIT
 *
 * What states can a delivery be in? The codes are stored: append only.
 *
 *                    ┌──────────── retry ─────────────┐
 *   (in the queue) ──┼─spill/retry─▶ waiting ─claim─▶ claimed
 *        │           │                 │                 │
 *        └───────────┴──▶ delivered, dead, expired, cancelled, quarantined ◀┘
 */
#ifndef WHS_DELIVERY_H
#define WHS_DELIVERY_H

#define WHS_DELIVERY_STATE_MAP(X)                                                      \
    X(WAITING, 1, "waiting")                                                           \
    X(CLAIMED, 2, "claimed")                                                           \
    X(DELIVERED, 3, "delivered")                                                       \
    X(DEAD, 4, "dead")                                                                 \
    X(EXPIRED, 5, "expired")                                                           \
    X(CANCELLED, 6, "cancelled")                                                       \
    X(QUARANTINED, 7, "quarantined")

enum whs_delivery_state {
#define X(name, code, word) WHS_DELIVERY_##name = code,
    WHS_DELIVERY_STATE_MAP(X)
#undef X
};

const char *whs_delivery_state_name(enum whs_delivery_state state);

#endif
