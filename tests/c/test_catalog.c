/* SPDX-License-Identifier: MIT */
#include "catalog.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "failing_alloc.h"
#include "sidedrawer.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* "cud" for create, update, delete. */
static const char *
show_actions(uint8_t actions)
{
    static const char *const texts[] = {"", "c", "u", "cu", "d", "cd", "ud", "cud"};

    assert_true((actions & ~WHS_ACTIONS_ALL) == 0);
    return texts[actions >> 1];
}

static uint8_t
read_actions(const char *text)
{
    uint8_t actions = 0;

    for (; *text != '\0'; text++)
        actions |= WHS_ACTION_BIT(*text == 'c'   ? WHS_ACTION_CREATE
                                  : *text == 'u' ? WHS_ACTION_UPDATE
                                                 : WHS_ACTION_DELETE);
    return actions;
}

/* What a subscription to `resource` hears of `path`, by nothing but the public face. */
static const char *
heard(const struct whs_catalog *catalog, const char *resource, const char *path)
{
    struct whs_resource row;
    struct whs_entity entity;
    uint16_t count;

    assert_int_equal(whs_catalog_resolve(catalog, whs_slice_of(resource), &row, NULL),
                     WHS_OK);
    assert_int_equal(whs_catalog_locate(catalog, whs_slice_of(path), &entity, NULL),
                     WHS_OK);
    const struct whs_cover *cover = whs_catalog_covers(catalog, entity.entity, &count);
    for (uint16_t i = 0; i < count; i++) {
        bool same = cover[i].row == row.row;
        for (uint8_t p = 0; same && p < cover[i].parameter_count; p++)
            same =
                (row.bound & 1u << p) == 0 ||
                whs_slice_equal(row.values[p], entity.values[cover[i].parameters[p]]);
        if (same)
            return show_actions(cover[i].actions);
    }
    return "";
}

/* --- The built-in catalog, row by row. --- */

static const struct {
    const char *resource;
    const char *any; /* what "any" hears */
    /* In the order of sidedrawer_paths: drawer, folder, its network, its file, inbox,
     * network, plan, item, person, license. */
    const char *hears[SIDEDRAWER_ENTITY_COUNT];
} sidedrawer_table[] = {
    {"tenant/t1/sidedrawer", "cud", {"cud", "", "", "", "", "", "", "", "", ""}},
    {"tenant/t1/sidedrawer/s1/record",
     "cud",
     {"", "cud", "", "", "", "", "", "", "", ""}},
    {"tenant/t1/sidedrawer/s1/record/r1",
     "ud",
     {"", "ud", "", "", "", "", "", "", "", ""}},
    {"tenant/t1/sidedrawer/s1/record/r1/network",
     "cud",
     {"", "", "cud", "", "", "", "", "", "", ""}},
    {"tenant/t1/sidedrawer/s1/record/r1/files",
     "cud",
     {"", "", "", "cud", "", "", "", "", "", ""}},
    {"tenant/t1/sidedrawer/s1/inbox",
     "cud",
     {"", "", "", "", "cud", "", "", "", "", ""}},
    {"tenant/t1/sidedrawer/s1/network",
     "cud",
     {"", "", "", "", "", "cud", "", "", "", ""}},
    {"tenant/t1/sidedrawer/s1/plan-request",
     "cud",
     {"", "", "", "", "", "", "cud", "cud", "", ""}},
    {"tenant/t1/sidedrawer/s1/plan-request/p1",
     "cud",
     {"", "", "", "", "", "", "u", "cud", "", ""}},
    {"tenant/t1/sidedrawer/s1/plan-request/p1/item",
     "cud",
     {"", "", "", "", "", "", "", "cud", "", ""}},
    {"tenant/t1/sidedrawer/s1/plan-request/p1/item/x1",
     "ud",
     {"", "", "", "", "", "", "", "ud", "", ""}},
    {"tenant/t1/network/auth0|12345abcde",
     "cud",
     {"", "", "", "", "", "", "", "", "cud", ""}},
    {"subscription/b1/license", "cu", {"", "", "", "", "", "", "", "", "", "cu"}},
};

