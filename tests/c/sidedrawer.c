/* SPDX-License-Identifier: MIT */
#include "sidedrawer.h"

#include <stdio.h>
#include <stdlib.h>

#define CREATE WHS_ACTION_BIT(WHS_ACTION_CREATE)
#define UPDATE WHS_ACTION_BIT(WHS_ACTION_UPDATE)
#define DELETE WHS_ACTION_BIT(WHS_ACTION_DELETE)

#define DRAWERS "tenant/{tenantId}/sidedrawer"
#define DRAWER DRAWERS "/{sidedrawerId}"
#define RECORDS DRAWER "/record"
#define RECORD RECORDS "/{recordId}"
#define PLANS DRAWER "/plan-request"
#define PLAN PLANS "/{planRequestId}"
#define ITEMS PLAN "/item"
#define ITEM ITEMS "/{planItemId}"
#define PERSON "tenant/{tenantId}/network/{openId}"
#define LICENSES "subscription/{subscriptionid}/license"

#define RULE(entity, actions)                                                          \
    {                                                                                  \
        {entity, sizeof(entity) - 1}, actions                                          \
    }
#define ROW(resource, ...)                                                             \
    {                                                                                  \
        {resource, sizeof(resource) - 1},                                              \
            (const struct whs_catalog_rule[]){__VA_ARGS__},                            \
            sizeof((const struct whs_catalog_rule[]){__VA_ARGS__}) /                   \
                sizeof(struct whs_catalog_rule)                                        \
    }

const struct whs_catalog_row sidedrawer_rows[SIDEDRAWER_ROW_COUNT] = {
    ROW(DRAWERS, RULE(DRAWER, CREATE | UPDATE | DELETE)),
    ROW(RECORDS, RULE(RECORD, CREATE | UPDATE | DELETE)),
    ROW(RECORD, RULE(RECORD, UPDATE | DELETE)),
    ROW(RECORD "/network",
        RULE(RECORD "/network/{networkId}", CREATE | UPDATE | DELETE)),
    ROW(RECORD "/files", RULE(RECORD "/files/{fileId}", CREATE | UPDATE | DELETE)),
    ROW(DRAWER "/inbox", RULE(DRAWER "/inbox/{inboxId}", CREATE | UPDATE | DELETE)),
    ROW(DRAWER "/network",
        RULE(DRAWER "/network/{networkId}", CREATE | UPDATE | DELETE)),
    ROW(PLANS, RULE(PLAN, CREATE | UPDATE | DELETE),
        RULE(ITEM, CREATE | UPDATE | DELETE)),
    ROW(PLAN, RULE(ITEM, CREATE | UPDATE | DELETE), RULE(PLAN, UPDATE)),
    ROW(ITEMS, RULE(ITEM, CREATE | UPDATE | DELETE)),
    ROW(ITEM, RULE(ITEM, UPDATE | DELETE)),
    ROW(PERSON, RULE(PERSON, CREATE | UPDATE | DELETE)),
    ROW(LICENSES, RULE(LICENSES "/{licenseId}", CREATE | UPDATE)),
};

const char *const sidedrawer_paths[SIDEDRAWER_ENTITY_COUNT] = {
    "tenant/t1/sidedrawer/s1",
    "tenant/t1/sidedrawer/s1/record/r1",
    "tenant/t1/sidedrawer/s1/record/r1/network/n1",
    "tenant/t1/sidedrawer/s1/record/r1/files/f1",
    "tenant/t1/sidedrawer/s1/inbox/i1",
    "tenant/t1/sidedrawer/s1/network/n1",
    "tenant/t1/sidedrawer/s1/plan-request/p1",
    "tenant/t1/sidedrawer/s1/plan-request/p1/item/x1",
    "tenant/t1/network/auth0|12345abcde",
    "subscription/b1/license/l1",
};

struct whs_catalog *
sidedrawer_catalog(void)
{
    struct whs_catalog *catalog;
    struct whs_error err;

    if (whs_catalog_create(sidedrawer_rows, SIDEDRAWER_ROW_COUNT, &catalog, &err) !=
        WHS_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    return catalog;
}
