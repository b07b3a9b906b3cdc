/* SPDX-License-Identifier: MIT */
#include "matcher.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "failing_alloc.h"
#include "fake_clock.h"
#include "handmade.h"
#include "sidedrawer.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define LATE INT64_MAX /* a revision at which everything exists */

#define DRAWERS "tenant/t1/sidedrawer"
#define RECORDS "tenant/t1/sidedrawer/s1/record"
#define RECORD "tenant/t1/sidedrawer/s1/record/r1"
#define PLANS "tenant/t1/sidedrawer/s1/plan-request"
#define PLAN "tenant/t1/sidedrawer/s1/plan-request/p1"
#define ITEM "tenant/t1/sidedrawer/s1/plan-request/p1/item/x1"

/* A matcher and the subscribers that a test made, which are checked and freed with it.
 */
struct fixture {
    struct whs_catalog *catalog;
    struct whs_matcher *matcher;
    struct whs_subscriber **subs;
    size_t count;
};

static struct whs_matcher *
create_matcher(struct whs_catalog *catalog)
{
    struct fake_random fake = {42};
    struct whs_random random = fake_random_random(&fake);
    struct whs_matcher *matcher;

    assert_int_equal(whs_matcher_create(catalog, &random, &matcher), WHS_OK);
    return matcher;
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->catalog = sidedrawer_catalog();
    f->matcher = create_matcher(f->catalog);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    whs_matcher_destroy(f->matcher);
    whs_catalog_unref(f->catalog);
    for (size_t i = 0; i < f->count; i++)
        handmade_free(f->subs[i]);
    free(f->subs);
    free(f);
    return 0;
}

static struct whs_subscriber *
make(struct fixture *f, int64_t seq, const char *resource, enum whs_action action,
     int64_t revision)
{
    if ((f->count & (f->count + 1)) == 0)
        f->subs = realloc(f->subs, 2 * (f->count + 1) * sizeof(*f->subs));
    return f->subs[f->count++] = handmade_subscriber(seq, resource, action, revision);
}

static struct whs_subscriber *
put(struct fixture *f, int64_t seq, const char *resource, enum whs_action action)
{
    struct whs_subscriber *sub = make(f, seq, resource, action, 0);

    assert_int_equal(whs_matcher_put(f->matcher, sub, NULL), WHS_OK);
    return sub;
}

static int
compare_texts(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* "1 2@1 7": the seqs that hear it, sorted as text, with the path if it is not the
 * first. */
static const char *
who_hears(struct fixture *f, const char *const *paths, size_t path_count,
          enum whs_action action, int64_t revision)
{
    static char text[4096];
    char words[64][24];
    struct whs_slice slices[16];
    struct whs_matches matches = {0};

    for (size_t i = 0; i < path_count; i++)
        slices[i] = whs_slice_of(paths[i]);
    assert_int_equal(whs_matcher_match(f->matcher, slices, path_count, action, revision,
                                       &matches, NULL),
                     WHS_OK);
    assert_true(matches.len <= LEN(words));
    for (size_t i = 0; i < matches.len; i++) {
        int len = snprintf(words[i], sizeof(words[i]), "%lld",
                           (long long)matches.items[i].sub->seq);
        if (matches.items[i].path > 0)
            snprintf(words[i] + len, 8, "@%d", matches.items[i].path);
        assert_true(handmade_refs(matches.items[i].sub) >= 2);
    }
    qsort(words, matches.len, sizeof(words[0]), compare_texts);
    text[0] = '\0';
    for (size_t i = 0; i < matches.len; i++) {
        strcat(text, i > 0 ? " " : "");
        strcat(text, words[i]);
    }
    whs_matches_fini(&matches);
    return text;
}

static const char *
hears(struct fixture *f, const char *path, enum whs_action action)
{
    return who_hears(f, &path, 1, action, LATE);
}

/* --- Who hears what. --- */

static void
an_empty_matcher_matches_nobody(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < SIDEDRAWER_ENTITY_COUNT; i++)
        assert_string_equal(hears(f, sidedrawer_paths[i], WHS_ACTION_UPDATE), "");
    assert_int_equal(whs_matcher_count(f->matcher), 0);
    assert_null(whs_matcher_find(f->matcher, 1));
}

