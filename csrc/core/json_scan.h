/* SPDX-License-Identifier: MIT
 *
 * The one pass over a JSON text that judges it, in either strength (json.h). Does not
 * recurse and takes no memory. Pure; any thread.
 */
#ifndef WHS_JSON_SCAN_H
#define WHS_JSON_SCAN_H

#include <stdbool.h>

#include "slice.h"
#include "status.h"
#include "word.h"

/* What the scanner can keep in mind: a batch in an envelope is a little deeper than its
 * data. */
#define WHS_JSON_SCAN_DEPTH_MAX 128

/* On WHS_INVALID `err` says what and at which byte, never the text that stands there.
 * A `depth_max` beyond WHS_JSON_SCAN_DEPTH_MAX counts as that. `strict`: also no
 * \u0000, no lone surrogate escape and no number that a double could not hold. */
WHS_CHECK enum whs_status whs_json_scan(struct whs_slice text, unsigned depth_max,
                                        bool strict, struct whs_error *err);

/* None of these eight bytes ends a string, begins an escape or must be escaped. */
static inline bool
whs_json_is_plain(uint64_t word)
{
    return (whs_word_below(word, 0x20) | whs_word_equal(word, '"') |
            whs_word_equal(word, '\\')) == 0;
}

#endif
