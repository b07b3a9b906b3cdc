/* SPDX-License-Identifier: MIT
 *
 * What happens to an entity. "any" is a subscription's word, never an event's. The
 * codes are stored: append only.
 */
#ifndef WHS_ACTION_H
#define WHS_ACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

enum whs_action {
    WHS_ACTION_CREATE = 1,
    WHS_ACTION_UPDATE = 2,
    WHS_ACTION_DELETE = 3,
    WHS_ACTION_ANY = 4,
};

/* Bit of an event's action in a coverage rule's mask. */
#define WHS_ACTION_BIT(action) ((uint8_t)(1u << (action)))
#define WHS_ACTIONS_ALL                                                                \
    (WHS_ACTION_BIT(WHS_ACTION_CREATE) | WHS_ACTION_BIT(WHS_ACTION_UPDATE) |           \
     WHS_ACTION_BIT(WHS_ACTION_DELETE))

/* ASCII case-insensitive, independent of locale. 0 when it is none. */
enum whs_action whs_action_parse(struct whs_slice text);
/* "" for a code that is none. */
const char *whs_action_name(enum whs_action action);

#endif