static void
each_row_of_the_built_in_catalog_covers_its_entities_and_no_other(void **state)
{
    struct whs_catalog *catalog = sidedrawer_catalog();

    (void)state;
    assert_int_equal(whs_catalog_row_count(catalog), LEN(sidedrawer_table));
    assert_int_equal(whs_catalog_entity_count(catalog), SIDEDRAWER_ENTITY_COUNT);
    for (size_t i = 0; i < LEN(sidedrawer_table); i++) {
        struct whs_resource row;
        assert_int_equal(whs_catalog_resolve(catalog,
                                             whs_slice_of(sidedrawer_table[i].resource),
                                             &row, NULL),
                         WHS_OK);
        assert_int_equal(row.row, i);
        assert_string_equal(show_actions(whs_catalog_row_actions(catalog, row.row)),
                            sidedrawer_table[i].any);
        for (size_t e = 0; e < SIDEDRAWER_ENTITY_COUNT; e++)
            assert_string_equal(
                heard(catalog, sidedrawer_table[i].resource, sidedrawer_paths[e]),
                sidedrawer_table[i].hears[e]);
    }
    whs_catalog_unref(catalog);
}

static void
another_id_at_any_place_is_not_covered(void **state)
{
    static const struct {
        const char *resource;
        const char *path;
    } rows[] = {
        {"tenant/t2/sidedrawer", "tenant/t1/sidedrawer/s1"},
        {"tenant/T1/sidedrawer", "tenant/t1/sidedrawer/s1"},
        {"tenant/t1/sidedrawer/s2/record", "tenant/t1/sidedrawer/s1/record/r1"},
        {"tenant/t1/sidedrawer/s1/record/r2", "tenant/t1/sidedrawer/s1/record/r1"},
        {"tenant/t1/sidedrawer/s1/record/R1", "tenant/t1/sidedrawer/s1/record/r1"},
        {"tenant/t1/sidedrawer/s1/record/r", "tenant/t1/sidedrawer/s1/record/r1"},
        {"tenant/t1/sidedrawer/s1/plan-request/p2",
         "tenant/t1/sidedrawer/s1/plan-request/p1/item/x1"},
        {"tenant/t1/network/auth0%7C12345abcde", "tenant/t1/network/auth0|12345abcde"},
    };
    struct whs_catalog *catalog = sidedrawer_catalog();

    (void)state;
    for (size_t i = 0; i < LEN(rows); i++)
        assert_string_equal(heard(catalog, rows[i].resource, rows[i].path), "");
    whs_catalog_unref(catalog);
}

static void
any_on_one_plan_hears_its_updates_and_its_items_but_not_its_deletion(void **state)
{
    struct whs_catalog *catalog = sidedrawer_catalog();
    const char *plan = "tenant/t1/sidedrawer/s1/plan-request/p1";

    (void)state;
    assert_string_equal(heard(catalog, plan, plan), "u");
    assert_string_equal(
        heard(catalog, plan, "tenant/t1/sidedrawer/s1/plan-request/p1/item/x9"), "cud");
    assert_string_equal(
        heard(catalog, plan, "tenant/t1/sidedrawer/s1/plan-request/p2/item/x9"), "");
    whs_catalog_unref(catalog);
}

/* --- Resources of subscriptions. --- */

static void
an_unbound_parameter_means_any(void **state)
{
    struct whs_catalog *catalog = sidedrawer_catalog();
    const char *resource =
        "tenant/t1/sidedrawer/{sidedrawerId}/plan-request/p1/item/{planItemId}";
    struct whs_resource out;

    (void)state;
    assert_int_equal(whs_catalog_resolve(catalog, whs_slice_of(resource), &out, NULL),
                     WHS_OK);
    assert_int_equal(out.bound, 1u << 0 | 1u << 2);
    assert_true(whs_slice_equal(out.values[0], WHS_SLICE("t1")));
    assert_null(out.values[1].ptr);
    assert_true(whs_slice_equal(out.values[2], WHS_SLICE("p1")));
    assert_null(out.values[3].ptr);
    assert_true(whs_slice_equal(out.root, WHS_SLICE("tenant/t1")));
    assert_string_equal(
        heard(catalog, resource, "tenant/t1/sidedrawer/s7/plan-request/p1/item/x8"),
        "ud");
    assert_string_equal(
        heard(catalog, resource, "tenant/t1/sidedrawer/s7/plan-request/p2/item/x8"),
        "");
    whs_catalog_unref(catalog);
}

