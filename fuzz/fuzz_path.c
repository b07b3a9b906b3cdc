/* SPDX-License-Identifier: MIT
 *
 * A path: of what changed, and of what is heard. The whole input is one.
 *
 *   its segments, joined, are the path
 *   what is located is built again from its values
 *   each row that covers it, with those values, is a resource of the same root
 */
#include <stdlib.h>

#include "fuzz.h"
#include "sidedrawer.h"

static void
check_segments(struct whs_slice path)
{
    struct whs_segment segments[WHS_SEGMENTS_MAX];
    struct whs_buf joined = {0};
    uint8_t count;
    if (whs_path_split(path, segments, &count, NULL) != WHS_OK) {
        FUZZ_CHECK(count == 0);
        return;
    }
    FUZZ_CHECK(count > 0 && whs_slice_is_utf8(path) && !whs_slice_has_control(path));
    for (uint8_t i = 0; i < count; i++) {
        if (i > 0)
            whs_buf_append_char(&joined, '/');
        if (segments[i].is_parameter)
            whs_buf_append_char(&joined, '{');
        whs_buf_append_slice(&joined, segments[i].text);
        if (segments[i].is_parameter)
            whs_buf_append_char(&joined, '}');
    }
    FUZZ_CHECK(whs_slice_equal(whs_buf_slice(&joined), path));
    whs_buf_fini(&joined);
}

/* Names of a template's parameters in order; how many there are. */
static size_t
list_names(const struct whs_pattern *pattern,
           struct whs_slice names[WHS_PARAMETERS_MAX])
{
    size_t count = 0;
    for (uint8_t i = 0; i < pattern->segment_count; i++)
        if (pattern->segments[i].is_parameter)
            names[count++] = pattern->segments[i].text;
    return count;
}

static void
check_cover(const struct whs_catalog *catalog, const struct whs_cover *cover,
            const struct whs_entity *entity)
{
    struct whs_slice names[WHS_PARAMETERS_MAX], values[WHS_PARAMETERS_MAX];
    struct whs_resource resource;
    struct whs_buf buf = {0};
    const struct whs_pattern *pattern = whs_catalog_row_pattern(catalog, cover->row);
    size_t count = list_names(pattern, names);
    FUZZ_CHECK(count == cover->parameter_count);
    for (size_t i = 0; i < count; i++)
        values[i] = entity->values[cover->parameters[i]];
    FUZZ_CHECK(whs_catalog_build_path(pattern->text, names, values, count, &buf,
                                      NULL) == WHS_OK);
    FUZZ_CHECK(whs_catalog_resolve(catalog, whs_buf_slice(&buf), &resource, NULL) ==
               WHS_OK);
    FUZZ_CHECK(resource.row == cover->row);
    FUZZ_CHECK(whs_slice_equal(resource.root, entity->root));
    whs_buf_fini(&buf);
}

static void
check_entity(const struct whs_catalog *catalog, struct whs_slice path)
{
    struct whs_slice names[WHS_PARAMETERS_MAX];
    struct whs_entity entity;
    struct whs_pattern pattern;
    struct whs_buf buf = {0};
    uint16_t covers;
    if (whs_catalog_locate(catalog, path, &entity, NULL) != WHS_OK)
        return;
    struct whs_slice template = whs_catalog_entity_template(catalog, entity.entity);
    FUZZ_CHECK(whs_pattern_parse(template, &pattern, NULL) == WHS_OK);
    size_t count = list_names(&pattern, names);
    FUZZ_CHECK(whs_catalog_build_path(template, names, entity.values, count, &buf,
                                      NULL) == WHS_OK);
    FUZZ_CHECK(whs_slice_equal(whs_buf_slice(&buf), path));
    const struct whs_cover *cover = whs_catalog_covers(catalog, entity.entity, &covers);
    for (uint16_t i = 0; i < covers; i++)
        check_cover(catalog, &cover[i], &entity);
    whs_pattern_fini(&pattern);
    whs_buf_fini(&buf);
}

static void
check_resource(const struct whs_catalog *catalog, struct whs_slice path)
{
    struct whs_resource resource;
    struct whs_error err = {0};
    if (whs_catalog_resolve(catalog, path, &resource, &err) != WHS_OK) {
        FUZZ_CHECK(err.message[0] && whs_slice_is_utf8(whs_slice_of(err.message)));
        return;
    }
    FUZZ_CHECK(resource.row < whs_catalog_row_count(catalog));
    FUZZ_CHECK(resource.root.len <= path.len &&
               memcmp(resource.root.ptr, path.ptr, resource.root.len) == 0);
    FUZZ_CHECK(resource.bound & 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct whs_catalog *catalog;
    if (!catalog)
        catalog = sidedrawer_catalog();
    struct whs_slice input = {(const char *)data, size};
    char *copy = fuzz_copy(input, false);
    struct whs_slice path = {copy, size};
    check_segments(path);
    check_resource(catalog, path);
    check_entity(catalog, path);
    free(copy);
    return 0;
}
