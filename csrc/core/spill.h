/* SPDX-License-Identifier: MIT
 *
 * What leaves without an attempt, and when? Deliveries that cannot start soon go to the
 * store as waiting rows, so that they hold neither the queue nor their event; those of
 * an expired, ended or disabled subscription go for good. Leaving deliveries are
 * reported as fast as the report queue has room, many in one report; until then they
 * count as queued.
 */
#ifndef WHS_SPILL_H
#define WHS_SPILL_H

#include "work.h"

/* `outcome` is SPILLED, DISABLED, CANCELLED or EXPIRED; `due_ms` is when one that waits
 * may be tried, on the monotonic clock, 0: at once. */
void whs_leave(struct whs_work *work, struct whs_delivery *dlv,
               enum whs_outcome outcome, int64_t due_ms);
/* All that the lane has. Places it: one without attempts may be gone afterwards. */
void whs_leave_lane(struct whs_work *work, struct whs_lane *lane,
                    enum whs_outcome outcome, int64_t due_ms);
void whs_leave_all(struct whs_work *work, enum whs_outcome outcome);
/* Reports what leaves: as much as there is room for, everything when closing. */
void whs_spill_report(struct whs_work *work);

/* Looks for what cannot start soon; not more often than is useful. */
void whs_spill_sweep(struct whs_work *work);
/* When sweep has something to do; INT64_MAX: never, as things are. */
int64_t whs_spill_next(const struct whs_work *work);

#endif