static void
each_row_hears_its_entities_with_its_actions(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path;
        const char *create, *update, *delete;
    } rows[] = {
        {"tenant/t1/sidedrawer/s1", "0", "0", "0"},
        {RECORD, "1", "1 2", "1 2"},
        {RECORD "/network/n1", "3", "3", "3"},
        {RECORD "/files/f1", "4", "4", "4"},
        {"tenant/t1/sidedrawer/s1/inbox/i1", "5", "5", "5"},
        {"tenant/t1/sidedrawer/s1/network/n1", "6", "6", "6"},
        {PLAN, "7", "7 8", "7"},
        {ITEM, "7 8 9", "10 7 8 9", "10 7 8 9"},
        {"tenant/t1/network/auth0|12345abcde", "11", "11", "11"},
        {"subscription/b1/license/l1", "12", "12", ""},
        {"tenant/t2/sidedrawer/s1", "", "", ""},
        {"tenant/t1/sidedrawer/s2/record/r1", "", "", ""},
        {"tenant/t1/sidedrawer/s1/record/R1", "1", "1", "1"},
        {"subscription/t1/license/l1", "", "", ""},
    };
    static const char *const resources[] = {
        DRAWERS,
        RECORDS,
        RECORD,
        RECORD "/network",
        RECORD "/files",
        "tenant/t1/sidedrawer/s1/inbox",
        "tenant/t1/sidedrawer/s1/network",
        PLANS,
        PLAN,
        PLAN "/item",
        ITEM,
        "tenant/t1/network/auth0|12345abcde",
        "subscription/b1/license",
    };

    for (size_t i = 0; i < LEN(resources); i++)
        put(f, (int64_t)i, resources[i], WHS_ACTION_ANY);
    for (size_t i = 0; i < LEN(rows); i++) {
        assert_string_equal(hears(f, rows[i].path, WHS_ACTION_CREATE), rows[i].create);
        assert_string_equal(hears(f, rows[i].path, WHS_ACTION_UPDATE), rows[i].update);
        assert_string_equal(hears(f, rows[i].path, WHS_ACTION_DELETE), rows[i].delete);
    }
}

static void
one_action_hears_only_that_action(void **state)
{
    struct fixture *f = *state;

    put(f, 1, RECORDS, WHS_ACTION_CREATE);
    put(f, 2, RECORDS, WHS_ACTION_UPDATE);
    put(f, 3, RECORDS, WHS_ACTION_DELETE);
    put(f, 4, RECORDS, WHS_ACTION_ANY);
    assert_string_equal(hears(f, RECORD, WHS_ACTION_CREATE), "1 4");
    assert_string_equal(hears(f, RECORD, WHS_ACTION_UPDATE), "2 4");
    assert_string_equal(hears(f, RECORD, WHS_ACTION_DELETE), "3 4");
}

static void
unbound_parameters_hear_every_value(void **state)
{
    struct fixture *f = *state;

    put(f, 1, "tenant/t1/sidedrawer/{sidedrawerId}/record/{recordId}", WHS_ACTION_ANY);
    put(f, 2, "tenant/t1/sidedrawer/s1/record/{recordId}", WHS_ACTION_ANY);
    put(f, 3, "tenant/t1/sidedrawer/{sidedrawerId}/record/r1", WHS_ACTION_ANY);
    put(f, 4, RECORD, WHS_ACTION_ANY);
    put(f, 5, "tenant/t2/sidedrawer/{sidedrawerId}/record/{recordId}", WHS_ACTION_ANY);
    assert_string_equal(hears(f, RECORD, WHS_ACTION_UPDATE), "1 2 3 4");
    assert_string_equal(
        hears(f, "tenant/t1/sidedrawer/s1/record/r2", WHS_ACTION_UPDATE), "1 2");
    assert_string_equal(
        hears(f, "tenant/t1/sidedrawer/s2/record/r1", WHS_ACTION_UPDATE), "1 3");
    assert_string_equal(
        hears(f, "tenant/t1/sidedrawer/r1/record/s1", WHS_ACTION_UPDATE), "1");
    assert_string_equal(
        hears(f, "tenant/t2/sidedrawer/s1/record/r1", WHS_ACTION_UPDATE), "5");
}

