/* SPDX-License-Identifier: MIT
 *
 * Which template did the author of an unknown path have in mind? For an error's
 * sentence, so it need not be fast, only bounded. Pure.
 */
#ifndef WHS_NEAREST_H
#define WHS_NEAREST_H

#include <stdint.h>

#include "pattern.h"

/* The one with the smallest edit distance over segments, the first of several; where
 * literals differ, their spelling decides between equal distances. `count` ≥ 1. */
uint16_t whs_nearest_find(const struct whs_pattern *patterns, uint16_t count,
                          const struct whs_segment *segments, uint8_t segment_count);

#endif
