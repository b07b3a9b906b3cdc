/* SPDX-License-Identifier: MIT
 *
 * Is the libcurl that was found one that we can use? Any thread.
 */
#ifndef WHS_TRANSPORT_CURL_LIBRARY_H
#define WHS_TRANSPORT_CURL_LIBRARY_H

#include "status.h"

/* Initialises it, once. WHS_CONFIGURATION says what it lacks. */
WHS_CHECK enum whs_status whs_curl_library_check(struct whs_error *err);

#endif