static void
many_may_ask_for_the_same(void **state)
{
    struct fixture *f = *state;

    for (int64_t seq = 1; seq <= 9; seq++)
        put(f, seq, RECORDS, WHS_ACTION_ANY);
    assert_string_equal(hears(f, RECORD, WHS_ACTION_CREATE), "1 2 3 4 5 6 7 8 9");
}

/* --- Revisions. --- */

static void
an_event_is_heard_by_those_created_at_or_before_its_revision(void **state)
{
    struct fixture *f = *state;
    const char *path = RECORD;

    for (int64_t seq = 1; seq <= 3; seq++) {
        struct whs_subscriber *sub = make(f, seq, RECORDS, WHS_ACTION_ANY, seq * 10);
        assert_int_equal(whs_matcher_put(f->matcher, sub, NULL), WHS_OK);
    }
    assert_string_equal(who_hears(f, &path, 1, WHS_ACTION_CREATE, 9), "");
    assert_string_equal(who_hears(f, &path, 1, WHS_ACTION_CREATE, 10), "1");
    assert_string_equal(who_hears(f, &path, 1, WHS_ACTION_CREATE, 29), "1 2");
    assert_string_equal(who_hears(f, &path, 1, WHS_ACTION_CREATE, 30), "1 2 3");
}

/* --- Several paths. --- */

static void
each_hears_an_event_once_by_its_first_path(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {
        "tenant/t1/sidedrawer/s1/network/n1",
        "tenant/t1/network/auth0|1",
        "tenant/t1/sidedrawer/s1/network/n2",
    };
    static const char *const turned[] = {
        "tenant/t1/network/auth0|1",
        "tenant/t1/sidedrawer/s1/network/n2",
        "tenant/t1/sidedrawer/s1/network/n1",
    };

    put(f, 1, "tenant/t1/sidedrawer/s1/network", WHS_ACTION_ANY);
    put(f, 2, "tenant/t1/network/auth0|1", WHS_ACTION_ANY);
    put(f, 3, "tenant/t1/network/{openId}", WHS_ACTION_CREATE);
    put(f, 4, "tenant/t1/sidedrawer/{sidedrawerId}/network", WHS_ACTION_CREATE);
    put(f, 5, "tenant/t1/network/auth0|2", WHS_ACTION_CREATE);
    assert_string_equal(who_hears(f, paths, 3, WHS_ACTION_CREATE, LATE), "1 2@1 3@1 4");
    assert_string_equal(who_hears(f, turned, 3, WHS_ACTION_CREATE, LATE),
                        "1@1 2 3 4@1");
}

/* A row that covers two entities is met by paths of both. */
static void
one_row_met_by_two_entities_is_heard_once(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {ITEM, PLAN};
    static const char *const other[] = {ITEM,
                                        "tenant/t1/sidedrawer/s2/plan-request/p1"};

    put(f, 1, PLANS, WHS_ACTION_ANY);
    put(f, 2, PLAN, WHS_ACTION_DELETE); /* its items' deletion, not its own */
    put(f, 3, "tenant/t1/sidedrawer/s2/plan-request", WHS_ACTION_ANY);
    assert_string_equal(who_hears(f, paths, 2, WHS_ACTION_DELETE, LATE), "1 2");
    assert_string_equal(who_hears(f, paths + 1, 1, WHS_ACTION_DELETE, LATE), "1");
    assert_string_equal(who_hears(f, other, 2, WHS_ACTION_DELETE, LATE), "1 2 3@1");
}

static void
the_same_path_twice_changes_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {RECORD, RECORD, RECORD};

    put(f, 1, RECORDS, WHS_ACTION_ANY);
    put(f, 2, RECORD, WHS_ACTION_UPDATE);
    assert_string_equal(who_hears(f, paths, 3, WHS_ACTION_UPDATE, LATE), "1 2");
}

/* --- What is refused. --- */

