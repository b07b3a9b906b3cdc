/* SPDX-License-Identifier: MIT
 *
 * event, fanout: copied whole, shared, and gone with the last who needs them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "fanout.h"
#include "world.h"

static const struct whs_slice paths[] = {{"tenant/t1/sidedrawer/s1", 23},
                                         {"tenant/t1/sidedrawer/s2", 23}};

static struct whs_event
describe(struct whs_slice open_id, struct whs_slice data)
{
    return (struct whs_event){.seq = 7,
                              .id = {1, 2, 3},
                              .action = WHS_ACTION_DELETE,
                              .published_at_ms = 99,
                              .revision = 5,
                              .open_id = open_id,
                              .data = data,
                              .path_count = 2};
}

static void
an_event_is_a_copy_of_everything(void **state)
{
    (void)state;
    char data[] = "{\"n\":1}", open_id[] = "o1";
    struct whs_event from = describe(whs_slice_of(open_id), whs_slice_of(data));
    struct whs_event *event = whs_event_create(&from, paths);
    memset(data, 'x', sizeof(data));
    memset(open_id, 'x', sizeof(open_id));
    assert_true(event->seq == 7 && event->published_at_ms == 99 &&
                event->revision == 5);
    assert_int_equal(event->action, WHS_ACTION_DELETE);
    assert_memory_equal(event->id, from.id, sizeof(from.id));
    assert_true(whs_slice_equal(event->data, WHS_SLICE("{\"n\":1}")));
    assert_true(whs_slice_equal(event->open_id, WHS_SLICE("o1")));
    assert_int_equal(event->path_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(whs_slice_equal(event->paths[i], paths[i]));
        assert_ptr_not_equal(event->paths[i].ptr, paths[i].ptr);
    }
    whs_event_unref(event);
}

static void
absent_stays_absent_and_empty_stays_empty(void **state)
{
    (void)state;
    struct whs_event from = describe((struct whs_slice){0}, WHS_SLICE(""));
    struct whs_event *event = whs_event_create(&from, paths);
    assert_null(event->open_id.ptr);
    assert_non_null(event->data.ptr);
    assert_int_equal(event->data.len, 0);
    whs_event_unref(event);
}

static void
an_event_weighs_what_it_holds(void **state)
{
    (void)state;
    struct whs_event light = describe((struct whs_slice){0}, WHS_SLICE("0"));
    struct whs_event heavy = describe(WHS_SLICE("abc"), WHS_SLICE("0123456789"));
    struct whs_event *a = whs_event_create(&light, paths);
    struct whs_event *b = whs_event_create(&heavy, paths);
    assert_int_equal(whs_event_bytes(b) - whs_event_bytes(a), 12);
    assert_true(whs_event_bytes(a) >=
                sizeof(*a) + 2 * (sizeof(struct whs_slice) + paths[0].len) + 1);
    whs_event_unref(a);
    whs_event_unref(b);
}

/* Who stores them again may still hold those of the first time. */
static void
what_has_a_number_gets_another_in_a_copy(void **state)
{
    (void)state;
    struct whs_event from = describe(WHS_SLICE("o"), WHS_SLICE("{}"));
    from.seq = 0;
    struct whs_event *event = whs_event_create(&from, paths);
    struct whs_event *first = whs_event_number(event, 8, 100, 6);
    assert_ptr_equal(first, event);
    assert_true(event->seq == 8 && event->published_at_ms == 100 &&
                event->revision == 6);
    struct whs_event *second = whs_event_number(event, 9, 200, 7);
    assert_ptr_not_equal(second, event);
    assert_true(event->seq == 8 && second->seq == 9 && second->revision == 7);
    assert_true(whs_slice_equal(second->data, event->data));
    assert_ptr_not_equal(second->data.ptr, event->data.ptr);
    whs_event_unref(event);
    whs_event_unref(first);
    whs_event_unref(second);
}

/* The sanitizers see the rest. */
static void
the_last_reference_frees_it(void **state)
{
    (void)state;
    struct whs_event *event = world_event(1, "t1", "{}");
    assert_ptr_equal(whs_event_ref(event), event);
    whs_event_unref(event);
    assert_true(whs_slice_equal(event->data, WHS_SLICE("{}")));
    whs_event_unref(event);
    whs_event_unref(NULL);
}

