/* SPDX-License-Identifier: MIT
 *
 * Does this subscription hear this event, and by which of its paths? The answer for one
 * pair, straight from the catalog; matcher.c has the fast one for all subscriptions.
 */
#ifndef WHS_COVER_H
#define WHS_COVER_H

#include "action.h"
#include "catalog.h"

/* Index of the first of `paths` that a subscription to `resource` and `wanted` covers;
 * negative: none, or one of them is unknown to the catalog. Pure. */
int whs_cover_find(const struct whs_catalog *catalog, struct whs_slice resource,
                   enum whs_action wanted, const struct whs_slice *paths,
                   size_t path_count, enum whs_action action);

#endif