static void
resources_resolve_or_say_why_not(void **state)
{
    static const struct {
        const char *resource;
        enum whs_status status;
    } rows[] = {
        {"tenant/t1/sidedrawer", WHS_OK},
        {"tenant/t1/sidedrawer/{sidedrawerId}/record/{recordId}", WHS_OK},
        {"subscription/{x/license", WHS_OK}, /* an id, if an odd one */
        {"tenant/{tenantId}/sidedrawer", WHS_CONFIGURATION},
        {"tenant/{tenantId}/sidedrawer/s1/record", WHS_CONFIGURATION},
        {"tenant/{tenantid}/sidedrawer", WHS_UNKNOWN_RESOURCE},
        {"tenant/t1/sidedrawer/{drawer}/record", WHS_UNKNOWN_RESOURCE},
        {"tenant/t1/{sidedrawer}", WHS_UNKNOWN_RESOURCE},
        {"{tenant}/t1/sidedrawer", WHS_UNKNOWN_RESOURCE},
        {"tenant/t1/sidedrawer/{}/record", WHS_UNKNOWN_RESOURCE},
        {"tenant/t1", WHS_UNKNOWN_RESOURCE},
        {"tenant/t1/sidedrawer/s1", WHS_UNKNOWN_RESOURCE},
        {"Tenant/t1/sidedrawer", WHS_UNKNOWN_RESOURCE},
        {"tenant/t1/sidedrawer/s1/record/r1/files/f1", WHS_UNKNOWN_RESOURCE},
        {"tenant//sidedrawer", WHS_INVALID},
        {"tenant/t1/sidedrawer/", WHS_INVALID},
        {"tenant/t\x01/sidedrawer", WHS_INVALID},
        {"", WHS_INVALID},
    };
    struct whs_catalog *catalog = sidedrawer_catalog();

    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct whs_resource out;
        struct whs_error err = {0};
        assert_int_equal(
            whs_catalog_resolve(catalog, whs_slice_of(rows[i].resource), &out, &err),
            rows[i].status);
        assert_int_equal(err.status, rows[i].status);
    }
    whs_catalog_unref(catalog);
}

/* --- Paths of events. --- */

static void
an_events_path_has_its_entity_its_values_and_its_root(void **state)
{
    struct whs_catalog *catalog = sidedrawer_catalog();

    (void)state;
    for (size_t i = 0; i < SIDEDRAWER_ENTITY_COUNT; i++) {
        struct whs_slice path = whs_slice_of(sidedrawer_paths[i]);
        struct whs_entity out;
        assert_int_equal(whs_catalog_locate(catalog, path, &out, NULL), WHS_OK);
        assert_true(whs_slice_equal(out.root, i == 9 ? WHS_SLICE("subscription/b1")
                                                     : WHS_SLICE("tenant/t1")));
        assert_ptr_equal(out.root.ptr, path.ptr);
    }
    struct whs_entity file;
    assert_int_equal(
        whs_catalog_locate(catalog, whs_slice_of(sidedrawer_paths[3]), &file, NULL),
        WHS_OK);
    assert_true(whs_slice_equal(whs_catalog_entity_template(catalog, file.entity),
                                WHS_SLICE("tenant/{tenantId}/sidedrawer/{sidedrawerId}/"
                                          "record/{recordId}/files/{fileId}")));
    static const char *const values[] = {"t1", "s1", "r1", "f1"};
    for (size_t i = 0; i < LEN(values); i++)
        assert_true(whs_slice_equal(file.values[i], whs_slice_of(values[i])));
    whs_catalog_unref(catalog);
}

static void
an_events_path_is_about_one_known_thing(void **state)
{
    static const struct {
        const char *path;
        enum whs_status status;
    } rows[] = {
        {"tenant/t1/sidedrawer/{sidedrawerId}", WHS_INVALID},
        {"tenant/{tenantId}/sidedrawer/s1", WHS_INVALID},
        {"tenant/t1/sidedrawer/{}", WHS_INVALID},
        {"tenant/t1/nothing/{sidedrawerId}", WHS_INVALID},
        {"tenant/t1/sidedrawer/{s1", WHS_OK},
        {"tenant/t1/sidedrawer", WHS_UNKNOWN_RESOURCE},
        {"tenant/t1/sidedrawer/s1/record", WHS_UNKNOWN_RESOURCE},
        {"tenant/t1/Sidedrawer/s1", WHS_UNKNOWN_RESOURCE},
        {"tenant/t1/sidedrawer/s1/record/r1/files/f1/x", WHS_UNKNOWN_RESOURCE},
        {"license/b1", WHS_UNKNOWN_RESOURCE},
    };
    struct whs_catalog *catalog = sidedrawer_catalog();

    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct whs_entity out;
        struct whs_error err = {0};
        enum whs_status status =
            whs_catalog_locate(catalog, whs_slice_of(rows[i].path), &out, &err);
        assert_int_equal(status, rows[i].status);
        assert_int_equal(err.status, rows[i].status);
    }
    whs_catalog_unref(catalog);
}

