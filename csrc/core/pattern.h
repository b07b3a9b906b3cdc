/* SPDX-License-Identifier: MIT
 *
 * Paths and their templates.
 *
 *   template   tenant/{tenantId}/sidedrawer/{sidedrawerId}/record
 *   path       tenant/acme/sidedrawer/s1/record
 *
 * A segment in braces is a parameter, never an id. Ids are opaque, case-sensitive
 * UTF-8, 1–256 bytes, without '/' and control characters. Nothing is decoded here.
 *
 * valid      subscription/{subscriptionid}/license     a   a/{b}
 * not valid  /a   a/   a//b   {a}   a/{}   a/{b}/{b}   a/x{b}   a/{b
 * (a template starts with a literal and its first parameter is the root)
 */
#ifndef WHS_PATTERN_H
#define WHS_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"
#include "status.h"

#define WHS_ID_BYTES_MAX 256
/* The deepest path of the built-in catalog has 8. */
#define WHS_SEGMENTS_MAX 32
#define WHS_PARAMETERS_MAX 12

struct whs_segment {
    struct whs_slice text; /* literal, or the parameter's name without braces */
    bool is_parameter;
};

struct whs_pattern {
    struct whs_slice text; /* owned copy, behind it all segments point */
    struct whs_segment segments[WHS_SEGMENTS_MAX];
    uint8_t segment_count;
    uint8_t parameter_count;
};

/* What is a valid template? `out` is owned: whs_pattern_fini. */
WHS_CHECK enum whs_status whs_pattern_parse(struct whs_slice text,
                                            struct whs_pattern *out,
                                            struct whs_error *err);
void whs_pattern_fini(struct whs_pattern *pattern);
/* Its number among the parameters, or -1. */
int whs_pattern_find_parameter(const struct whs_pattern *pattern,
                               struct whs_slice name);
/* Equal up to and with the first parameter, which both have. */
bool whs_pattern_has_same_root(const struct whs_pattern *a,
                               const struct whs_pattern *b);

/* Splits a path at '/'. Borrows `path`. WHS_INVALID: empty segment, too many, an id too
 * long, control character, not UTF-8. Segments in braces are returned as parameters. */
WHS_CHECK enum whs_status whs_path_split(struct whs_slice path,
                                         struct whs_segment out[WHS_SEGMENTS_MAX],
                                         uint8_t *count, struct whs_error *err);

#endif
