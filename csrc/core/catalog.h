/* SPDX-License-Identifier: MIT
 *
 * The table of resources that can be subscribed to, and of the entities whose changes
 * each of them covers. The rows are data that the caller gives:
 *
 *   row   = resource template + rules
 *   rule  = entity template + actions
 *
 *   tenant/{tenantId}/sidedrawer                 the row
 *     tenant/{tenantId}/sidedrawer/{sidedrawerId}  create update delete   its rule
 *
 * Every parameter of a row's template must occur, by name, in the entity template of
 * each of its rules: that is what makes covering a matter of equal ids. Both start with
 * the same root ("tenant/{tenantId}"): a subscription never hears another root.
 * Immutable after creation and shared by reference count: any thread.
 */
#ifndef WHS_CATALOG_H
#define WHS_CATALOG_H

#include <stdint.h>

#include "action.h"
#include "buf.h"
#include "pattern.h"
#include "slice.h"
#include "status.h"

/* Rows, like entities, are numbered in 16 bits; a host's own API has dozens. */
#define WHS_CATALOG_ROWS_MAX 1024
#define WHS_CATALOG_ENTITIES_MAX 4096

struct whs_catalog_rule {
    struct whs_slice entity;
    uint8_t actions; /* WHS_ACTION_BIT */
};

struct whs_catalog_row {
    struct whs_slice resource;
    const struct whs_catalog_rule *rules;
    uint16_t rule_count;
};

struct whs_catalog;

/* Copies the rows. Returns owned (one reference). WHS_CONFIGURATION names the row. Two
 * rows with the same template are one row with both rule lists. Two templates that
 * differ only in the names of parameters are refused: nobody could tell their paths
 * apart. */
WHS_CHECK enum whs_status whs_catalog_create(const struct whs_catalog_row *rows,
                                             uint16_t row_count,
                                             struct whs_catalog **out,
                                             struct whs_error *err);
/* Rows for anybody's entities. "repos/{owner}/{repo}/issues/{number}" gives two:
 *
 *   repos/{owner}/{repo}/issues            its issues: create, update, delete
 *   repos/{owner}/{repo}/issues/{number}   that issue: update, delete
 *
 * Parents have rows only when they are named too. A template that ends with a literal
 * is the only one of its kind: one row, every action. A root alone ("repos/{owner}")
 * has no collection, because a collection of roots would belong to no root. */
WHS_CHECK enum whs_status whs_catalog_derive(const struct whs_slice *templates,
                                             uint16_t count, struct whs_catalog **out,
                                             struct whs_error *err);
struct whs_catalog *whs_catalog_ref(struct whs_catalog *catalog);
void whs_catalog_unref(struct whs_catalog *catalog);

uint16_t whs_catalog_row_count(const struct whs_catalog *catalog);
/* Borrowed; lives as long as the catalog. */
const struct whs_catalog_row *whs_catalog_row_at(const struct whs_catalog *catalog,
                                                 uint16_t row);

/* The template of a row, parsed. Borrowed; lives as long as the catalog. */
const struct whs_pattern *whs_catalog_row_pattern(const struct whs_catalog *catalog,
                                                  uint16_t row);

uint16_t whs_catalog_entity_count(const struct whs_catalog *catalog);
/* Borrowed; lives as long as the catalog. */
struct whs_slice whs_catalog_entity_template(const struct whs_catalog *catalog,
                                             uint16_t entity);

/* A subscription's resource, found in the catalog. `bound` has bit i set when the row's
 * parameter i (in order of the template) has a value; the others were left as literal
 * "{name}" and mean any. Values borrow the text that was resolved. */
struct whs_resource {
    uint16_t row;
    uint16_t bound;
    struct whs_slice values[WHS_PARAMETERS_MAX];
    struct whs_slice root; /* "tenant/acme": the first literal and the first value */
};

/* WHS_INVALID: no path. WHS_UNKNOWN_RESOURCE: `err` names the nearest template.
 * WHS_CONFIGURATION: the root parameter is not bound. */
WHS_CHECK enum whs_status whs_catalog_resolve(const struct whs_catalog *catalog,
                                              struct whs_slice resource,
                                              struct whs_resource *out,
                                              struct whs_error *err);

/* An entity's path, found among the entity templates. */
struct whs_entity {
    uint16_t entity; /* index of the entity template */
    struct whs_slice values[WHS_PARAMETERS_MAX];
    struct whs_slice root;
};

/* A path in braces is WHS_INVALID here: an event is about one thing. */
WHS_CHECK enum whs_status whs_catalog_locate(const struct whs_catalog *catalog,
                                             struct whs_slice path,
                                             struct whs_entity *out,
                                             struct whs_error *err);

/* All paths of one event, each located. WHS_INVALID also when they are none or more
 * than WHS_EVENT_PATHS_MAX, or do not share one root. `out` holds `count`. */
WHS_CHECK enum whs_status whs_catalog_locate_event(const struct whs_catalog *catalog,
                                                   const struct whs_slice *paths,
                                                   size_t count, struct whs_entity *out,
                                                   struct whs_error *err);

/* Which rows cover an entity template, and with which of its values. */
struct whs_cover {
    uint16_t row;
    uint8_t actions;
    uint8_t parameter_count;
    /* Row parameter i is entity parameter parameters[i]. */
    uint8_t parameters[WHS_PARAMETERS_MAX];
};
const struct whs_cover *whs_catalog_covers(const struct whs_catalog *catalog,
                                           uint16_t entity, uint16_t *count);

/* Actions that any rule of this row marks: what "any" hears, and what a subscription
 * may name. */
uint8_t whs_catalog_row_actions(const struct whs_catalog *catalog, uint16_t row);

/* Appends a path made from any template. Every parameter must have exactly one value,
 * and a value is an id: WHS_INVALID names the parameter, never the value, and appends
 * nothing. */
WHS_CHECK enum whs_status whs_catalog_build_path(struct whs_slice template,
                                                 const struct whs_slice *names,
                                                 const struct whs_slice *values,
                                                 size_t count, struct whs_buf *buf,
                                                 struct whs_error *err);

#endif