static void
an_unknown_path_is_told_the_nearest_template_and_no_id(void **state)
{
    static const struct {
        const char *path;
        const char *nearest;
    } rows[] = {
        {"tenant/SECRET/sidedrawers", "tenant/{tenantId}/sidedrawer"},
        {"tenants/SECRET/sidedrawer", "tenant/{tenantId}/sidedrawer"},
        {"tenant/SECRET/sidedrawer/SECRET/recrod",
         "tenant/{tenantId}/sidedrawer/{sidedrawerId}/record"},
        {"tenant/SECRET/sidedrawer/SECRET/inbocks",
         "tenant/{tenantId}/sidedrawer/{sidedrawerId}/inbox"},
        {"tenant/SECRET/sidedrawer/SECRET/record/SECRET/file",
         "tenant/{tenantId}/sidedrawer/{sidedrawerId}/record/{recordId}/files"},
        {"tenant/SECRET/sidedrawer/{sidedrawerID}/inbox",
         "tenant/{tenantId}/sidedrawer/{sidedrawerId}/inbox"},
        {"subscriptions/SECRET", "subscription/{subscriptionid}/license"},
        {"subscription/SECRET/licenses/SECRET",
         "subscription/{subscriptionid}/license"},
    };
    struct whs_catalog *catalog = sidedrawer_catalog();

    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct whs_resource out;
        struct whs_error err;
        char expected[256];
        snprintf(expected, sizeof(expected), "the nearest template is %s",
                 rows[i].nearest);
        assert_int_equal(
            whs_catalog_resolve(catalog, whs_slice_of(rows[i].path), &out, &err),
            WHS_UNKNOWN_RESOURCE);
        const char *found = strstr(err.message, "the nearest");
        assert_non_null(found);
        assert_string_equal(found, expected);
        assert_null(strstr(err.message, "SECRET"));
    }
    struct whs_entity entity;
    struct whs_error err;
    assert_int_equal(whs_catalog_locate(catalog, WHS_SLICE("tenant/SECRET/sidedrawer"),
                                        &entity, &err),
                     WHS_UNKNOWN_RESOURCE);
    assert_non_null(strstr(err.message, "tenant/{tenantId}/sidedrawer/{sidedrawerId}"));
    assert_null(strstr(err.message, "SECRET"));
    whs_catalog_unref(catalog);
}

/* --- What a catalog may be. --- */

struct row_text {
    const char *resource;
    const char *entity;
    const char *actions;
};

static enum whs_status
create(const struct row_text *texts, size_t count, struct whs_catalog **out,
       struct whs_error *err)
{
    struct whs_catalog_rule rules[8];
    struct whs_catalog_row rows[8];

    assert_true(count <= LEN(rows));
    for (size_t i = 0; i < count; i++) {
        rules[i] = (struct whs_catalog_rule){whs_slice_of(texts[i].entity),
                                             read_actions(texts[i].actions)};
        rows[i] =
            (struct whs_catalog_row){whs_slice_of(texts[i].resource), &rules[i], 1};
    }
    return whs_catalog_create(rows, (uint16_t)count, out, err);
}

static void
a_wrong_row_is_refused_by_name(void **state)
{
    static const struct {
        struct row_text rows[2];
        const char *named;
    } cases[] = {
        {{{"a/{b", "a/{b}/c/{d}", "c"}}, "row a/{b: "},
        {{{"a//{b}", "a/{b}/c/{d}", "c"}}, "row a//{b}: "},
        {{{"a", "a/{b}", "c"}}, "row a: has no parameter"},
        {{{"a/{b}/c", "a/{b}/c/{d", "c"}}, "entity a/{b}/c/{d "},
        {{{"a/{b}/c", "a/{b}/c/{d}", ""}}, "row a/{b}/c: entity a/{b}/c/{d} needs"},
        {{{"a/{b}/c", "a/{x}/c/{d}", "c"}}, "entity a/{x}/c/{d} has another root"},
        {{{"a/{b}/c", "z/{b}/c/{d}", "c"}}, "entity z/{b}/c/{d} has another root"},
        {{{"a/{b}/c", "a/c/{b}", "c"}}, "entity a/c/{b} has another root"},
        {{{"a/{b}/c/{d}/e", "a/{b}/e/{f}", "c"}}, "entity a/{b}/e/{f} lacks"},
        {{{"a/{b}/c/{d}", "a/{b}/c/{d}", "c"}, {"a/{b}/c/{e}", "a/{b}/c/{e}", "c"}},
         "row a/{b}/c/{e}: another row differs only"},
        {{{"a/{b}/c", "a/{b}/c/{d}", "c"}, {"a/{b}/x", "a/{b}/c/{e}", "c"}},
         "row a/{b}/x: entity a/{b}/c/{e} differs"},
    };

    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct whs_catalog *catalog = (struct whs_catalog *)1;
        struct whs_error err;
        size_t count = cases[i].rows[1].resource ? 2 : 1;
        assert_int_equal(create(cases[i].rows, count, &catalog, &err),
                         WHS_CONFIGURATION);
        assert_null(catalog);
        if (strstr(err.message, cases[i].named) == NULL)
            fail_msg("%s, not %s", err.message, cases[i].named);
    }
}

