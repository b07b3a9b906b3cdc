/* SPDX-License-Identifier: MIT
 *
 * trie, nearest: against a look at every template, on random ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "fake_clock.h"
#include "nearest.h"
#include "trie.h"

#define TEMPLATES 40

/* "a/{p0}/b/{p1}": a root of literal and parameter, then up to three more segments. */
static void
make_template(struct fake_random *random, char *text, size_t cap)
{
    int parameters = 0;
    size_t len = (size_t)snprintf(
        text, cap, "%c/{p%d}", 'a' + (int)fake_random_below(random, 2), parameters++);
    for (uint64_t more = fake_random_below(random, 4); more > 0; more--) {
        if (fake_random_below(random, 2))
            len += (size_t)snprintf(text + len, cap - len, "/{p%d}", parameters++);
        else
            len += (size_t)snprintf(text + len, cap - len, "/%c",
                                    'a' + (int)fake_random_below(random, 3));
    }
}

static void
make_path(struct fake_random *random, char *text, size_t cap)
{
    size_t len =
        (size_t)snprintf(text, cap, "%c", 'a' + (int)fake_random_below(random, 2));
    for (uint64_t more = fake_random_below(random, 5); more > 0; more--)
        len += (size_t)snprintf(text + len, cap - len, "/%c",
                                'a' + (int)fake_random_below(random, 5));
}

static bool
fits(const struct whs_pattern *pattern, const struct whs_segment *segments,
     uint8_t count)
{
    if (pattern->segment_count != count)
        return false;
    for (uint8_t i = 0; i < count; i++)
        if (!pattern->segments[i].is_parameter &&
            !whs_slice_equal(pattern->segments[i].text, segments[i].text))
            return false;
    return true;
}

/* The first difference between two that fit one path is a literal in one of them. */
static bool
goes_before(const struct whs_pattern *a, const struct whs_pattern *b)
{
    for (uint8_t i = 0; i < a->segment_count; i++)
        if (a->segments[i].is_parameter != b->segments[i].is_parameter)
            return b->segments[i].is_parameter;
    return false;
}

static bool
is_same(const struct whs_pattern *a, const struct whs_pattern *b)
{
    if (a->segment_count != b->segment_count)
        return false;
    for (uint8_t i = 0; i < a->segment_count; i++)
        if (a->segments[i].is_parameter != b->segments[i].is_parameter ||
            (!a->segments[i].is_parameter &&
             !whs_slice_equal(a->segments[i].text, b->segments[i].text)))
            return false;
    return true;
}

struct forest {
    struct whs_pattern patterns[TEMPLATES];
    uint16_t count;
    struct whs_trie trie;
};

static void
plant(struct forest *forest, struct fake_random *random)
{
    *forest = (struct forest){0};
    for (int i = 0; i < TEMPLATES; i++) {
        char text[64];
        uint16_t found, expected = forest->count;
        struct whs_pattern *pattern = &forest->patterns[forest->count];
        make_template(random, text, sizeof(text));
        assert_int_equal(whs_pattern_parse(whs_slice_of(text), pattern, NULL), WHS_OK);
        for (uint16_t j = 0; j < forest->count && expected == forest->count; j++)
            if (is_same(&forest->patterns[j], pattern))
                expected = j;
        assert_int_equal(whs_trie_add(&forest->trie, pattern, forest->count, &found),
                         WHS_OK);
        assert_int_equal(found, expected);
        if (found == forest->count)
            forest->count++;
        else
            whs_pattern_fini(pattern);
    }
}

static void
cut_down(struct forest *forest)
{
    whs_trie_fini(&forest->trie);
    for (uint16_t i = 0; i < forest->count; i++)
        whs_pattern_fini(&forest->patterns[i]);
}

static void
a_path_finds_the_template_that_a_scan_would_choose(void **state)
{
    (void)state;
    struct fake_random random = {6};
    struct forest forest;
    int hits = 0;
    for (int round = 0; round < 50; round++) {
        plant(&forest, &random);
        for (int i = 0; i < 200; i++) {
            char text[64];
            struct whs_segment segments[WHS_SEGMENTS_MAX];
            uint8_t count;
            uint16_t wanted = WHS_TRIE_NONE;
            make_path(&random, text, sizeof(text));
            assert_int_equal(whs_path_split(whs_slice_of(text), segments, &count, NULL),
                             WHS_OK);
            for (uint16_t j = 0; j < forest.count; j++)
                if (fits(&forest.patterns[j], segments, count) &&
                    (wanted == WHS_TRIE_NONE ||
                     goes_before(&forest.patterns[j], &forest.patterns[wanted])))
                    wanted = j;
            assert_int_equal(
                whs_trie_find(&forest.trie, forest.patterns, segments, count), wanted);
            hits += wanted != WHS_TRIE_NONE;
        }
        cut_down(&forest);
    }
    assert_in_range(hits, 1000, 9000);
}

