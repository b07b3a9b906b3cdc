/* SPDX-License-Identifier: MIT */
#include "nearest.h"

#include <assert.h>

/* A segment that differs. Spelling weighs so little that all segments of a path
 * together stay below one. */
#define SEGMENT_COST 1024
#define SPELLING_COST_MAX (SEGMENT_COST / WHS_SEGMENTS_MAX - 1)
/* One more or less is as unlike as any. */
#define WHOLE_SEGMENT_COST (SEGMENT_COST + SPELLING_COST_MAX)

/* Which part is left between the common start and the common end: linear, and enough to
 * tell a typing error from another word. */
static unsigned
measure_spelling(struct whs_slice a, struct whs_slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    size_t longer = a.len < b.len ? b.len : a.len;
    size_t start = 0, end = 0;

    while (start < shorter && a.ptr[start] == b.ptr[start])
        start++;
    while (end < shorter - start && a.ptr[a.len - 1 - end] == b.ptr[b.len - 1 - end])
        end++;
    return (unsigned)(SPELLING_COST_MAX * (longer - start - end) / longer);
}

/* Equal texts never reach the spelling, so neither do two empty ones. */
static unsigned
compare_segments(const struct whs_segment *template, const struct whs_segment *path)
{
    if (template->is_parameter && !path->is_parameter)
        return 0;
    if (template->is_parameter != path->is_parameter)
        return WHOLE_SEGMENT_COST;
    if (whs_slice_equal(template->text, path->text))
        return 0;
    return SEGMENT_COST + measure_spelling(template->text, path->text);
}

static unsigned
smallest(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Levenshtein's table, one row at a time. */
static unsigned
measure_distance(const struct whs_pattern *pattern, const struct whs_segment *segments,
                 uint8_t count)
{
    unsigned row[WHS_SEGMENTS_MAX + 1];

    for (unsigned j = 0; j <= count; j++)
        row[j] = j * WHOLE_SEGMENT_COST;
    for (unsigned i = 0; i < pattern->segment_count; i++) {
        unsigned diagonal = row[0];
        row[0] = (i + 1) * WHOLE_SEGMENT_COST;
        for (unsigned j = 0; j < count; j++) {
            unsigned above = row[j + 1];
            row[j + 1] = smallest(
                above + WHOLE_SEGMENT_COST, row[j] + WHOLE_SEGMENT_COST,
                diagonal + compare_segments(&pattern->segments[i], &segments[j]));
            diagonal = above;
        }
    }
    return row[count];
}

uint16_t
whs_nearest_find(const struct whs_pattern *patterns, uint16_t count,
                 const struct whs_segment *segments, uint8_t segment_count)
{
    uint16_t best = 0;
    unsigned best_distance = UINT32_MAX;

    assert(count > 0);
    for (uint16_t i = 0; i < count; i++) {
        unsigned distance = measure_distance(&patterns[i], segments, segment_count);
        if (distance < best_distance) {
            best = i;
            best_distance = distance;
        }
    }
    return best;
}
