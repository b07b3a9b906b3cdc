/* SPDX-License-Identifier: MIT */
#include "cond.h"

void
whs_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

struct timespec
whs_cond_deadline(int timeout_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    if (timeout_ms < 0)
        timeout_ms = 0;
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

bool
whs_cond_wait_locked(pthread_cond_t *cond, pthread_mutex_t *lock,
                     const struct timespec *deadline)
{
    return pthread_cond_timedwait(cond, lock, deadline) == 0;
}
