/* SPDX-License-Identifier: MIT
 *
 * Who starts next, and how many run at once? Round-robin over the origins that may
 * start, then over such an origin's lanes. The caps: in total (here), per origin
 * (origin.c, which keeps some places for whoever has nothing in flight), per
 * subscription (lane.c), which also has its rate (rate.c). Besides,
 * nothing starts without a lease, without a place in the report queue, or after its
 * subscription has expired.
 */
#ifndef WHS_START_H
#define WHS_START_H

#include "work.h"

/* Where subscriptions have changed since this lane's was looked up, looks again and
 * places it. One that is gone holds its lane until the removal arrives that says what
 * becomes of the rest. */
void whs_start_look_up(struct whs_work *work, struct whs_lane *lane);

/* The lane whose next attempt starts now; a report slot is reserved for it. NULL:
 * nothing may start now. */
struct whs_lane *whs_start_next(struct whs_work *work);

/* Starts all that may. */
void whs_start_all(struct whs_work *work);

#endif
