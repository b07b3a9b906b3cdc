/* SPDX-License-Identifier: MIT */
#include "action.h"

static const char *const names[] = {
    [WHS_ACTION_CREATE] = "create",
    [WHS_ACTION_UPDATE] = "update",
    [WHS_ACTION_DELETE] = "delete",
    [WHS_ACTION_ANY] = "any",
};

enum whs_action
whs_action_parse(struct whs_slice text)
{
    for (enum whs_action a = WHS_ACTION_CREATE; a <= WHS_ACTION_ANY; a++)
        if (whs_slice_equal_nocase(text, whs_slice_of(names[a])))
            return a;
    return 0;
}

const char *
whs_action_name(enum whs_action action)
{
    return action >= WHS_ACTION_CREATE && action <= WHS_ACTION_ANY ? names[action] : "";
}