static void
an_empty_trie_fits_nothing(void **state)
{
    (void)state;
    struct whs_trie trie = {0};
    struct whs_segment segments[WHS_SEGMENTS_MAX];
    uint8_t count;
    assert_int_equal(whs_path_split(WHS_SLICE("a/b"), segments, &count, NULL), WHS_OK);
    assert_int_equal(whs_trie_find(&trie, NULL, segments, count), WHS_TRIE_NONE);
    whs_trie_fini(&trie);
}

static void
without_memory_a_template_is_not_half_there(void **state)
{
    (void)state;
    struct whs_pattern patterns[2];
    struct whs_segment segments[WHS_SEGMENTS_MAX];
    uint8_t count;
    uint16_t found;
    assert_int_equal(whs_pattern_parse(WHS_SLICE("a/{b}"), &patterns[0], NULL), WHS_OK);
    assert_int_equal(
        whs_pattern_parse(WHS_SLICE("a/{b}/c/{d}/e/{f}/g/{h}"), &patterns[1], NULL),
        WHS_OK);
    assert_int_equal(
        whs_path_split(WHS_SLICE("a/1/c/2/e/3/g/4"), segments, &count, NULL), WHS_OK);
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_trie trie = {0};
        enum whs_status first = whs_trie_add(&trie, &patterns[0], 0, &found);
        enum whs_status second = whs_trie_add(&trie, &patterns[1], 1, &found);
        assert_int_equal(first != WHS_OK || second != WHS_OK, failing_alloc_happened());
        assert_int_equal(whs_trie_find(&trie, patterns, segments, count),
                         second == WHS_OK ? 1 : WHS_TRIE_NONE);
        if (first == WHS_OK)
            assert_int_equal(whs_trie_find(&trie, patterns, segments, 2), 0);
        whs_trie_fini(&trie);
        failing_alloc_end();
    }
    whs_pattern_fini(&patterns[0]);
    whs_pattern_fini(&patterns[1]);
}

static void
the_nearest_is_the_one_that_was_meant(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "tenant/{t}/sidedrawer",
        "tenant/{t}/sidedrawer/{s}",
        "tenant/{t}/sidedrawer/{s}/record",
        "tenant/{t}/sidedrawer/{s}/record/{r}",
        "tenant/{t}/network",
        "subscription/{s}/license",
    };
    static const struct {
        const char *path;
        uint16_t nearest;
    } rows[] = {
        {"tenant/acme/sidedrawer", 0},
        {"tenant/acme/sidedrawers", 0},
        {"tenant/acme/sidedrawer/s1/records", 2},
        {"tenant/acme/sidedrawer/s1/recrod/r1", 3},
        {"tenants/acme/sidedrawer/s1", 1},
        {"tenant/acme/netwrk", 4},
        {"subscriptions/s/licence", 5},
        {"license", 0},
    };
    struct whs_pattern patterns[6];
    for (int i = 0; i < 6; i++)
        assert_int_equal(whs_pattern_parse(whs_slice_of(texts[i]), &patterns[i], NULL),
                         WHS_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct whs_segment segments[WHS_SEGMENTS_MAX];
        uint8_t count;
        assert_int_equal(
            whs_path_split(whs_slice_of(rows[i].path), segments, &count, NULL), WHS_OK);
        uint16_t nearest = whs_nearest_find(patterns, 6, segments, count);
        if (nearest != rows[i].nearest)
            fail_msg("%s is said to be nearest to %s", rows[i].path, texts[nearest]);
    }
    for (int i = 0; i < 6; i++)
        whs_pattern_fini(&patterns[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_finds_the_template_that_a_scan_would_choose),
        cmocka_unit_test(an_empty_trie_fits_nothing),
        cmocka_unit_test(without_memory_a_template_is_not_half_there),
        cmocka_unit_test(the_nearest_is_the_one_that_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
