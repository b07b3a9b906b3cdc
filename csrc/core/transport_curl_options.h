/* SPDX-License-Identifier: MIT
 *
 * The one table of what libcurl is told: of every transfer, once when it is made, and
 * of all of them together.
 */
#ifndef WHS_TRANSPORT_CURL_OPTIONS_H
#define WHS_TRANSPORT_CURL_OPTIONS_H

#include <curl/curl.h>
#include <stdbool.h>

#include "transport_curl.h"

CURLcode whs_curl_options_set(CURL *easy, const struct whs_curl_config *config);
/* False: this libcurl does not take them. */
bool whs_curl_limits_set(CURLM *multi, const struct whs_curl_config *config);

#endif
