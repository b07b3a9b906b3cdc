/* SPDX-License-Identifier: MIT */
#include "documents.h"

#include <stdio.h>
#include <stdlib.h>

#include "sidedrawer.h"

struct whs_subscription_rules
documents_rules(void)
{
    return (struct whs_subscription_rules){
        .catalog = sidedrawer_catalog(), .now_ms = DOCUMENTS_NOW_MS, .sockets = true};
}

struct whs_subscription_draft
documents_draft(void)
{
    return (struct whs_subscription_draft){
        .modification_type = WHS_SLICE("any"),
        .notification_url = WHS_SLICE("https://example.com/hook"),
        .resource = WHS_SLICE("tenant/t1/sidedrawer"),
        .expiration_date_time = WHS_SLICE("2029-07-07T14:40:40-03:00")};
}

struct whs_subscription_draft
documents_full_draft(void)
{
    struct whs_subscription_draft draft = documents_draft();
    draft.modification_type = WHS_SLICE("Update");
    draft.connection_type = WHS_SLICE("HTTP");
    draft.notification_url = WHS_SLICE("HTTPS://Example.com:443/hook?x");
    draft.notification_messages = WHS_SLICE("drawer changed");
    draft.brand_code = WHS_SLICE("m\xc3\xa5rke");
    draft.integrity_key = WHS_SLICE("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    draft.has_max_retries = true;
    draft.max_retries = 3;
    draft.delivery = WHS_SLICE("{\"batch\":{\"maxNotifications\":10,\"lingerMs\":5},"
                               "\"headers\":{\"X-A\":\"1\",\"X-B\":\"\"}}");
    return draft;
}

const char *
documents_mistakes(const struct whs_field_errors *errors)
{
    static char text[WHS_FIELD_ERRORS_MAX * 160];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < errors->len; i++) {
        int more =
            snprintf(text + len, sizeof(text) - len, "%s%s %s", i > 0 ? ", " : "",
                     errors->items[i].field, errors->items[i].code);
        if (more < 0 || (size_t)more >= sizeof(text) - len)
            abort();
        len += (size_t)more;
    }
    return text;
}
