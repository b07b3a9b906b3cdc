/* SPDX-License-Identifier: MIT
 *
 * The libcurl that was found: can we use it, and where does it take its memory from?
 * Any thread.
 */
#ifndef WHS_TRANSPORT_CURL_LIBRARY_H
#define WHS_TRANSPORT_CURL_LIBRARY_H

#include <stdbool.h>

#include "blocks.h"
#include "status.h"

/* Initialises it, once. WHS_CONFIGURATION says what it lacks. */
WHS_CHECK enum whs_status whs_curl_library_check(struct whs_error *err);

/* What libcurl frees and takes on this thread from now on is kept in `used`, which is
 * borrowed until the next call; NULL: nothing is. */
void whs_curl_library_use(struct whs_blocks *used);

/* Its easy handles may be used for one transfer after the other. Before libcurl 8.1.1
 * one keeps a pointer to the last field of the answer before, which is freed, and
 * follows it where the next answer's first field begins with a blank: an endpoint could
 * have that. */
bool whs_curl_library_forgets(void);

#endif
