/* SPDX-License-Identifier: MIT
 *
 * Subscriptions and subscribers as small as a test of matching needs them: only
 * resource, root, action, seq and created_revision have a meaning.
 */
#ifndef HANDMADE_H
#define HANDMADE_H

#include "subscriber.h"

/* The caller's reference is the last one: give it back with handmade_free, which checks
 * that nobody else kept one. */
struct whs_subscriber *handmade_subscriber(int64_t seq, const char *resource,
                                           enum whs_action action,
                                           int64_t created_revision);
int handmade_refs(const struct whs_subscriber *sub);
void handmade_free(struct whs_subscriber *sub);

#endif
