/* SPDX-License-Identifier: MIT
 *
 * outbox: in order, found by seq whatever is missing, and no larger than what is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "outbox.h"
#include "world.h"

static void
add(struct whs_outbox *outbox, int64_t seq)
{
    struct whs_event *event = world_event(seq, "t1", "{}");
    assert_true(whs_outbox_reserve(outbox, 1));
    whs_outbox_add(outbox, event);
    whs_event_unref(event);
}

static bool
take(struct whs_outbox *outbox, int64_t seq)
{
    struct whs_event *event = whs_outbox_take(outbox, seq);
    if (!event)
        return false;
    assert_int_equal(event->seq, seq);
    assert_int_equal(atomic_load(&event->refs), 1);
    whs_event_unref(event);
    return true;
}

static bool
has(const struct whs_outbox *outbox, int64_t seq)
{
    const struct whs_event *event = whs_outbox_find(outbox, seq);
    assert_true(!event || event->seq == seq);
    return event != NULL;
}

static void
an_empty_outbox_has_nothing(void **state)
{
    (void)state;
    struct whs_outbox outbox = {0};
    assert_false(has(&outbox, 1));
    assert_false(take(&outbox, 0));
    whs_outbox_fini(&outbox);
}

static void
each_is_found_by_its_seq_until_it_leaves(void **state)
{
    (void)state;
    struct whs_outbox outbox = {0};
    for (int64_t seq = 5; seq <= 9; seq++)
        add(&outbox, seq);
    for (int64_t seq = 0; seq < 15; seq++)
        assert_int_equal(has(&outbox, seq), seq >= 5 && seq <= 9);
    assert_int_equal(outbox.count, 5);
    assert_int_equal(outbox.data_bytes, 10);
    assert_true(take(&outbox, 7));
    assert_false(take(&outbox, 7));
    assert_false(has(&outbox, 7));
    assert_int_equal(outbox.count, 4);
    assert_int_equal(outbox.data_bytes, 8);
    whs_outbox_fini(&outbox);
}

static void
the_first_entry_is_always_one_that_is_there(void **state)
{
    (void)state;
    struct whs_outbox outbox = {0};
    for (int64_t seq = 1; seq <= 4; seq++)
        add(&outbox, seq);
    assert_true(take(&outbox, 2));
    assert_int_equal(outbox.entries[outbox.start].seq, 1);
    assert_true(take(&outbox, 1));
    assert_int_equal(outbox.entries[outbox.start].seq, 3);
    assert_true(take(&outbox, 4));
    assert_int_equal(outbox.entries[outbox.start].seq, 3);
    whs_outbox_fini(&outbox);
}

/* Against a plain array of what is there. */
static void
whatever_comes_and_goes_it_knows_what_is_there(void **state)
{
    (void)state;
    enum { SEQS = 3000 };
    static bool there[SEQS];
    struct whs_outbox outbox = {0};
    int64_t next = 1;
    size_t count = 0;
    srand(7);
    while (next < SEQS - 8) {
        next += rand() % 4 == 0 ? rand() % 5 : 0; /* another took some numbers */
        add(&outbox, next);
        there[next++] = true;
        count++;
        for (int n = rand() % 4; n > 0; n--) {
            int64_t seq = rand() % 3 ? next - rand() % 12 : 1 + rand() % next;
            bool taken = seq > 0 && take(&outbox, seq);
            assert_int_equal(taken, seq > 0 && there[seq]);
            if (taken) {
                there[seq] = false;
                count--;
            }
        }
        assert_int_equal(outbox.count, count);
        assert_int_equal(outbox.data_bytes, 2 * count);
        assert_true(outbox.end - outbox.start >= count && outbox.end <= outbox.cap);
    }
    for (int64_t seq = 0; seq < SEQS; seq++)
        assert_int_equal(has(&outbox, seq), there[seq]);
    whs_outbox_fini(&outbox);
}

static void
one_that_stays_keeps_no_room_of_those_that_left(void **state)
{
    (void)state;
    struct whs_outbox outbox = {0};
    add(&outbox, 1);
    for (int64_t seq = 2; seq < 100000; seq++) {
        add(&outbox, seq);
        assert_true(take(&outbox, seq));
    }
    assert_true(has(&outbox, 1));
    assert_true(outbox.cap <= 256);
    whs_outbox_fini(&outbox);
}

static void
an_empty_outbox_gives_its_room_back(void **state)
{
    (void)state;
    struct whs_outbox outbox = {0};
    for (int64_t seq = 1; seq <= 10000; seq++)
        add(&outbox, seq);
    assert_true(outbox.cap >= 10000);
    for (int64_t seq = 10000; seq >= 1; seq--)
        assert_true(take(&outbox, seq));
    assert_int_equal(outbox.cap, 0);
    add(&outbox, 10001);
    assert_true(has(&outbox, 10001));
    whs_outbox_fini(&outbox);
}

static void
without_memory_it_stays_as_it_was(void **state)
{
    (void)state;
    struct whs_outbox outbox = {0};
    add(&outbox, 1);
    failing_alloc_begin(1);
    assert_false(whs_outbox_reserve(&outbox, 1000));
    failing_alloc_end();
    assert_true(has(&outbox, 1));
    whs_outbox_fini(&outbox);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_outbox_has_nothing),
        cmocka_unit_test(each_is_found_by_its_seq_until_it_leaves),
        cmocka_unit_test(the_first_entry_is_always_one_that_is_there),
        cmocka_unit_test(whatever_comes_and_goes_it_knows_what_is_there),
        cmocka_unit_test(one_that_stays_keeps_no_room_of_those_that_left),
        cmocka_unit_test(an_empty_outbox_gives_its_room_back),
        cmocka_unit_test(without_memory_it_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
