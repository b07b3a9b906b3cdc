/* SPDX-License-Identifier: MIT
 *
 * What is looked up for an event about this entity? Only the shapes that some
 * subscription has: they are counted, and each entity's list of probes is made anew
 * when a first subscription of a shape comes or the last one goes.
 *
 * Readers load a list that never changes; the old one goes by epoch. Functions marked
 * writer exclude each other by the caller's lock.
 */
#ifndef WHS_PLAN_H
#define WHS_PLAN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "action.h"
#include "catalog.h"
#include "epoch.h"
#include "probe.h"
#include "status.h"

struct whs_plan;
struct whs_plan_row;

struct whs_plans {
    const struct whs_catalog *catalog;
    const struct whs_probe_secret *secret;
    struct whs_epoch *epoch;
    _Atomic(struct whs_plan *) *entities; /* by entity; NULL: nothing to look up */
    struct whs_plan_row *rows;            /* writer's: shapes and how many have them */
    size_t bytes;                         /* writer's */
};

/* Borrows all three. False: no memory. */
bool whs_plans_init(struct whs_plans *plans, const struct whs_catalog *catalog,
                    const struct whs_probe_secret *secret, struct whs_epoch *epoch);
/* No reader may be inside. */
void whs_plans_fini(struct whs_plans *plans);

/* Reader, inside of an epoch: the probes for this entity and action, and how many
 * values of the entity they use. */
const struct whs_probe *whs_plans_find(const struct whs_plans *plans, uint16_t entity,
                                       enum whs_action action, size_t *probe_count,
                                       uint8_t *value_count);

/* Writer: one subscription more or less of this shape. Adding may find no memory and
 * then has counted nothing; a shape too many in a list only costs a look-up. */
WHS_CHECK enum whs_status whs_plans_add(struct whs_plans *plans,
                                        struct whs_shape shape);
void whs_plans_remove(struct whs_plans *plans, struct whs_shape shape);

#endif