static void
a_catalog_has_rows_and_each_row_a_rule(void **state)
{
    struct whs_catalog *catalog;
    struct whs_catalog_row row = {WHS_SLICE("a/{b}"), NULL, 0};
    struct whs_catalog_rule any = {WHS_SLICE("a/{b}"), WHS_ACTION_BIT(WHS_ACTION_ANY)};

    (void)state;
    assert_int_equal(whs_catalog_create(NULL, 0, &catalog, NULL), WHS_CONFIGURATION);
    assert_int_equal(whs_catalog_create(&row, 1, &catalog, NULL), WHS_CONFIGURATION);
    row = (struct whs_catalog_row){WHS_SLICE("a/{b}"), &any, 1};
    assert_int_equal(whs_catalog_create(&row, 1, &catalog, NULL), WHS_CONFIGURATION);
    assert_int_equal(
        whs_catalog_create(sidedrawer_rows, WHS_CATALOG_ROWS_MAX + 1, &catalog, NULL),
        WHS_CONFIGURATION);
}

static void
a_catalog_has_4096_entities_at_most(void **state)
{
    enum { COUNT = WHS_CATALOG_ENTITIES_MAX + 1 };
    char(*texts)[24] = calloc(COUNT, sizeof(*texts));
    struct whs_catalog_rule *rules = calloc(COUNT + 1, sizeof(*rules));
    struct whs_catalog *catalog;

    (void)state;
    assert_true(texts != NULL && rules != NULL);
    for (int i = 0; i < COUNT; i++) {
        snprintf(texts[i], sizeof(texts[i]), "a/{b}/c%d/{d}", i);
        rules[i] = (struct whs_catalog_rule){whs_slice_of(texts[i]), WHS_ACTIONS_ALL};
    }
    struct whs_catalog_row row = {WHS_SLICE("a/{b}"), rules, COUNT};
    assert_int_equal(whs_catalog_create(&row, 1, &catalog, NULL), WHS_CONFIGURATION);
    rules[COUNT - 1] = rules[0]; /* again the first: no new one */
    assert_int_equal(whs_catalog_create(&row, 1, &catalog, NULL), WHS_OK);
    assert_int_equal(whs_catalog_entity_count(catalog), WHS_CATALOG_ENTITIES_MAX);
    assert_string_equal(heard(catalog, "a/1", "a/1/c4095/2"), "cud");
    whs_catalog_unref(catalog);
    free(texts);
    free(rules);
}

static void
rows_of_one_template_are_one_row(void **state)
{
    static const struct row_text rows[] = {
        {"a/{b}/c", "a/{b}/c/{d}", "c"},
        {"a/{b}/c", "a/{b}/x/{d}", "d"},
        {"a/{b}/c", "a/{b}/c/{d}", "u"},
    };
    struct whs_catalog *catalog;

    (void)state;
    assert_int_equal(create(rows, LEN(rows), &catalog, NULL), WHS_OK);
    assert_int_equal(whs_catalog_row_count(catalog), 1);
    const struct whs_catalog_row *row = whs_catalog_row_at(catalog, 0);
    assert_true(whs_slice_equal(row->resource, WHS_SLICE("a/{b}/c")));
    assert_int_equal(row->rule_count, 2);
    assert_true(whs_slice_equal(row->rules[0].entity, WHS_SLICE("a/{b}/c/{d}")));
    assert_string_equal(show_actions(row->rules[0].actions), "cu");
    assert_string_equal(show_actions(row->rules[1].actions), "d");
    assert_string_equal(show_actions(whs_catalog_row_actions(catalog, 0)), "cud");
    assert_string_equal(heard(catalog, "a/1/c", "a/1/c/2"), "cu");
    assert_string_equal(heard(catalog, "a/1/c", "a/1/x/2"), "d");
    assert_int_equal(whs_catalog_row_pattern(catalog, 0)->parameter_count, 1);
    whs_catalog_unref(catalog);
}