static void
a_wrong_event_is_refused_and_appends_nothing(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *paths[2];
        size_t count;
        enum whs_action action;
        enum whs_status status;
    } rows[] = {
        {{RECORD, "tenant/t2/network/x"}, 2, WHS_ACTION_UPDATE, WHS_INVALID},
        {{RECORD, "subscription/t1/license/l1"}, 2, WHS_ACTION_UPDATE, WHS_INVALID},
        {{RECORD, "tenant/t1/nothing"}, 2, WHS_ACTION_UPDATE, WHS_UNKNOWN_RESOURCE},
        {{RECORD, "tenant/t1//x"}, 2, WHS_ACTION_UPDATE, WHS_INVALID},
        {{"tenant/t1/sidedrawer/{sidedrawerId}"}, 1, WHS_ACTION_UPDATE, WHS_INVALID},
        {{RECORD}, 0, WHS_ACTION_UPDATE, WHS_INVALID},
        {{RECORD}, 1, WHS_ACTION_ANY, WHS_INVALID},
        {{RECORD}, 1, (enum whs_action)0, WHS_INVALID},
    };

    put(f, 1, RECORDS, WHS_ACTION_ANY);
    for (size_t i = 0; i < LEN(rows); i++) {
        struct whs_matches matches = {0};
        struct whs_error err = {0};
        struct whs_slice paths[2] = {whs_slice_of(rows[i].paths[0]),
                                     whs_slice_of(rows[i].paths[1])};
        assert_int_equal(whs_matcher_match(f->matcher, paths, rows[i].count,
                                           rows[i].action, LATE, &matches, &err),
                         rows[i].status);
        assert_int_equal(err.status, rows[i].status);
        assert_int_equal(matches.len, 0);
        whs_matches_fini(&matches);
    }
    struct whs_slice many[17];
    for (size_t i = 0; i < LEN(many); i++)
        many[i] = whs_slice_of(RECORD);
    struct whs_matches matches = {0};
    assert_int_equal(whs_matcher_match(f->matcher, many, 17, WHS_ACTION_UPDATE, LATE,
                                       &matches, NULL),
                     WHS_INVALID);
    assert_int_equal(whs_matcher_match(f->matcher, many, 16, WHS_ACTION_UPDATE, LATE,
                                       &matches, NULL),
                     WHS_OK);
    assert_int_equal(matches.len, 1);
    whs_matches_fini(&matches);
}

static void
a_subscriber_of_an_unknown_resource_is_refused(void **state)
{
    struct fixture *f = *state;
    struct whs_error err;

    assert_int_equal(whs_matcher_put(f->matcher,
                                     make(f, 1, "tenant/t1/nothing", WHS_ACTION_ANY, 0),
                                     &err),
                     WHS_UNKNOWN_RESOURCE);
    assert_int_equal(
        whs_matcher_put(f->matcher,
                        make(f, 1, "tenant/{tenantId}/sidedrawer", WHS_ACTION_ANY, 0),
                        &err),
        WHS_CONFIGURATION);
    assert_int_equal(whs_matcher_count(f->matcher), 0);
}

/* --- Change. --- */

static void
a_removed_one_hears_nothing_more(void **state)
{
    struct fixture *f = *state;

    struct whs_subscriber *sub = put(f, 1, RECORDS, WHS_ACTION_ANY);
    put(f, 2, RECORDS, WHS_ACTION_ANY);
    put(f, 3, RECORD, WHS_ACTION_ANY);
    assert_int_equal(whs_matcher_count(f->matcher), 3);
    assert_int_equal(whs_matcher_remove(f->matcher, 1), WHS_OK);
    assert_int_equal(whs_matcher_remove(f->matcher, 1), WHS_NOT_FOUND);
    assert_int_equal(whs_matcher_count(f->matcher), 2);
    assert_int_equal(handmade_refs(sub), 1); /* let go at once: nobody was reading */
    assert_string_equal(hears(f, RECORD, WHS_ACTION_UPDATE), "2 3");
    assert_int_equal(whs_matcher_remove(f->matcher, 2), WHS_OK);
    assert_int_equal(whs_matcher_remove(f->matcher, 3), WHS_OK);
    assert_string_equal(hears(f, RECORD, WHS_ACTION_UPDATE), "");
    put(f, 1, RECORDS, WHS_ACTION_ANY);
    assert_string_equal(hears(f, RECORD, WHS_ACTION_UPDATE), "1");
}

