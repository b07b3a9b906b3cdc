/* SPDX-License-Identifier: MIT */
#include "catalog.h"

#include <assert.h>
#include <stdatomic.h>

#include "alloc.h"
#include "event.h"
#include "nearest.h"
#include "trie.h"

/* So much of a template stands in an error's sentence. */
#define SHOWN_BYTES_MAX 160
#define SHOWN(text)                                                                    \
    (int)((text).len < SHOWN_BYTES_MAX ? (text).len : SHOWN_BYTES_MAX), (text).ptr

struct row {
    struct whs_catalog_row view;
    struct whs_catalog_rule *rules; /* owned; what `view` shows */
    uint8_t actions;
};

struct entity {
    struct whs_cover *covers; /* owned */
    uint16_t cover_count;
};

/* Patterns stand in arrays of their own, where a trie finds them by index. */
struct whs_catalog {
    atomic_int refs;
    struct row *rows;
    struct whs_pattern *row_patterns;
    uint16_t row_count;
    struct entity *entities;
    struct whs_pattern *entity_patterns;
    uint16_t entity_count;
    struct whs_trie resources; /* of rows */
    struct whs_trie paths;     /* of entities */
};

static void
destroy_catalog(struct whs_catalog *catalog)
{
    whs_trie_fini(&catalog->resources);
    whs_trie_fini(&catalog->paths);
    for (uint16_t i = 0; i < catalog->row_count; i++) {
        whs_free(catalog->rows[i].rules);
        whs_pattern_fini(&catalog->row_patterns[i]);
    }
    for (uint16_t i = 0; i < catalog->entity_count; i++) {
        whs_free(catalog->entities[i].covers);
        whs_pattern_fini(&catalog->entity_patterns[i]);
    }
    whs_free(catalog->rows);
    whs_free(catalog->row_patterns);
    whs_free(catalog->entities);
    whs_free(catalog->entity_patterns);
    whs_free(catalog);
}

struct whs_catalog *
whs_catalog_ref(struct whs_catalog *catalog)
{
    atomic_fetch_add_explicit(&catalog->refs, 1, memory_order_relaxed);
    return catalog;
}

void
whs_catalog_unref(struct whs_catalog *catalog)
{
    if (catalog != NULL &&
        atomic_fetch_sub_explicit(&catalog->refs, 1, memory_order_acq_rel) == 1)
        destroy_catalog(catalog);
}

/* --- Building: the row that is being added is named in every refusal. --- */

static enum whs_status
refuse_no_memory(struct whs_error *err)
{
    return whs_error_set(err, WHS_NO_MEMORY, "%s", whs_status_message(WHS_NO_MEMORY));
}

static enum whs_status
refuse_row(struct whs_error *err, struct whs_slice resource, const char *why)
{
    return whs_error_set(err, WHS_CONFIGURATION, "row %.*s: %s", SHOWN(resource), why);
}

static enum whs_status
refuse_entity(struct whs_error *err, struct whs_slice resource, struct whs_slice entity,
              const char *why)
{
    /* Half for each of the two. */
    return whs_error_set(err, WHS_CONFIGURATION, "row %.*s: entity %.*s %s",
                         (int)(resource.len < 80 ? resource.len : 80), resource.ptr,
                         (int)(entity.len < 80 ? entity.len : 80), entity.ptr, why);
}

/* Appends `pattern` (taken when WHS_OK and *at is new) to one of the two tables. */
static enum whs_status
place_pattern(struct whs_trie *trie, struct whs_pattern *patterns, uint16_t len,
              struct whs_pattern *pattern, uint16_t *at)
{
    enum whs_status status = whs_trie_add(trie, pattern, len, at);

    if (status == WHS_OK && *at == len)
        patterns[len] = *pattern;
    return status;
}

static enum whs_status
add_row(struct whs_catalog *catalog, struct whs_slice resource, uint16_t *at,
        struct whs_error *err)
{
    struct whs_pattern pattern;
    struct whs_error why = {0};
    enum whs_status status = whs_pattern_parse(resource, &pattern, &why);