static void
parameters_are_told_apart_by_name_not_by_place(void **state)
{
    static const struct row_text rows[] = {
        {"a/{b}/c/{d}", "a/{b}/x/{e}/{d}", "c"},
        {"a/{b}/e/{e}", "a/{b}/x/{e}/{d}", "u"},
    };
    struct whs_catalog *catalog;

    (void)state;
    assert_int_equal(create(rows, LEN(rows), &catalog, NULL), WHS_OK);
    assert_string_equal(heard(catalog, "a/1/c/3", "a/1/x/2/3"), "c");
    assert_string_equal(heard(catalog, "a/1/c/2", "a/1/x/2/3"), "");
    assert_string_equal(heard(catalog, "a/1/e/2", "a/1/x/2/3"), "u");
    whs_catalog_unref(catalog);
}

static void
a_literal_goes_before_a_parameter_where_both_fit(void **state)
{
    static const struct row_text rows[] = {
        {"a/{b}/{c}/x", "a/{b}/{c}/x", "c"},
        {"a/{b}/new/{d}", "a/{b}/new/{d}", "u"},
        {"a/{b}/new/y/{e}/{f}", "a/{b}/new/y/{e}/{f}", "d"},
        {"a/{b}/{c}/{g}/z/w", "a/{b}/{c}/{g}/z/w", "cd"},
    };
    struct whs_catalog *catalog;

    (void)state;
    assert_int_equal(create(rows, LEN(rows), &catalog, NULL), WHS_OK);
    assert_string_equal(heard(catalog, "a/1/new/x", "a/1/new/x"), "u");
    assert_string_equal(heard(catalog, "a/1/old/x", "a/1/old/x"), "c");
    assert_string_equal(heard(catalog, "a/1/new/q", "a/1/new/q"), "u");
    /* The literal branch is a dead end: back to the parameter. */
    assert_string_equal(heard(catalog, "a/1/new/y/z/w", "a/1/new/y/z/w"), "d");
    assert_string_equal(heard(catalog, "a/1/new/q/z/w", "a/1/new/q/z/w"), "cd");
    /* A name decides where the shape does not. */
    struct whs_resource out;
    assert_int_equal(whs_catalog_resolve(catalog, WHS_SLICE("a/1/{c}/x"), &out, NULL),
                     WHS_OK);
    assert_int_equal(out.row, 0);
    assert_int_equal(whs_catalog_resolve(catalog, WHS_SLICE("a/1/new/{d}"), &out, NULL),
                     WHS_OK);
    assert_int_equal(out.row, 1);
    assert_int_equal(
        whs_catalog_resolve(catalog, WHS_SLICE("a/1/new/{g}/z/w"), &out, NULL), WHS_OK);
    assert_int_equal(out.row, 3);
    whs_catalog_unref(catalog);
}

static void
the_last_reference_frees(void **state)
{
    struct whs_catalog *catalog = sidedrawer_catalog();

    (void)state;
    assert_ptr_equal(whs_catalog_ref(catalog), catalog);
    whs_catalog_unref(catalog);
    assert_int_equal(whs_catalog_row_count(catalog), SIDEDRAWER_ROW_COUNT);
    whs_catalog_unref(catalog);
    whs_catalog_unref(NULL);
}

/* --- Deriving. --- */

static void
check_rows(const char *const *templates, size_t count, const struct row_text *rows,
           size_t row_count)
{
    struct whs_slice slices[8];
    struct whs_catalog *catalog;
    struct whs_error err = {.message = ""};
    size_t rule = 0;

    for (size_t i = 0; i < count; i++)
        slices[i] = whs_slice_of(templates[i]);
    if (whs_catalog_derive(slices, (uint16_t)count, &catalog, &err) != WHS_OK)
        fail_msg("%s", err.message);
    for (uint16_t i = 0; i < whs_catalog_row_count(catalog); i++) {
        const struct whs_catalog_row *row = whs_catalog_row_at(catalog, i);
        for (uint16_t r = 0; r < row->rule_count; r++, rule++) {
            assert_true(rule < row_count);
            assert_true(
                whs_slice_equal(row->resource, whs_slice_of(rows[rule].resource)));
            assert_true(
                whs_slice_equal(row->rules[r].entity, whs_slice_of(rows[rule].entity)));
            assert_string_equal(show_actions(row->rules[r].actions),
                                rows[rule].actions);
        }
    }
    assert_int_equal(rule, row_count);
    whs_catalog_unref(catalog);
}