static void
a_put_with_a_known_seq_replaces(void **state)
{
    struct fixture *f = *state;
    const char *path = RECORD;

    struct whs_subscriber *first = put(f, 1, RECORDS, WHS_ACTION_ANY);
    put(f, 2, RECORDS, WHS_ACTION_ANY);
    /* The same key: in place. */
    struct whs_subscriber *second = make(f, 1, RECORDS, WHS_ACTION_ANY, 5);
    assert_int_equal(whs_matcher_put(f->matcher, second, NULL), WHS_OK);
    assert_int_equal(handmade_refs(first), 1);
    assert_int_equal(whs_matcher_count(f->matcher), 2);
    assert_string_equal(who_hears(f, &path, 1, WHS_ACTION_UPDATE, 4), "2");
    assert_string_equal(hears(f, RECORD, WHS_ACTION_UPDATE), "1 2");
    /* Another action, then another resource: it moves. */
    struct whs_subscriber *third = put(f, 1, RECORDS, WHS_ACTION_DELETE);
    assert_int_equal(handmade_refs(second), 1);
    assert_string_equal(hears(f, RECORD, WHS_ACTION_UPDATE), "2");
    assert_string_equal(hears(f, RECORD, WHS_ACTION_DELETE), "1 2");
    put(f, 1, DRAWERS, WHS_ACTION_ANY);
    assert_int_equal(handmade_refs(third), 1);
    assert_string_equal(hears(f, RECORD, WHS_ACTION_DELETE), "2");
    assert_string_equal(hears(f, "tenant/t1/sidedrawer/s1", WHS_ACTION_DELETE), "1");
    assert_int_equal(whs_matcher_count(f->matcher), 2);
}

static void
putting_the_very_same_one_again_keeps_it(void **state)
{
    struct fixture *f = *state;
    struct whs_subscriber *sub = put(f, 1, RECORDS, WHS_ACTION_ANY);

    assert_int_equal(whs_matcher_put(f->matcher, sub, NULL), WHS_OK);
    assert_int_equal(handmade_refs(sub), 2);
    assert_string_equal(hears(f, RECORD, WHS_ACTION_UPDATE), "1");
}

static void
the_live_one_is_found_by_seq(void **state)
{
    struct fixture *f = *state;
    struct whs_subscriber *old = put(f, 7, RECORDS, WHS_ACTION_ANY);
    struct whs_subscriber *new = put(f, 7, DRAWERS, WHS_ACTION_ANY);

    struct whs_subscriber *found = whs_matcher_find(f->matcher, 7);
    assert_ptr_equal(found, new);
    assert_ptr_not_equal(found, old);
    assert_int_equal(handmade_refs(new), 3);
    whs_subscriber_unref(found);
    assert_null(whs_matcher_find(f->matcher, 8));
    assert_int_equal(whs_matcher_remove(f->matcher, 7), WHS_OK);
    assert_null(whs_matcher_find(f->matcher, 7));
}

/* The text that a list is compared with belongs to one of its members. */
static void
a_list_outlives_the_member_whose_text_it_has(void **state)
{
    struct fixture *f = *state;

    for (int64_t seq = 0; seq < 20; seq++)
        put(f, seq, RECORDS, WHS_ACTION_ANY);
    for (int64_t seq = 0; seq < 19; seq++) {
        struct whs_subscriber *sub = f->subs[seq];
        assert_int_equal(whs_matcher_remove(f->matcher, seq), WHS_OK);
        assert_int_equal(handmade_refs(sub), 1);
        memset((char *)sub->subscription->resource.ptr, '?', 4);
        struct whs_matches matches = {0};
        struct whs_slice path = whs_slice_of(RECORD);
        assert_int_equal(whs_matcher_match(f->matcher, &path, 1, WHS_ACTION_UPDATE,
                                           LATE, &matches, NULL),
                         WHS_OK);
        assert_int_equal(matches.len, 19 - seq);
        whs_matches_fini(&matches);
    }
}

/* --- Hubs, memory, counters. --- */

static size_t
count_hits(struct fixture *f, const char *path)
{
    struct whs_matches matches = {0};
    struct whs_slice slice = whs_slice_of(path);

    assert_int_equal(whs_matcher_match(f->matcher, &slice, 1, WHS_ACTION_UPDATE, LATE,
                                       &matches, NULL),
                     WHS_OK);
    size_t count = matches.len;
    whs_matches_fini(&matches);
    return count;
}