    if (status == WHS_INVALID)
        return refuse_row(err, resource, why.message);
    if (status == WHS_OK && pattern.parameter_count == 0) {
        status = refuse_row(err, resource, "has no parameter, so no root");
        goto fail;
    }
    if (status == WHS_OK)
        status = place_pattern(&catalog->resources, catalog->row_patterns,
                               catalog->row_count, &pattern, at);
    if (status != WHS_OK) {
        status = refuse_no_memory(err);
        goto fail;
    }
    if (*at == catalog->row_count) {
        catalog->rows[*at].view.resource = pattern.text;
        catalog->row_count++;
        return WHS_OK;
    }
    if (!whs_slice_equal(catalog->row_patterns[*at].text, resource))
        status = refuse_row(err, resource,
                            "another row differs only in the names of parameters");
fail:
    whs_pattern_fini(&pattern);
    return status;
}

static bool
reserve_entity(struct whs_catalog *catalog)
{
    uint16_t len = catalog->entity_count;

    if (len != 0 && (len & (len - 1)) != 0)
        return true; /* capacity is the next power of two */
    size_t cap = len == 0 ? 1 : (size_t)len * 2;
    struct entity *entities = whs_resize(catalog->entities, cap * sizeof(*entities));
    if (entities == NULL)
        return false;
    catalog->entities = entities;
    struct whs_pattern *patterns =
        whs_resize(catalog->entity_patterns, cap * sizeof(*patterns));
    if (patterns == NULL)
        return false;
    catalog->entity_patterns = patterns;
    return true;
}

static enum whs_status
add_entity(struct whs_catalog *catalog, struct whs_slice resource,
           struct whs_slice entity, uint16_t *at, struct whs_error *err)
{
    struct whs_pattern pattern;
    struct whs_error why = {0};
    enum whs_status status = whs_pattern_parse(entity, &pattern, &why);

    if (status == WHS_INVALID)
        return refuse_entity(err, resource, entity, why.message);
    if (status == WHS_OK)
        status = reserve_entity(catalog)
                     ? place_pattern(&catalog->paths, catalog->entity_patterns,
                                     catalog->entity_count, &pattern, at)
                     : WHS_NO_MEMORY;
    if (status != WHS_OK) {
        status = refuse_no_memory(err);
        goto fail;
    }
    if (*at == WHS_CATALOG_ENTITIES_MAX) {
        status = refuse_entity(err, resource, entity, "is one too many");
        goto fail;
    }
    if (*at == catalog->entity_count) {
        catalog->entities[catalog->entity_count++] = (struct entity){0};
        return WHS_OK;
    }
    if (!whs_slice_equal(catalog->entity_patterns[*at].text, entity))
        status = refuse_entity(err, resource, entity,
                               "differs from another only in the names of parameters");
fail:
    whs_pattern_fini(&pattern);
    return status;
}

static bool
map_parameters(const struct whs_pattern *row, const struct whs_pattern *entity,
               struct whs_cover *cover)
{
    for (uint8_t i = 0; i < row->segment_count; i++) {
        if (!row->segments[i].is_parameter)
            continue;
        int at = whs_pattern_find_parameter(entity, row->segments[i].text);
        if (at < 0)
            return false;
        cover->parameters[cover->parameter_count++] = (uint8_t)at;
    }
    return true;
}

/* A row that names the entity again only marks more actions. */
static bool
widen_cover(struct whs_catalog *catalog, uint16_t row, uint16_t entity, uint8_t actions)
{
    struct entity *covered = &catalog->entities[entity];
    struct row *covering = &catalog->rows[row];

    for (uint16_t i = 0; i < covered->cover_count; i++) {
        if (covered->covers[i].row != row)
            continue;
        covered->covers[i].actions |= actions;
        for (uint16_t r = 0; r < covering->view.rule_count; r++)
            if (whs_slice_equal(covering->rules[r].entity,
                                catalog->entity_patterns[entity].text))
                covering->rules[r].actions |= actions;
        return true;
    }
    return false;
}

static bool
append_cover(struct whs_catalog *catalog, uint16_t row, uint16_t entity,
             const struct whs_cover *cover)
{
    struct row *covering = &catalog->rows[row];
    struct entity *covered = &catalog->entities[entity];
    struct whs_catalog_rule *rules =
        whs_resize(covering->rules, (covering->view.rule_count + 1u) * sizeof(*rules));

    if (rules == NULL)
        return false;
    covering->view.rules = covering->rules = rules;
    struct whs_cover *covers =
        whs_resize(covered->covers, (covered->cover_count + 1u) * sizeof(*covers));
    if (covers == NULL)
        return false;
    covered->covers = covers;
    rules[covering->view.rule_count++] = (struct whs_catalog_rule){
        catalog->entity_patterns[entity].text, cover->actions};
    covers[covered->cover_count++] = *cover;
    return true;
}