static void
a_template_gives_a_collection_and_an_item(void **state)
{
    static const char *const templates[] = {"repos/{owner}/{repo}/issues/{number}"};
    static const struct row_text rows[] = {
        {"repos/{owner}/{repo}/issues", "repos/{owner}/{repo}/issues/{number}", "cud"},
        {"repos/{owner}/{repo}/issues/{number}", "repos/{owner}/{repo}/issues/{number}",
         "ud"},
    };

    (void)state;
    check_rows(templates, LEN(templates), rows, LEN(rows));
}

static void
parents_have_rows_when_they_are_named_too(void **state)
{
    static const char *const templates[] = {
        "repos/{owner}",
        "repos/{owner}/{repo}",
        "repos/{owner}/{repo}/settings",
    };
    static const struct row_text rows[] = {
        {"repos/{owner}", "repos/{owner}", "ud"},
        {"repos/{owner}", "repos/{owner}/{repo}", "cud"},
        {"repos/{owner}/{repo}", "repos/{owner}/{repo}", "ud"},
        {"repos/{owner}/{repo}/settings", "repos/{owner}/{repo}/settings", "cud"},
    };

    (void)state;
    check_rows(templates, LEN(templates), rows, LEN(rows));
}

static void
naming_a_template_twice_changes_nothing(void **state)
{
    static const char *const templates[] = {"a/{b}/c/{d}", "a/{b}/c/{d}"};
    static const struct row_text rows[] = {
        {"a/{b}/c", "a/{b}/c/{d}", "cud"},
        {"a/{b}/c/{d}", "a/{b}/c/{d}", "ud"},
    };

    (void)state;
    check_rows(templates, LEN(templates), rows, LEN(rows));
}

static void
what_is_no_template_gives_no_catalog(void **state)
{
    static const char *const bad[] = {"{a}", "a//{b}", "a", "a/b", "", "a/{b}x"};
    struct whs_catalog *catalog;
    struct whs_error err;

    (void)state;
    assert_int_equal(whs_catalog_derive(NULL, 0, &catalog, NULL), WHS_CONFIGURATION);
    for (size_t i = 0; i < LEN(bad); i++) {
        struct whs_slice text = whs_slice_of(bad[i]);
        assert_int_equal(whs_catalog_derive(&text, 1, &catalog, &err),
                         WHS_CONFIGURATION);
        assert_null(catalog);
        assert_non_null(strstr(err.message, bad[i]));
    }
}

/* --- Building a path. --- */

static enum whs_status
build(const char *template, const char *const *pairs, size_t count, struct whs_buf *buf,
      struct whs_error *err)
{
    struct whs_slice names[4], values[4];

    for (size_t i = 0; i < count; i++) {
        names[i] = whs_slice_of(pairs[2 * i]);
        values[i] = whs_slice_of(pairs[2 * i + 1]);
    }
    return whs_catalog_build_path(whs_slice_of(template), names, values, count, buf,
                                  err);
}

static void
a_path_is_built_from_a_template_and_ids(void **state)
{
    static const char *const pairs[] = {"openId", "auth0|12345abcde", "tenantId",
                                        "..%2f"};
    struct whs_buf buf = {0};

    (void)state;
    whs_buf_append_char(&buf, '>');
    assert_int_equal(build("tenant/{tenantId}/network/{openId}", pairs, 2, &buf, NULL),
                     WHS_OK);
    assert_true(whs_slice_equal(whs_buf_slice(&buf),
                                WHS_SLICE(">tenant/..%2f/network/auth0|12345abcde")));
    whs_buf_fini(&buf);
}

static void
a_hostile_id_builds_no_path(void **state)
{
    static const char *const ids[] = {
        "",   "a/b",   "/",    "x\n",      "\x7f",   "{openId}",
        "{}", "{{a}}", "\xff", "\xc0\xaf", "a/../b",
    };
    char long_id[WHS_ID_BYTES_MAX + 2];
    struct whs_buf buf = {0};
    struct whs_error err;

    (void)state;
    whs_buf_append_char(&buf, '>');
    for (size_t i = 0; i < LEN(ids); i++) {
        const char *pairs[] = {"b", ids[i]};
        assert_int_equal(build("a/{b}", pairs, 1, &buf, &err), WHS_INVALID);
        assert_non_null(strstr(err.message, "{b}"));
        assert_true(whs_slice_equal(whs_buf_slice(&buf), WHS_SLICE(">")));
    }
    memset(long_id, 'x', sizeof(long_id));
    long_id[WHS_ID_BYTES_MAX + 1] = '\0';
    const char *pairs[] = {"b", long_id};
    assert_int_equal(build("a/{b}", pairs, 1, &buf, &err), WHS_INVALID);
    long_id[WHS_ID_BYTES_MAX] = '\0';
    assert_int_equal(build("a/{b}", pairs, 1, &buf, &err), WHS_OK);
    whs_buf_fini(&buf);
}

