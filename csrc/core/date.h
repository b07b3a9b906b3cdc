/* SPDX-License-Identifier: MIT
 *
 * The two spellings of an instant that we meet: RFC 3339 in documents and HTTP-dates in
 * Retry-After. Independent of locale and time zone.
 */
#ifndef WHS_DATE_H
#define WHS_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

#define WHS_DATE_TEXT_SIZE sizeof("2029-07-07T17:40:40.000Z")

/* RFC 3339 date-time with offset, years 0001–9999 (here and in UTC), `T` and `Z` in
 * either case; digits of a fraction past the third are dropped. No leap second. False
 * leaves *utc_ms. */
bool whs_date_parse(struct whs_slice text, int64_t *utc_ms);

/* "2029-07-07T17:40:40.000Z"; the instant must lie in years 0001–9999. */
void whs_date_format(int64_t utc_ms, char out[WHS_DATE_TEXT_SIZE]);

/* RFC 9110 §5.6.7: IMF-fixdate, RFC 850 and asctime forms. */
bool whs_http_date_parse(struct whs_slice text, int64_t now_ms, int64_t *utc_ms);

#endif