static enum whs_status
add_rule(struct whs_catalog *catalog, uint16_t row, const struct whs_catalog_rule *rule,
         struct whs_error *err)
{
    const struct whs_pattern *resource = &catalog->row_patterns[row];
    struct whs_cover cover = {.row = row, .actions = rule->actions};
    uint16_t entity;

    if (rule->actions == 0 || (rule->actions & ~WHS_ACTIONS_ALL) != 0)
        return refuse_entity(err, resource->text, rule->entity,
                             "needs create, update or delete");
    enum whs_status status =
        add_entity(catalog, resource->text, rule->entity, &entity, err);
    if (status != WHS_OK)
        return status;
    const struct whs_pattern *pattern = &catalog->entity_patterns[entity];
    if (!whs_pattern_has_same_root(resource, pattern))
        return refuse_entity(err, resource->text, rule->entity, "has another root");
    if (!map_parameters(resource, pattern, &cover))
        return refuse_entity(err, resource->text, rule->entity,
                             "lacks a parameter of the row");
    catalog->rows[row].actions |= rule->actions;
    if (widen_cover(catalog, row, entity, rule->actions) ||
        append_cover(catalog, row, entity, &cover))
        return WHS_OK;
    return refuse_no_memory(err);
}

static enum whs_status
add_row_and_rules(struct whs_catalog *catalog, const struct whs_catalog_row *row,
                  struct whs_error *err)
{
    uint16_t at;
    enum whs_status status;

    if (row->rule_count == 0)
        return refuse_row(err, row->resource, "covers nothing");
    status = add_row(catalog, row->resource, &at, err);
    for (uint16_t i = 0; status == WHS_OK && i < row->rule_count; i++)
        status = add_rule(catalog, at, &row->rules[i], err);
    return status;
}

enum whs_status
whs_catalog_create(const struct whs_catalog_row *rows, uint16_t row_count,
                   struct whs_catalog **out, struct whs_error *err)
{
    enum whs_status status = WHS_OK;

    *out = NULL;
    if (row_count == 0 || row_count > WHS_CATALOG_ROWS_MAX)
        return whs_error_set(err, WHS_CONFIGURATION, "a catalog has 1 to %d rows",
                             WHS_CATALOG_ROWS_MAX);
    struct whs_catalog *catalog = whs_calloc(1, sizeof(*catalog));
    if (catalog == NULL)
        return refuse_no_memory(err);
    atomic_init(&catalog->refs, 1);
    catalog->rows = whs_calloc(row_count, sizeof(*catalog->rows));
    catalog->row_patterns = whs_calloc(row_count, sizeof(*catalog->row_patterns));
    if (catalog->rows == NULL || catalog->row_patterns == NULL)
        status = refuse_no_memory(err);
    for (uint16_t i = 0; status == WHS_OK && i < row_count; i++)
        status = add_row_and_rules(catalog, &rows[i], err);
    if (status != WHS_OK) {
        destroy_catalog(catalog);
        return status;
    }
    *out = catalog;
    return WHS_OK;
}

/* --- Reading. --- */

uint16_t
whs_catalog_row_count(const struct whs_catalog *catalog)
{
    return catalog->row_count;
}

const struct whs_catalog_row *
whs_catalog_row_at(const struct whs_catalog *catalog, uint16_t row)
{
    assert(row < catalog->row_count);
    return &catalog->rows[row].view;
}

const struct whs_pattern *
whs_catalog_row_pattern(const struct whs_catalog *catalog, uint16_t row)
{
    assert(row < catalog->row_count);
    return &catalog->row_patterns[row];
}

uint16_t
whs_catalog_entity_count(const struct whs_catalog *catalog)
{
    return catalog->entity_count;
}

struct whs_slice
whs_catalog_entity_template(const struct whs_catalog *catalog, uint16_t entity)
{
    assert(entity < catalog->entity_count);
    return catalog->entity_patterns[entity].text;
}

const struct whs_cover *
whs_catalog_covers(const struct whs_catalog *catalog, uint16_t entity, uint16_t *count)
{
    assert(entity < catalog->entity_count);
    *count = catalog->entities[entity].cover_count;
    return catalog->entities[entity].covers;
}

uint8_t
whs_catalog_row_actions(const struct whs_catalog *catalog, uint16_t row)
{
    assert(row < catalog->row_count);
    return catalog->rows[row].actions;
}

