/* SPDX-License-Identifier: MIT
 *
 * Waiting with a limit, on the clock that nobody sets.
 */
#ifndef WHS_COND_H
#define WHS_COND_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

void whs_cond_init(pthread_cond_t *cond);
/* Now and `timeout_ms`; negative counts as 0. */
struct timespec whs_cond_deadline(int timeout_ms);
/* False: the deadline has passed. */
bool whs_cond_wait_locked(pthread_cond_t *cond, pthread_mutex_t *lock,
                          const struct timespec *deadline);

#endif
