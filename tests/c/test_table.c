/* SPDX-License-Identifier: MIT
 *
 * table, list, seqmap: what holds things together, against the simplest thing that
 * could do the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "fake_clock.h"
#include "handmade.h"
#include "list.h"
#include "seqmap.h"
#include "table.h"

#define THINGS 2000

/* --- table --- */

struct thing {
    struct whs_entry entry;
    bool held;
};

static bool
holds(const struct whs_table *table, const struct thing *thing, uint64_t hash)
{
    for (struct whs_entry *each = whs_table_chain(table, hash); each; each = each->next)
        if (each == &thing->entry)
            return true;
    return false;
}

/* Few hashes, so that chains are long, or all different. */
static void
check_table(uint64_t hashes)
{
    static struct thing things[THINGS];
    struct fake_random random = {hashes};
    struct whs_table table;
    size_t len = 0;
    assert_true(whs_table_init(&table));
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)fake_random_below(&random, THINGS);
        uint64_t hash = n % hashes * UINT64_C(0x9e3779b97f4a7c15);
        assert_int_equal(holds(&table, &things[n], hash), things[n].held);
        if (things[n].held)
            whs_table_remove(&table, &things[n].entry);
        else
            whs_table_add(&table, &things[n].entry, hash);
        things[n].held = !things[n].held;
        len = things[n].held ? len + 1 : len - 1;
        assert_int_equal(table.len, len);
    }
    for (size_t n = 0; n < THINGS; n++) {
        assert_int_equal(
            holds(&table, &things[n], n % hashes * UINT64_C(0x9e3779b97f4a7c15)),
            things[n].held);
        things[n].held = false;
    }
    whs_table_fini(&table);
}

static void
a_table_holds_what_was_added_and_not_removed(void **state)
{
    (void)state;
    check_table(3);
    check_table(THINGS);
}

static void
a_table_that_cannot_grow_keeps_working(void **state)
{
    (void)state;
    static struct thing things[THINGS];
    struct whs_table table;
    assert_true(failing_alloc_begin(1));
    assert_false(whs_table_init(&table));
    failing_alloc_end();
    whs_table_fini(&table);
    assert_true(whs_table_init(&table));
    size_t mask = table.mask;
    for (size_t n = 0; n < THINGS; n++) {
        assert_true(failing_alloc_begin(1));
        whs_table_add(&table, &things[n].entry, n);
        failing_alloc_end();
    }
    assert_int_equal(table.mask, mask);
    for (size_t n = 0; n < THINGS; n++)
        assert_true(holds(&table, &things[n], n));
    whs_table_remove(&table, &things[0].entry);
    whs_table_add(&table, &things[0].entry, 0);
    assert_true(table.mask > mask);
    for (size_t n = 0; n < THINGS; n++)
        assert_true(holds(&table, &things[n], n));
    whs_table_fini(&table);
}

/* --- list --- */

static void
a_list_keeps_the_order_and_lets_anything_leave(void **state)
{
    (void)state;
    struct whs_link head, links[5];
    whs_link_init(&head);
    assert_null(whs_list_first(&head));
    assert_true(whs_link_is_alone(&head));
    for (int i = 0; i < 5; i++) {
        whs_link_init(&links[i]);
        whs_list_append(&head, &links[i]);
    }
    static const int leaving[] = {2, 0, 4};
    for (int i = 0; i < 3; i++) {
        whs_list_remove(&links[leaving[i]]);
        assert_true(whs_link_is_alone(&links[leaving[i]]));
    }
    whs_list_remove(&links[2]);
    assert_ptr_equal(whs_list_first(&head), &links[1]);
    assert_ptr_equal(links[1].next, &links[3]);
    assert_ptr_equal(links[3].next, &head);
    assert_ptr_equal(head.prev, &links[3]);
    assert_ptr_equal(whs_list_first(&head), &links[1]);
}

static void
taking_the_first_to_the_end_goes_round(void **state)
{
    (void)state;
    struct member {
        int number;
        struct whs_link link;
    } members[3];
    struct whs_link head;
    whs_link_init(&head);
    for (int i = 0; i < 3; i++) {
        members[i].number = i;
        whs_link_init(&members[i].link);
        whs_list_append(&head, &members[i].link);
    }
    for (int turn = 0; turn < 9; turn++) {
        struct whs_link *link = whs_list_first(&head);
        assert_int_equal(WHS_HOLDER(link, struct member, link)->number, turn % 3);
        whs_list_remove(link);
        whs_list_append(&head, link);
    }
}

/* --- seqmap --- */

#define SEQS 500

static void
a_seqmap_finds_whoever_is_in_it(void **state)
{
    (void)state;
    struct whs_subscriber *subs[SEQS];
    bool in[SEQS] = {false};
    struct whs_seqmap map = {0};
    struct fake_random random = {4};
    for (int i = 0; i < SEQS; i++)
        subs[i] = handmade_subscriber(i * INT64_C(1000003) - 5, "r", WHS_ACTION_ANY, 0);
    assert_null(whs_seqmap_find(&map, 1));
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)fake_random_below(&random, SEQS);
        struct whs_seqmap_entry *entry = whs_seqmap_find(&map, subs[n]->seq);
        assert_int_equal(entry != NULL, in[n]);
        if (entry) {
            assert_ptr_equal(entry->sub, subs[n]);
            assert_int_equal(entry->place.list, n);
            whs_seqmap_remove(&map, subs[n]->seq);
        } else {
            assert_true(whs_seqmap_reserve(&map));
            whs_seqmap_add(&map, (struct whs_seqmap_entry){subs[n], {(uint32_t)n, 0}});
        }
        in[n] = !in[n];
    }
    for (int n = 0; n < SEQS; n++)
        assert_int_equal(whs_seqmap_find(&map, subs[n]->seq) != NULL, in[n]);
    whs_seqmap_fini(&map);
    for (int i = 0; i < SEQS; i++)
        handmade_free(subs[i]);
}

static void
a_seqmap_without_memory_stays_as_it_is(void **state)
{
    (void)state;
    struct whs_seqmap map = {0};
    struct whs_subscriber *subs[100];
    for (int i = 0; i < 100; i++) {
        subs[i] = handmade_subscriber(i, "r", WHS_ACTION_ANY, 0);
        assert_true(failing_alloc_begin(1));
        bool reserved = whs_seqmap_reserve(&map);
        assert_int_equal(reserved, !failing_alloc_happened());
        failing_alloc_end();
        for (int j = 0; j < i; j++)
            assert_ptr_equal(whs_seqmap_find(&map, j)->sub, subs[j]);
        assert_true(whs_seqmap_reserve(&map));
        whs_seqmap_add(&map, (struct whs_seqmap_entry){.sub = subs[i]});
    }
    assert_true(whs_seqmap_bytes(&map) >= 100 * sizeof(struct whs_seqmap_entry));
    whs_seqmap_fini(&map);
    for (int i = 0; i < 100; i++)
        handmade_free(subs[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_holds_what_was_added_and_not_removed),
        cmocka_unit_test(a_table_that_cannot_grow_keeps_working),
        cmocka_unit_test(a_list_keeps_the_order_and_lets_anything_leave),
        cmocka_unit_test(taking_the_first_to_the_end_goes_round),
        cmocka_unit_test(a_seqmap_finds_whoever_is_in_it),
        cmocka_unit_test(a_seqmap_without_memory_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
