/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <assert.h>

#include "alloc.h"

/* The probes of create, update and delete one behind the other: those of action a are
 * start[a - 1] … start[a] - 1. */
struct whs_plan {
    size_t bytes;
    uint8_t value_count;
    size_t start[WHS_ACTION_DELETE + 1];
    struct whs_probe probes[];
};

struct shape_count {
    struct whs_shape shape;
    uint32_t count;
};

struct whs_plan_row {
    struct shape_count *shapes;
    size_t len;
    size_t cap;
};

bool
whs_plans_init(struct whs_plans *plans, const struct whs_catalog *catalog,
               const struct whs_probe_secret *secret, struct whs_epoch *epoch)
{
    size_t entities = whs_catalog_entity_count(catalog);
    size_t rows = whs_catalog_row_count(catalog);

    *plans = (struct whs_plans){.catalog = catalog, .secret = secret, .epoch = epoch};
    plans->entities = whs_calloc(entities, sizeof(*plans->entities));
    plans->rows = whs_calloc(rows, sizeof(*plans->rows));
    plans->bytes = entities * sizeof(*plans->entities) + rows * sizeof(*plans->rows);
    if (plans->entities != NULL && plans->rows != NULL)
        return true;
    whs_plans_fini(plans);
    return false;
}

static struct whs_plan *
load_plan(const struct whs_plans *plans, uint16_t entity)
{
    return atomic_load_explicit(&plans->entities[entity], memory_order_acquire);
}

void
whs_plans_fini(struct whs_plans *plans)
{
    for (uint16_t i = 0;
         plans->entities != NULL && i < whs_catalog_entity_count(plans->catalog); i++)
        whs_free(load_plan(plans, i));
    for (uint16_t i = 0;
         plans->rows != NULL && i < whs_catalog_row_count(plans->catalog); i++)
        whs_free(plans->rows[i].shapes);
    whs_free(plans->entities);
    whs_free(plans->rows);
    *plans = (struct whs_plans){0};
}

const struct whs_probe *
whs_plans_find(const struct whs_plans *plans, uint16_t entity, enum whs_action action,
               size_t *probe_count, uint8_t *value_count)
{
    const struct whs_plan *plan = load_plan(plans, entity);

    if (plan == NULL) {
        *probe_count = 0;
        *value_count = 0;
        return NULL;
    }
    *probe_count = plan->start[action] - plan->start[action - 1];
    *value_count = plan->value_count;
    return &plan->probes[plan->start[action - 1]];
}

/* --- Making a plan. --- */

static bool
asks_for(const struct shape_count *shape, const struct whs_cover *cover,
         enum whs_action action)
{
    return (cover->actions & WHS_ACTION_BIT(action)) != 0 &&
           (shape->shape.action == action || shape->shape.action == WHS_ACTION_ANY);
}

/* An upper bound: each shape of each covering row, for each action. */
static size_t
count_probes(const struct whs_plans *plans, uint16_t entity)
{
    uint16_t covers;
    const struct whs_cover *cover = whs_catalog_covers(plans->catalog, entity, &covers);
    size_t count = 0;

    for (uint16_t c = 0; c < covers; c++)
        count += plans->rows[cover[c].row].len * WHS_ACTION_DELETE;
    return count;
}

static void
add_probes(const struct whs_plans *plans, const struct whs_cover *cover,
           enum whs_action action, struct whs_plan *plan)
{
    const struct whs_plan_row *row = &plans->rows[cover->row];
    const struct whs_pattern *pattern =
        whs_catalog_row_pattern(plans->catalog, cover->row);

    for (size_t s = 0; s < row->len; s++)
        if (asks_for(&row->shapes[s], cover, action))
            whs_probe_init(&plan->probes[plan->start[action]++], plans->secret, pattern,
                           row->shapes[s].shape, cover->parameters);
    for (uint8_t i = 0; i < cover->parameter_count; i++)
        if (cover->parameters[i] >= plan->value_count)
            plan->value_count = (uint8_t)(cover->parameters[i] + 1);
}

static bool
rebuild_plan(struct whs_plans *plans, uint16_t entity)
{
    struct whs_plan *old = load_plan(plans, entity);
    size_t bytes = sizeof(struct whs_plan) +
                   count_probes(plans, entity) * sizeof(struct whs_probe);
    struct whs_plan *plan = whs_calloc(1, bytes);
    uint16_t covers;
    const struct whs_cover *cover = whs_catalog_covers(plans->catalog, entity, &covers);

    if (plan == NULL)
        return false;
    plan->bytes = bytes;
    for (enum whs_action action = WHS_ACTION_CREATE; action <= WHS_ACTION_DELETE;
         action++) {
        plan->start[action] = plan->start[action - 1];
        for (uint16_t c = 0; c < covers; c++)
            add_probes(plans, &cover[c], action, plan);
    }
    atomic_store_explicit(&plans->entities[entity], plan, memory_order_release);
    plans->bytes += bytes;
    if (old != NULL) {
        plans->bytes -= old->bytes;
        whs_epoch_retire(plans->epoch, whs_epoch_release_memory, NULL, old, old->bytes);
    }
    return true;
}

static bool
is_covered_by(const struct whs_plans *plans, uint16_t entity, uint16_t row)
{
    uint16_t covers;
    const struct whs_cover *cover = whs_catalog_covers(plans->catalog, entity, &covers);

    for (uint16_t c = 0; c < covers; c++)
        if (cover[c].row == row)
            return true;
    return false;
}

static bool
rebuild_plans(struct whs_plans *plans, uint16_t row)
{
    for (uint16_t i = 0; i < whs_catalog_entity_count(plans->catalog); i++)
        if (is_covered_by(plans, i, row) && !rebuild_plan(plans, i))
            return false;
    return true;
}

/* --- Counting shapes. --- */

static struct shape_count *
find_shape(struct whs_plan_row *row, struct whs_shape shape)
{
    for (size_t i = 0; i < row->len; i++)
        if (row->shapes[i].shape.bound == shape.bound &&
            row->shapes[i].shape.action == shape.action)
            return &row->shapes[i];
    return NULL;
}

static struct shape_count *
append_shape(struct whs_plans *plans, struct whs_shape shape)
{
    struct whs_plan_row *row = &plans->rows[shape.row];

    if (row->len == row->cap) {
        size_t cap = row->cap == 0 ? 4 : row->cap * 2;
        struct shape_count *shapes = whs_resize(row->shapes, cap * sizeof(*shapes));
        if (shapes == NULL)
            return NULL;
        plans->bytes += (cap - row->cap) * sizeof(*shapes);
        row->shapes = shapes;
        row->cap = cap;
    }
    row->shapes[row->len] = (struct shape_count){shape, 0};
    return &row->shapes[row->len++];
}

enum whs_status
whs_plans_add(struct whs_plans *plans, struct whs_shape shape)
{
    struct whs_plan_row *row = &plans->rows[shape.row];
    struct shape_count *found = find_shape(row, shape);

    if (found == NULL) {
        found = append_shape(plans, shape);
        if (found == NULL)
            return WHS_NO_MEMORY;
        if (!rebuild_plans(plans, shape.row)) {
            row->len--;
            return WHS_NO_MEMORY;
        }
    }
    found->count++;
    return WHS_OK;
}

void
whs_plans_remove(struct whs_plans *plans, struct whs_shape shape)
{
    struct whs_plan_row *row = &plans->rows[shape.row];
    struct shape_count *found = find_shape(row, shape);

    assert(found != NULL && found->count > 0);
    if (--found->count > 0)
        return;
    *found = row->shapes[--row->len];
    (void)rebuild_plans(plans, shape.row);
}
