/* SPDX-License-Identifier: MIT */
#include "cover.h"

#include <stdbool.h>

static bool
binds_equal(const struct whs_resource *resource, const struct whs_cover *cover,
            const struct whs_entity *entity)
{
    for (uint8_t i = 0; i < cover->parameter_count; i++)
        if ((resource->bound >> i & 1) &&
            !whs_slice_equal(resource->values[i], entity->values[cover->parameters[i]]))
            return false;
    return true;
}

static bool
covers_path(const struct whs_catalog *catalog, const struct whs_resource *resource,
            struct whs_slice path, enum whs_action action)
{
    struct whs_entity entity;
    if (whs_catalog_locate(catalog, path, &entity, NULL) != WHS_OK)
        return false;
    uint16_t count;
    const struct whs_cover *covers = whs_catalog_covers(catalog, entity.entity, &count);
    for (uint16_t i = 0; i < count; i++)
        if (covers[i].row == resource->row &&
            (covers[i].actions & WHS_ACTION_BIT(action)) &&
            binds_equal(resource, &covers[i], &entity))
            return true;
    return false;
}

int
whs_cover_find(const struct whs_catalog *catalog, struct whs_slice resource,
               enum whs_action wanted, const struct whs_slice *paths, size_t path_count,
               enum whs_action action)
{
    struct whs_resource resolved;
    if (wanted != WHS_ACTION_ANY && wanted != action)
        return -1;
    if (whs_catalog_resolve(catalog, resource, &resolved, NULL) != WHS_OK)
        return -1;
    for (size_t i = 0; i < path_count; i++)
        if (covers_path(catalog, &resolved, paths[i], action))
            return (int)i;
    return -1;
}
