/* SPDX-License-Identifier: MIT
 *
 * What follows from an answer? retry.c decides; this obeys: a report with one row for
 * each delivery, the breaker's and the subscription's memory, and in two cases more:
 *
 *   a batch refused for its content (400, 413, 422)  → halved: both halves are the next
 *                                                      of their lane, nothing is
 * reported the subscription is disabled                     → what it has queued is
 * spilled
 */
#ifndef WHS_CONCLUDE_H
#define WHS_CONCLUDE_H

#include "attempt.h"

/* It has its answer. Frees the attempt. */
void whs_conclude(struct whs_work *work, struct whs_attempt *attempt);

/* There will be no answer, because the engine ends: stops it and reports WAITING with
 * outcome UNKNOWN. Frees the attempt. */
void whs_conclude_without_answer(struct whs_work *work, struct whs_attempt *attempt);

#endif
