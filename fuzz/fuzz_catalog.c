/* SPDX-License-Identifier: MIT
 *
 * A host's own catalog: each line is a template.
 *
 *   every row of a catalog parses, and every entity is covered by rows of its own root
 *   a path built from an entity's template is located as that entity
 */
#include <stdio.h>
#include <string.h>

#include "catalog.h"
#include "fuzz.h"

#define TEMPLATES_MAX 64
#define VALUE_MAX 24

/* Nothing that stands in a template, which would be found before a parameter. */
static struct whs_slice
choose_value(struct whs_slice templates, size_t place, char text[static VALUE_MAX])
{
    unsigned n = 0;
    do
        snprintf(text, VALUE_MAX, "~%zu~%u~", place, n++);
    while (memmem(templates.ptr, templates.len, text, strlen(text)));
    return whs_slice_of(text);
}

static void
check_entity(const struct whs_catalog *catalog, uint16_t number,
             struct whs_slice templates)
{
    struct whs_slice names[WHS_PARAMETERS_MAX], values[WHS_PARAMETERS_MAX];
    char texts[WHS_PARAMETERS_MAX][VALUE_MAX];
    struct whs_entity entity;
    struct whs_pattern pattern;
    struct whs_buf path = {0};
    size_t count = 0;
    struct whs_slice template = whs_catalog_entity_template(catalog, number);
    FUZZ_CHECK(whs_pattern_parse(template, &pattern, NULL) == WHS_OK);
    for (uint8_t i = 0; i < pattern.segment_count; i++) {
        if (!pattern.segments[i].is_parameter)
            continue;
        values[count] = choose_value(templates, count, texts[count]);
        names[count++] = pattern.segments[i].text;
    }
    FUZZ_CHECK(whs_catalog_build_path(template, names, values, count, &path, NULL) ==
               WHS_OK);
    FUZZ_CHECK(whs_catalog_locate(catalog, whs_buf_slice(&path), &entity, NULL) ==
               WHS_OK);
    FUZZ_CHECK(entity.entity == number);
    for (size_t i = 0; i < count; i++)
        FUZZ_CHECK(whs_slice_equal(entity.values[i], values[i]));
    whs_pattern_fini(&pattern);
    whs_buf_fini(&path);
}

static void
check_covers(const struct whs_catalog *catalog, uint16_t entity)
{
    uint16_t count;
    const struct whs_cover *covers = whs_catalog_covers(catalog, entity, &count);
    for (uint16_t i = 0; i < count; i++) {
        FUZZ_CHECK(covers[i].row < whs_catalog_row_count(catalog));
        FUZZ_CHECK(covers[i].actions != 0);
        FUZZ_CHECK((covers[i].actions &
                    ~whs_catalog_row_actions(catalog, covers[i].row)) == 0);
        FUZZ_CHECK(covers[i].parameter_count ==
                   whs_catalog_row_pattern(catalog, covers[i].row)->parameter_count);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct whs_slice input = {(const char *)data, size}, whole = input;
    struct whs_slice templates[TEMPLATES_MAX];
    struct whs_catalog *catalog;
    struct whs_error err = {0};
    uint16_t count = 0;
    while (count < TEMPLATES_MAX && input.len > 0)
        templates[count++] = fuzz_line(&input);
    if (whs_catalog_derive(templates, count, &catalog, &err) != WHS_OK) {
        FUZZ_CHECK(!catalog && err.message[0]);
        return 0;
    }
    for (uint16_t row = 0; row < whs_catalog_row_count(catalog); row++)
        FUZZ_CHECK(whs_catalog_row_actions(catalog, row) != 0);
    for (uint16_t entity = 0; entity < whs_catalog_entity_count(catalog); entity++) {
        check_entity(catalog, entity, whole);
        check_covers(catalog, entity);
    }
    whs_catalog_unref(catalog);
    return 0;
}