static void
a_hub_grows_shrinks_and_keeps_everybody(void **state)
{
    struct fixture *f = *state;
    enum { HUB = 10000 };

    put(f, HUB, RECORD, WHS_ACTION_ANY);
    size_t empty = whs_matcher_bytes(f->matcher);
    for (int64_t seq = 0; seq < HUB; seq++)
        put(f, seq, RECORDS, WHS_ACTION_ANY);
    assert_int_equal(count_hits(f, RECORD), HUB + 1);
    assert_true(whs_matcher_bytes(f->matcher) < empty + HUB * 64);
    for (int64_t seq = 0; seq < HUB; seq += 2)
        assert_int_equal(whs_matcher_remove(f->matcher, seq * 7 % HUB), WHS_OK);
    assert_int_equal(count_hits(f, RECORD), HUB / 2 + 1);
    for (int64_t seq = 1; seq < HUB; seq += 2)
        assert_int_equal(whs_matcher_remove(f->matcher, seq * 7 % HUB), WHS_OK);
    assert_int_equal(count_hits(f, RECORD), 1);
    assert_true(whs_matcher_bytes(f->matcher) <= empty + 1024);
}

/* The lists' slabs are kept for reuse, all else shrinks. */
static void
coming_and_going_does_not_grow(void **state)
{
    struct fixture *f = *state;
    size_t bytes = 0;

    for (int round = 0; round < 20; round++) {
        for (int64_t seq = 0; seq < 1000; seq++) {
            char resource[64];
            snprintf(resource, sizeof(resource), "tenant/t1/sidedrawer/s%d/record",
                     (int)seq + round);
            put(f, seq, resource, WHS_ACTION_ANY);
        }
        assert_int_equal(whs_matcher_count(f->matcher), 1000);
        for (int64_t seq = 0; seq < 1000; seq++)
            assert_int_equal(whs_matcher_remove(f->matcher, seq), WHS_OK);
        assert_int_equal(whs_matcher_count(f->matcher), 0);
        if (round == 0)
            bytes = whs_matcher_bytes(f->matcher);
        assert_true(whs_matcher_bytes(f->matcher) <= bytes);
    }
}

static void
a_subscription_costs_at_most_150_bytes(void **state)
{
    struct fixture *f = *state;
    static const size_t counts[] = {1000, 3000, 10000, 20000, 50000};
    size_t count = 0;

    for (size_t i = 0; i < LEN(counts); i++) {
        for (; count < counts[i]; count++) {
            char resource[128];
            snprintf(resource, sizeof(resource),
                     "tenant/t%zu/sidedrawer/65f1a2b3c4d5e6f7%08zu/record", count % 100,
                     count);
            put(f, (int64_t)count, resource, WHS_ACTION_ANY);
        }
        /* Beside what an empty matcher and a slab cost. */
        assert_true(whs_matcher_bytes(f->matcher) <= 30000 + count * 150);
    }
}

/* --- Matches are the receiver's. --- */

static void
matches_are_appended_and_outlive_the_subscription(void **state)
{
    struct fixture *f = *state;
    struct whs_matches matches = {0};
    struct whs_slice path = whs_slice_of(RECORD);
    struct whs_subscriber *sub = put(f, 1, RECORDS, WHS_ACTION_ANY);

    for (size_t i = 1; i <= 40; i++) {
        assert_int_equal(whs_matcher_match(f->matcher, &path, 1, WHS_ACTION_UPDATE,
                                           LATE, &matches, NULL),
                         WHS_OK);
        assert_int_equal(matches.len, i);
    }
    assert_int_equal(whs_matcher_remove(f->matcher, 1), WHS_OK);
    assert_int_equal(handmade_refs(sub), 41);
    whs_matches_reset(&matches);
    assert_int_equal(handmade_refs(sub), 1);
    assert_int_equal(matches.len, 0);
    assert_true(matches.cap >= 40);
    whs_matches_fini(&matches);
    assert_null(matches.items);
}

