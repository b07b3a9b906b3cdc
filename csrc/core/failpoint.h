/* SPDX-License-Identifier: MIT
 *
 * Named points at which a test build may end its own process. In every other build they
 * are nothing, not even a name. What happens at them stands in tests/crash/failpoint.c.
 */
#ifndef WHS_FAILPOINT_H
#define WHS_FAILPOINT_H

#ifdef WHS_FAILPOINTS
/* Any thread. Does not return where the environment names this hit of this point. */
void whs_failpoint(const char *name);
#define WHS_FAILPOINT(name) whs_failpoint(name)
#else
#define WHS_FAILPOINT(name) ((void)0)
#endif

#endif
