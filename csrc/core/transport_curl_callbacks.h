/* SPDX-License-Identifier: MIT
 *
 * What libcurl asks while a transfer runs: may I connect there, may I send now, here is
 * a line of the answer's head, here is some of its body, whom do you trust.
 */
#ifndef WHS_TRANSPORT_CURL_CALLBACKS_H
#define WHS_TRANSPORT_CURL_CALLBACKS_H

#include "transport_curl_transfer.h"

/* `trust` is borrowed. */
CURLcode whs_curl_callbacks_set(struct whs_curl_transfer *transfer,
                                struct whs_trust *trust);

#endif
