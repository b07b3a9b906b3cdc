/* SPDX-License-Identifier: MIT
 *
 * The few header fields of an answer whose values somebody wants to know: who asks one
 * thing once (ask.h). They are those of the final head. Pure.
 */
#ifndef WHS_FIELDS_H
#define WHS_FIELDS_H

#include "slice.h"

/* A longer value is as good as none: nothing that is asked for is so long. */
#define WHS_FIELD_SIZE 512

#define WHS_FIELD_MAP(X)                                                               \
    X(content_type, "Content-Type")                                                    \
    X(allowed_origin, "WebHook-Allowed-Origin")                                        \
    X(allowed_rate, "WebHook-Allowed-Rate")

/* Each "" when the answer has none; the first where it has several. */
struct whs_fields {
#define X(member, name) char member[WHS_FIELD_SIZE];
    WHS_FIELD_MAP(X)
#undef X
};

/* One line of a head, with its end. A status line begins anew. */
void whs_fields_read(struct whs_fields *fields, struct whs_slice line);

#endif