/* --- Fan-outs. --- */

#define MATCHES 3

static struct whs_fanout *
make_fanout(struct whs_event *event, struct whs_subscriber **subs)
{
    struct whs_match matches[MATCHES];
    for (int i = 0; i < MATCHES; i++)
        matches[i] =
            (struct whs_match){.sub = whs_subscriber_ref(subs[i]), .path = (uint8_t)i};
    struct whs_fanout *fanout = whs_fanout_create(event, matches, MATCHES);
    if (!fanout)
        for (int i = 0; i < MATCHES; i++)
            whs_subscriber_unref(matches[i].sub);
    return fanout;
}

static void
make_subs(struct whs_subscriber **subs)
{
    for (int i = 0; i < MATCHES; i++)
        subs[i] = world_subscriber(&(struct world_sub){.seq = i + 1});
}

/* Each must be the caller's alone again. */
static void
free_subs(struct whs_subscriber **subs)
{
    for (int i = 0; i < MATCHES; i++) {
        assert_int_equal(atomic_load(&subs[i]->refs), 1);
        whs_subscriber_unref(subs[i]);
    }
}

static void
a_fanout_ends_with_its_last_delivery_in_any_order(void **state)
{
    (void)state;
    static const int orders[][MATCHES] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}};
    struct whs_subscriber *subs[MATCHES];
    make_subs(subs);
    for (size_t o = 0; o < sizeof(orders) / sizeof(orders[0]); o++) {
        struct whs_event *event = world_event(1, "t1", "{}");
        struct whs_fanout *fanout = make_fanout(event, subs);
        size_t bytes = fanout->bytes;
        whs_event_unref(event);
        assert_true(bytes > whs_event_bytes(fanout->event));
        for (int i = 0; i < MATCHES; i++) {
            struct whs_delivery *dlv = &fanout->deliveries[orders[o][i]];
            assert_int_equal(dlv->path, orders[o][i]);
            assert_int_equal(whs_delivery_is_last(dlv), i == MATCHES - 1);
            assert_int_equal(whs_delivery_drop(dlv), i == MATCHES - 1 ? bytes : 0);
        }
    }
    free_subs(subs);
}

static void
destroying_drops_what_was_not_linked(void **state)
{
    (void)state;
    struct whs_subscriber *subs[MATCHES];
    make_subs(subs);
    for (size_t linked = 0; linked <= MATCHES; linked++) {
        struct whs_event *event = world_event(1, "t1", "{}");
        struct whs_fanout *fanout = make_fanout(event, subs);
        fanout->linked = linked;
        for (size_t i = 1; i < linked; i++)
            whs_delivery_drop(&fanout->deliveries[i]);
        whs_fanout_destroy(fanout);
        if (linked > 0) {
            assert_int_equal(fanout->undropped, 1);
            whs_delivery_drop(&fanout->deliveries[0]);
        }
        whs_event_unref(event);
    }
    free_subs(subs);
}

static void
without_memory_nothing_is_made_or_taken(void **state)
{
    (void)state;
    struct whs_subscriber *subs[MATCHES];
    struct whs_event from = describe(WHS_SLICE("o"), WHS_SLICE("{}"));
    make_subs(subs);
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_event *event = whs_event_create(&from, paths);
        struct whs_fanout *fanout = event ? make_fanout(event, subs) : NULL;
        assert_int_equal(fanout != NULL, !failing_alloc_happened());
        if (event)
            assert_int_equal(atomic_load(&event->refs), fanout ? 2 : 1);
        if (fanout)
            whs_fanout_destroy(fanout);
        whs_event_unref(event);
        failing_alloc_end();
    }
    free_subs(subs);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_a_copy_of_everything),
        cmocka_unit_test(absent_stays_absent_and_empty_stays_empty),
        cmocka_unit_test(an_event_weighs_what_it_holds),
        cmocka_unit_test(what_has_a_number_gets_another_in_a_copy),
        cmocka_unit_test(the_last_reference_frees_it),
        cmocka_unit_test(a_fanout_ends_with_its_last_delivery_in_any_order),
        cmocka_unit_test(destroying_drops_what_was_not_linked),
        cmocka_unit_test(without_memory_nothing_is_made_or_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