static enum whs_status
refuse_unknown(const struct whs_pattern *patterns, uint16_t pattern_count,
               const struct whs_segment *segments, uint8_t count, struct whs_error *err)
{
    if (err == NULL)
        return WHS_UNKNOWN_RESOURCE;
    uint16_t nearest = whs_nearest_find(patterns, pattern_count, segments, count);
    return whs_error_set(err, WHS_UNKNOWN_RESOURCE, "%s; the nearest template is %.*s",
                         whs_status_message(WHS_UNKNOWN_RESOURCE),
                         SHOWN(patterns[nearest].text));
}

/* From the start of the path to the end of its first id. */
static struct whs_slice
cut_root(struct whs_slice path, struct whs_slice first_value)
{
    return (struct whs_slice){path.ptr,
                              (size_t)(first_value.ptr - path.ptr) + first_value.len};
}

enum whs_status
whs_catalog_resolve(const struct whs_catalog *catalog, struct whs_slice resource,
                    struct whs_resource *out, struct whs_error *err)
{
    struct whs_segment segments[WHS_SEGMENTS_MAX];
    uint8_t count, parameter = 0;

    *out = (struct whs_resource){0};
    enum whs_status status = whs_path_split(resource, segments, &count, err);
    if (status != WHS_OK)
        return status;
    uint16_t row =
        whs_trie_find(&catalog->resources, catalog->row_patterns, segments, count);
    if (row == WHS_TRIE_NONE)
        return refuse_unknown(catalog->row_patterns, catalog->row_count, segments,
                              count, err);
    out->row = row;
    for (uint8_t i = 0; i < count; i++) {
        if (!catalog->row_patterns[row].segments[i].is_parameter)
            continue;
        if (!segments[i].is_parameter) {
            out->bound |= (uint16_t)(1u << parameter);
            out->values[parameter] = segments[i].text;
        } else if (parameter == 0) {
            return whs_error_set(err, WHS_CONFIGURATION,
                                 "the root parameter {%.*s} must have a value",
                                 SHOWN(segments[i].text));
        }
        parameter++;
    }
    out->root = cut_root(resource, out->values[0]);
    return WHS_OK;
}

static enum whs_status
refuse_braces(const struct whs_segment *segments, uint8_t count, struct whs_error *err)
{
    for (uint8_t i = 0; i < count; i++)
        if (segments[i].is_parameter)
            return whs_error_set(err, WHS_INVALID,
                                 "an event names one entity: segment %d is in braces",
                                 i + 1);
    return WHS_OK;
}

/* Every event comes through here, so only the values that exist are written. */
enum whs_status
whs_catalog_locate(const struct whs_catalog *catalog, struct whs_slice path,
                   struct whs_entity *out, struct whs_error *err)
{
    struct whs_segment segments[WHS_SEGMENTS_MAX];
    uint8_t count, parameter = 0;

    enum whs_status status = whs_path_split(path, segments, &count, err);
    if (status == WHS_OK)
        status = refuse_braces(segments, count, err);
    if (status != WHS_OK)
        return status;
    uint16_t entity =
        whs_trie_find(&catalog->paths, catalog->entity_patterns, segments, count);
    if (entity == WHS_TRIE_NONE)
        return refuse_unknown(catalog->entity_patterns, catalog->entity_count, segments,
                              count, err);
    out->entity = entity;
    for (uint8_t i = 0; i < count; i++)
        if (catalog->entity_patterns[entity].segments[i].is_parameter)
            out->values[parameter++] = segments[i].text;
    out->root = cut_root(path, out->values[0]);
    return WHS_OK;
}

enum whs_status
whs_catalog_locate_event(const struct whs_catalog *catalog,
                         const struct whs_slice *paths, size_t count,
                         struct whs_entity *out, struct whs_error *err)
{
    if (count == 0 || count > WHS_EVENT_PATHS_MAX)
        return whs_error_set(err, WHS_INVALID, "an event has 1 to %d paths",
                             WHS_EVENT_PATHS_MAX);
    for (size_t i = 0; i < count; i++) {
        enum whs_status status = whs_catalog_locate(catalog, paths[i], &out[i], err);
        if (status != WHS_OK)
            return status;
        if (!whs_slice_equal(out[i].root, out[0].root))
            return whs_error_set(err, WHS_INVALID,
                                 "all paths of an event share one root");
    }
    return WHS_OK;
}
