/* SPDX-License-Identifier: MIT
 *
 * Makes the n-th allocation fail, to show that every one may.
 *
 *     for (unsigned n = 1; failing_alloc_begin(n); n++) {
 *         … the call under test; it must succeed or fail cleanly …
 *         failing_alloc_end();
 *     }
 *
 * The loop ends by itself after the first round in which nothing was left to fail.
 */
#ifndef FAILING_ALLOC_H
#define FAILING_ALLOC_H

#include <stdbool.h>

bool failing_alloc_begin(unsigned n);
void failing_alloc_end(void);
/* Inside a round: the failure has happened already. */
bool failing_alloc_happened(void);

#endif