static void
destroying_drops_every_reference(void **state)
{
    struct whs_catalog *catalog = sidedrawer_catalog();
    struct whs_matcher *matcher = create_matcher(catalog);
    struct whs_subscriber *subs[5];

    (void)state;
    for (int i = 0; i < 5; i++) {
        subs[i] = handmade_subscriber(i, i < 3 ? RECORDS : RECORD, WHS_ACTION_ANY, 0);
        assert_int_equal(whs_matcher_put(matcher, subs[i], NULL), WHS_OK);
    }
    whs_matcher_destroy(matcher);
    whs_catalog_unref(catalog);
    for (int i = 0; i < 5; i++)
        handmade_free(subs[i]);
    whs_matcher_destroy(NULL);
}

/* --- Without memory. --- */

static void
without_memory_there_is_no_matcher(void **state)
{
    struct whs_catalog *catalog = sidedrawer_catalog();

    (void)state;
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct fake_random fake = {1};
        struct whs_random random = fake_random_random(&fake);
        struct whs_matcher *matcher;
        enum whs_status status = whs_matcher_create(catalog, &random, &matcher);
        assert_int_equal(status, failing_alloc_happened() ? WHS_NO_MEMORY : WHS_OK);
        assert_int_equal(matcher == NULL, failing_alloc_happened());
        whs_matcher_destroy(matcher);
        failing_alloc_end();
    }
    whs_catalog_unref(catalog);
}

/* Everything that a put may need memory for: a first shape, a list's number, a larger
 * table, a block, a larger block, a larger map. What fails has changed nothing, and
 * works when it is done again. */
static void
a_put_without_memory_changes_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const resources[] = {
        RECORDS, RECORD, DRAWERS, "tenant/t1/sidedrawer/{sidedrawerId}/record"};
    bool expected[200] = {false};

    for (int64_t seq = 0; seq < 200; seq++) {
        char single[64];
        snprintf(single, sizeof(single), "tenant/t%d/sidedrawer", (int)seq);
        const char *resource = seq % 3 ? single : resources[seq / 3 % 4];
        struct whs_subscriber *sub = make(f, seq, resource, WHS_ACTION_ANY, 0);
        for (unsigned n = 1; failing_alloc_begin(n); n++) {
            enum whs_status status = whs_matcher_put(f->matcher, sub, NULL);
            bool happened = failing_alloc_happened();
            failing_alloc_end();
            assert_true(status == WHS_OK || (status == WHS_NO_MEMORY && happened));
            expected[seq] = status == WHS_OK;
            assert_int_equal(whs_matcher_count(f->matcher),
                             (size_t)seq + expected[seq]);
            struct whs_subscriber *found = whs_matcher_find(f->matcher, seq);
            assert_ptr_equal(found, expected[seq] ? sub : NULL);
            whs_subscriber_unref(found);
            assert_int_equal(handmade_refs(sub), expected[seq] ? 2 : 1);
            assert_int_equal(whs_matcher_remove(f->matcher, seq),
                             expected[seq] ? WHS_OK : WHS_NOT_FOUND);
            assert_int_equal(handmade_refs(sub), 1);
        }
        assert_int_equal(whs_matcher_put(f->matcher, sub, NULL), WHS_OK);
    }
    /* 0, 12, 24, … record; 3, 15, … */
    size_t of[4] = {0};
    for (size_t seq = 0; seq < 200; seq += 3)
        of[seq / 3 % 4]++;
    assert_int_equal(count_hits(f, RECORD), of[0] + of[1] + of[3]);
    assert_int_equal(count_hits(f, "tenant/t1/sidedrawer/s1"), of[2] + 1);
}

static void
a_move_without_memory_leaves_it_where_it_was(void **state)
{
    struct fixture *f = *state;
    struct whs_subscriber *old = put(f, 1, RECORDS, WHS_ACTION_ANY);
    struct whs_subscriber *new = make(f, 1, DRAWERS, WHS_ACTION_CREATE, 0);
    unsigned failures = 0;

    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        enum whs_status status = whs_matcher_put(f->matcher, new, NULL);
        failing_alloc_end();
        assert_int_equal(whs_matcher_count(f->matcher), 1);
        if (status == WHS_OK)
            break;
        failures++;
        assert_int_equal(status, WHS_NO_MEMORY);
        assert_int_equal(handmade_refs(old), 2);
        assert_int_equal(handmade_refs(new), 1);
        assert_string_equal(hears(f, RECORD, WHS_ACTION_CREATE), "1");
        assert_string_equal(hears(f, "tenant/t1/sidedrawer/s1", WHS_ACTION_CREATE), "");
    }
    assert_true(failures > 0);
    assert_int_equal(handmade_refs(old), 1);
    assert_string_equal(hears(f, RECORD, WHS_ACTION_CREATE), "");
    assert_string_equal(hears(f, "tenant/t1/sidedrawer/s1", WHS_ACTION_CREATE), "1");
}

