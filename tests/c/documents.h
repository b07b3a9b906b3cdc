/* SPDX-License-Identifier: MIT
 *
 * What tests of subscriptions share: rules, a good draft, and mistakes as one text.
 */
#ifndef DOCUMENTS_H
#define DOCUMENTS_H

#include "subscription.h"

/* 2026-11-25T00:00:00Z */
#define DOCUMENTS_NOW_MS INT64_C(1795564800000)

/* The least document that is accepted, but for its closing brace. */
#define DOCUMENTS_LEAST                                                                \
    "{\"modificationType\":\"any\",\"notificationUrl\":\"https://example.com/hook\","  \
    "\"resource\":\"tenant/t1/sidedrawer\","                                           \
    "\"expirationDateTime\":\"2029-07-07T14:40:40-03:00\""

/* The built-in catalog, strict URLs, sockets. Give the catalog back with
 * whs_catalog_unref. */
struct whs_subscription_rules documents_rules(void);
/* The least that is accepted, for HTTP. */
struct whs_subscription_draft documents_draft(void);
/* Every field is set. */
struct whs_subscription_draft documents_full_draft(void);
/* "field code, field code, …"; "" when there is none. Static: until the next call. */
const char *documents_mistakes(const struct whs_field_errors *errors);

#endif
