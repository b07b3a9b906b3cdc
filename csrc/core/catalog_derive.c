/* SPDX-License-Identifier: MIT
 *
 * From templates to rows, and from a template to a path: what a host of its own paths
 * uses before and after it has a catalog.
 */
#include "catalog.h"

#include <stdint.h>

#include "alloc.h"

/* Two rows of one rule each for a template, at most. */
struct derivation {
    struct whs_catalog_row *rows;
    struct whs_catalog_rule *rules;
    uint16_t len;
};

static void
add_row(struct derivation *derivation, struct whs_slice resource,
        struct whs_slice entity, uint8_t actions)
{
    uint16_t at = derivation->len++;

    derivation->rules[at] = (struct whs_catalog_rule){entity, actions};
    derivation->rows[at] =
        (struct whs_catalog_row){resource, &derivation->rules[at], 1};
}

static enum whs_status
add_template(struct derivation *derivation, struct whs_slice template,
             struct whs_error *err)
{
    struct whs_pattern pattern;
    struct whs_error why = {0};
    enum whs_status status = whs_pattern_parse(template, &pattern, &why);

    if (status != WHS_OK)
        return whs_error_set(err, status == WHS_INVALID ? WHS_CONFIGURATION : status,
                             "template %.*s: %s",
                             (int)(template.len < 80 ? template.len : 80), template.ptr,
                             why.message);
    struct whs_segment last = pattern.segments[pattern.segment_count - 1];
    if (!last.is_parameter) {
        add_row(derivation, template, template, WHS_ACTIONS_ALL);
    } else {
        /* Without "/{number}". */
        size_t parent = template.len - last.text.len - sizeof("/{}") + 1;
        if (pattern.parameter_count > 1)
            add_row(derivation, (struct whs_slice){template.ptr, parent}, template,
                    WHS_ACTIONS_ALL);
        add_row(derivation, template, template,
                WHS_ACTION_BIT(WHS_ACTION_UPDATE) | WHS_ACTION_BIT(WHS_ACTION_DELETE));
    }
    whs_pattern_fini(&pattern);
    return WHS_OK;
}

enum whs_status
whs_catalog_derive(const struct whs_slice *templates, uint16_t count,
                   struct whs_catalog **out, struct whs_error *err)
{
    struct derivation derivation = {0};
    enum whs_status status = WHS_OK;

    *out = NULL;
    if (count == 0 || count > WHS_CATALOG_ROWS_MAX)
        return whs_error_set(err, WHS_CONFIGURATION, "a catalog has 1 to %d templates",
                             WHS_CATALOG_ROWS_MAX);
    derivation.rows = whs_calloc(count * 2u, sizeof(*derivation.rows));
    derivation.rules = whs_calloc(count * 2u, sizeof(*derivation.rules));
    if (derivation.rows == NULL || derivation.rules == NULL)
        status =
            whs_error_set(err, WHS_NO_MEMORY, "%s", whs_status_message(WHS_NO_MEMORY));
    for (uint16_t i = 0; status == WHS_OK && i < count; i++)
        status = add_template(&derivation, templates[i], err);
    if (status == WHS_OK)
        status = whs_catalog_create(derivation.rows, derivation.len, out, err);
    whs_free(derivation.rows);
    whs_free(derivation.rules);
    return status;
}

static bool
is_id(struct whs_slice text)
{
    struct whs_segment segment[WHS_SEGMENTS_MAX];
    uint8_t count;

    return text.len > 0 && memchr(text.ptr, '/', text.len) == NULL &&
           whs_path_split(text, segment, &count, NULL) == WHS_OK &&
           !segment[0].is_parameter;
}

static enum whs_status
check_values(const struct whs_pattern *pattern, const struct whs_slice *names,
             const struct whs_slice *values, size_t count, struct whs_error *err)
{
    for (size_t i = 0; i < count; i++) {
        int shown = (int)(names[i].len < 80 ? names[i].len : 80);
        if (whs_pattern_find_parameter(pattern, names[i]) < 0)
            return whs_error_set(err, WHS_INVALID,
                                 "the template has no parameter {%.*s}", shown,
                                 names[i].ptr);
        for (size_t earlier = 0; earlier < i; earlier++)
            if (whs_slice_equal(names[earlier], names[i]))
                return whs_error_set(err, WHS_INVALID, "{%.*s} has two values", shown,
                                     names[i].ptr);
        if (!is_id(values[i]))
            return whs_error_set(err, WHS_INVALID,
                                 "the value of {%.*s} is no id: 1 to %d bytes of UTF-8 "
                                 "without '/' and control characters, not in braces",
                                 shown, names[i].ptr, WHS_ID_BYTES_MAX);
    }
    return WHS_OK;
}

static enum whs_status
append_path(const struct whs_pattern *pattern, const struct whs_slice *names,
            const struct whs_slice *values, size_t count, struct whs_buf *buf,
            struct whs_error *err)
{
    for (uint8_t i = 0; i < pattern->segment_count; i++) {
        struct whs_slice text = pattern->segments[i].text;
        if (i > 0)
            whs_buf_append_char(buf, '/');
        if (pattern->segments[i].is_parameter) {
            size_t at = 0;
            while (at < count && !whs_slice_equal(names[at], text))
                at++;
            if (at == count)
                return whs_error_set(err, WHS_INVALID, "{%.*s} has no value",
                                     (int)(text.len < 80 ? text.len : 80), text.ptr);
            text = values[at];
        }
        whs_buf_append_slice(buf, text);
    }
    if (buf->failed)
        return whs_error_set(err, WHS_NO_MEMORY, "%s",
                             whs_status_message(WHS_NO_MEMORY));
    return WHS_OK;
}

enum whs_status
whs_catalog_build_path(struct whs_slice template, const struct whs_slice *names,
                       const struct whs_slice *values, size_t count,
                       struct whs_buf *buf, struct whs_error *err)
{
    struct whs_pattern pattern;
    size_t start = buf->len;

    enum whs_status status = whs_pattern_parse(template, &pattern, err);
    if (status != WHS_OK)
        return status;
    status = check_values(&pattern, names, values, count, err);
    if (status == WHS_OK)
        status = append_path(&pattern, names, values, count, buf, err);
    if (status != WHS_OK)
        buf->len = start;
    whs_pattern_fini(&pattern);
    return status;
}