/* Tidying up may want memory; without it nothing is lost but the tidiness. */
static void
removing_never_fails_for_memory(void **state)
{
    struct fixture *f = *state;

    for (int64_t seq = 0; seq < 300; seq++) {
        char single[64];
        snprintf(single, sizeof(single), "tenant/t%d/sidedrawer", (int)seq);
        put(f, seq, seq % 2 ? RECORDS : single, WHS_ACTION_ANY);
    }
    for (int64_t seq = 0; seq < 300; seq++) {
        assert_true(failing_alloc_begin(1));
        assert_int_equal(whs_matcher_remove(f->matcher, seq), WHS_OK);
        failing_alloc_end();
        assert_int_equal(count_hits(f, RECORD), 150 - (seq + 1) / 2);
    }
    assert_int_equal(whs_matcher_count(f->matcher), 0);
}

static void
a_match_without_memory_appends_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {"tenant/t1/sidedrawer/s1/network/n1",
                                        "tenant/t1/network/auth0|1"};
    struct whs_slice paths[] = {whs_slice_of(texts[0]), whs_slice_of(texts[1])};
    struct whs_slice first = whs_slice_of(RECORD);

    put(f, 1, RECORDS, WHS_ACTION_ANY);
    for (int64_t seq = 2; seq < 60; seq++)
        put(f, seq, seq % 2 ? "tenant/t1/sidedrawer/s1/network" : texts[1],
            WHS_ACTION_ANY);
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_matches matches = {0};
        size_t before = 0;
        if (whs_matcher_match(f->matcher, &first, 1, WHS_ACTION_UPDATE, LATE, &matches,
                              NULL) == WHS_OK)
            before = 1;
        assert_int_equal(matches.len, before);
        enum whs_status status = whs_matcher_match(
            f->matcher, paths, 2, WHS_ACTION_UPDATE, LATE, &matches, NULL);
        failing_alloc_end();
        assert_int_equal(matches.len, before + (status == WHS_OK ? 58 : 0));
        whs_matches_fini(&matches);
        for (size_t i = 0; i < f->count; i++)
            assert_int_equal(handmade_refs(f->subs[i]), 2);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_matcher_matches_nobody),
        TEST(each_row_hears_its_entities_with_its_actions),
        TEST(one_action_hears_only_that_action),
        TEST(unbound_parameters_hear_every_value),
        TEST(many_may_ask_for_the_same),
        TEST(an_event_is_heard_by_those_created_at_or_before_its_revision),
        TEST(each_hears_an_event_once_by_its_first_path),
        TEST(one_row_met_by_two_entities_is_heard_once),
        TEST(the_same_path_twice_changes_nothing),
        TEST(a_wrong_event_is_refused_and_appends_nothing),
        TEST(a_subscriber_of_an_unknown_resource_is_refused),
        TEST(a_removed_one_hears_nothing_more),
        TEST(a_put_with_a_known_seq_replaces),
        TEST(putting_the_very_same_one_again_keeps_it),
        TEST(the_live_one_is_found_by_seq),
        TEST(a_list_outlives_the_member_whose_text_it_has),
        TEST(a_hub_grows_shrinks_and_keeps_everybody),
        TEST(coming_and_going_does_not_grow),
        TEST(a_subscription_costs_at_most_150_bytes),
        TEST(matches_are_appended_and_outlive_the_subscription),
        cmocka_unit_test(destroying_drops_every_reference),
        cmocka_unit_test(without_memory_there_is_no_matcher),
        TEST(a_put_without_memory_changes_nothing),
        TEST(a_move_without_memory_leaves_it_where_it_was),
        TEST(removing_never_fails_for_memory),
        TEST(a_match_without_memory_appends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