static void
each_parameter_has_exactly_one_value(void **state)
{
    static const struct {
        const char *pairs[6];
        size_t count;
        const char *why;
    } cases[] = {
        {{"b", "1"}, 1, "{d} has no value"},
        {{"b", "1", "d", "2", "e", "3"}, 3, "no parameter {e}"},
        {{"b", "1", "d", "2", "b", "1"}, 3, "{b} has two values"},
        {{NULL}, 0, "{b} has no value"},
    };
    struct whs_buf buf = {0};

    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        struct whs_error err;
        assert_int_equal(
            build("a/{b}/c/{d}", cases[i].pairs, cases[i].count, &buf, &err),
            WHS_INVALID);
        assert_non_null(strstr(err.message, cases[i].why));
        assert_int_equal(buf.len, 0);
    }
    assert_int_equal(build("a//c", NULL, 0, &buf, NULL), WHS_INVALID);
    whs_buf_fini(&buf);
}

/* --- Without memory. --- */

static void
without_memory_there_is_no_catalog(void **state)
{
    (void)state;
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_catalog *catalog;
        enum whs_status status =
            whs_catalog_create(sidedrawer_rows, SIDEDRAWER_ROW_COUNT, &catalog, NULL);
        assert_int_equal(status, failing_alloc_happened() ? WHS_NO_MEMORY : WHS_OK);
        assert_int_equal(catalog == NULL, failing_alloc_happened());
        whs_catalog_unref(catalog);
        failing_alloc_end();
    }
}

static void
without_memory_nothing_is_derived_or_built(void **state)
{
    struct whs_slice template = WHS_SLICE("a/{b}/c/{d}");

    (void)state;
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_catalog *catalog;
        enum whs_status status = whs_catalog_derive(&template, 1, &catalog, NULL);
        assert_int_equal(status, failing_alloc_happened() ? WHS_NO_MEMORY : WHS_OK);
        whs_catalog_unref(catalog);
        failing_alloc_end();
    }
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        static const char *const pairs[] = {"b", "1"};
        struct whs_buf buf = {0};
        enum whs_status status = build("a/{b}", pairs, 1, &buf, NULL);
        assert_int_equal(status, failing_alloc_happened() ? WHS_NO_MEMORY : WHS_OK);
        assert_int_equal(buf.len, failing_alloc_happened() ? 0 : 3);
        whs_buf_fini(&buf);
        failing_alloc_end();
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            each_row_of_the_built_in_catalog_covers_its_entities_and_no_other),
        cmocka_unit_test(another_id_at_any_place_is_not_covered),
        cmocka_unit_test(
            any_on_one_plan_hears_its_updates_and_its_items_but_not_its_deletion),
        cmocka_unit_test(an_unbound_parameter_means_any),
        cmocka_unit_test(resources_resolve_or_say_why_not),
        cmocka_unit_test(an_events_path_has_its_entity_its_values_and_its_root),
        cmocka_unit_test(an_events_path_is_about_one_known_thing),
        cmocka_unit_test(an_unknown_path_is_told_the_nearest_template_and_no_id),
        cmocka_unit_test(a_wrong_row_is_refused_by_name),
        cmocka_unit_test(a_catalog_has_rows_and_each_row_a_rule),
        cmocka_unit_test(a_catalog_has_4096_entities_at_most),
        cmocka_unit_test(rows_of_one_template_are_one_row),
        cmocka_unit_test(parameters_are_told_apart_by_name_not_by_place),
        cmocka_unit_test(a_literal_goes_before_a_parameter_where_both_fit),
        cmocka_unit_test(the_last_reference_frees),
        cmocka_unit_test(a_template_gives_a_collection_and_an_item),
        cmocka_unit_test(parents_have_rows_when_they_are_named_too),
        cmocka_unit_test(naming_a_template_twice_changes_nothing),
        cmocka_unit_test(what_is_no_template_gives_no_catalog),
        cmocka_unit_test(a_path_is_built_from_a_template_and_ids),
        cmocka_unit_test(a_hostile_id_builds_no_path),
        cmocka_unit_test(each_parameter_has_exactly_one_value),
        cmocka_unit_test(without_memory_there_is_no_catalog),
        cmocka_unit_test(without_memory_nothing_is_derived_or_built),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
