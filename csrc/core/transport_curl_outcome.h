/* SPDX-License-Identifier: MIT
 *
 * How did a transfer end? A complete final head decides, whatever became of the body;
 * without one, how far the transfer had come; libcurl's code last.
 */
#ifndef WHS_TRANSPORT_CURL_OUTCOME_H
#define WHS_TRANSPORT_CURL_OUTCOME_H

#include "transport_curl_transfer.h"

/* Fills the exchange's answer, but for its body, which is there already. */
void whs_curl_outcome_write(const struct whs_curl_transfer *transfer, CURLcode code);

#endif
