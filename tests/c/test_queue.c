/* SPDX-License-Identifier: MIT
 *
 * queue: refused only when it was over a limit before, everything taken in one order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "queue.h"
#include "world.h"

#define PLENTY (1 << 20)

static struct whs_fanout *
make_fanout(int64_t seq, size_t count, const char *data)
{
    struct whs_match matches[16];
    struct whs_event *event = world_event(seq, "t1", data);
    for (size_t i = 0; i < count; i++)
        matches[i] = (struct whs_match){
            world_subscriber(&(struct world_sub){.seq = (int64_t)i + 1}), 0};
    struct whs_fanout *fanout = whs_fanout_create(event, matches, count);
    assert_non_null(fanout);
    whs_event_unref(event);
    return fanout;
}

static void
the_last_delivery_dropped_frees_the_fan_out(void **state)
{
    (void)state;
    struct whs_fanout *fanout = make_fanout(1, 3, "{}");
    size_t bytes = fanout->bytes;
    assert_true(bytes >= sizeof(*fanout) + 3 * sizeof(struct whs_delivery));
    assert_false(whs_delivery_is_last(&fanout->deliveries[2]));
    assert_int_equal(whs_delivery_drop(&fanout->deliveries[2]), 0);
    assert_int_equal(whs_delivery_drop(&fanout->deliveries[0]), 0);
    assert_true(whs_delivery_is_last(&fanout->deliveries[1]));
    assert_int_equal(whs_delivery_drop(&fanout->deliveries[1]), bytes);
}

static void
a_queued_fan_out_weighs_its_event_and_nodes_not_its_bodies(void **state)
{
    (void)state;
    static char data[10001];
    memset(data, '1', sizeof(data) - 1);
    struct whs_fanout *fanout = make_fanout(1, 10, data);
    /* Ten bodies would be ten times the data. */
    assert_in_range(fanout->bytes, 10000, 12000);
    whs_fanout_destroy(fanout);
}

static void
one_hub_may_overfill_it_and_the_next_is_refused(void **state)
{
    (void)state;
    struct whs_queue queue;
    whs_queue_init(&queue, 4, PLENTY);
    struct whs_fanout *small = make_fanout(1, 3, NULL), *hub = make_fanout(2, 10, NULL),
                      *late = make_fanout(3, 1, NULL);
    assert_int_equal(whs_queue_push(&queue, &small->item), WHS_OK);
    assert_int_equal(whs_queue_push(&queue, &hub->item), WHS_OK);
    assert_true(whs_queue_is_full(&queue));
    assert_int_equal(whs_queue_push(&queue, &late->item), WHS_FULL);

    whs_queue_release(&queue, 10, 0);
    assert_int_equal(whs_queue_push(&queue, &late->item), WHS_OK);
    assert_true(whs_queue_is_full(&queue));
    whs_queue_fini(&queue);
}

static void
bytes_are_a_limit_of_their_own(void **state)
{
    (void)state;
    struct whs_queue queue;
    struct whs_fanout *a = make_fanout(1, 1, "{}"), *b = make_fanout(2, 1, "{}");
    whs_queue_init(&queue, 100, (int64_t)a->bytes);
    assert_int_equal(whs_queue_push(&queue, &a->item), WHS_OK);
    assert_int_equal(whs_queue_push(&queue, &b->item), WHS_FULL);
    whs_queue_release(&queue, 0, a->bytes);
    assert_int_equal(whs_queue_push(&queue, &b->item), WHS_OK);
    whs_queue_fini(&queue);
}

static void
everything_is_taken_in_the_order_it_was_pushed(void **state)
{
    (void)state;
    struct whs_queue queue;
    whs_queue_init(&queue, 100, PLENTY);
    assert_true(whs_queue_is_empty(&queue));
    assert_null(whs_queue_take(&queue));
    struct whs_fanout *first = make_fanout(1, 1, NULL), *last = make_fanout(2, 1, NULL);
    assert_int_equal(whs_queue_push(&queue, &first->item), WHS_OK);
    assert_int_equal(whs_queue_push(&queue, whs_removal_create(7, true)), WHS_OK);
    assert_int_equal(whs_queue_push(&queue, &last->item), WHS_OK);

    struct whs_item *items = whs_queue_take(&queue);
    assert_true(whs_queue_is_empty(&queue));
    assert_ptr_equal(items->fanout, first);
    assert_null(items->next->fanout);
    assert_int_equal(items->next->seq, 7);
    assert_true(items->next->cancel);
    assert_ptr_equal(items->next->next->fanout, last);
    assert_null(items->next->next->next);
    while (items) {
        struct whs_item *next = items->next;
        whs_item_destroy(items);
        items = next;
    }
    whs_queue_fini(&queue);
}

static void
a_closed_queue_takes_nothing_more_and_gives_what_it_has(void **state)
{
    (void)state;
    struct whs_queue queue;
    whs_queue_init(&queue, 100, PLENTY);
    struct whs_fanout *early = make_fanout(1, 1, NULL), *late = make_fanout(2, 1, NULL);
    assert_int_equal(whs_queue_push(&queue, &early->item), WHS_OK);
    whs_queue_close(&queue);
    assert_int_equal(whs_queue_push(&queue, &late->item), WHS_CLOSED);
    whs_item_destroy(&late->item);
    struct whs_item *items = whs_queue_take(&queue);
    assert_ptr_equal(items->fanout, early);
    whs_item_destroy(items);
    whs_queue_fini(&queue);
}

static void
a_removal_is_never_refused_for_the_limits(void **state)
{
    (void)state;
    struct whs_queue queue;
    whs_queue_init(&queue, 0, 0);
    assert_true(whs_queue_is_full(&queue));
    assert_int_equal(whs_queue_push(&queue, whs_removal_create(1, false)), WHS_OK);
    whs_queue_fini(&queue);
}

static void
without_memory_the_matches_keep_their_references(void **state)
{
    (void)state;
    struct whs_event *event = world_event(1, "t1", "{}");
    struct whs_subscriber *sub = world_subscriber(&(struct world_sub){.seq = 1});
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_match match = {whs_subscriber_ref(sub), 0};
        struct whs_fanout *fanout = whs_fanout_create(event, &match, 1);
        failing_alloc_end();
        assert_int_equal(fanout == NULL, failing_alloc_happened());
        assert_int_equal(atomic_load(&sub->refs), 2);
        if (fanout)
            whs_fanout_destroy(fanout);
        else
            whs_subscriber_unref(sub);
    }
    whs_subscriber_unref(sub);
    whs_event_unref(event);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_delivery_dropped_frees_the_fan_out),
        cmocka_unit_test(a_queued_fan_out_weighs_its_event_and_nodes_not_its_bodies),
        cmocka_unit_test(one_hub_may_overfill_it_and_the_next_is_refused),
        cmocka_unit_test(bytes_are_a_limit_of_their_own),
        cmocka_unit_test(everything_is_taken_in_the_order_it_was_pushed),
        cmocka_unit_test(a_closed_queue_takes_nothing_more_and_gives_what_it_has),
        cmocka_unit_test(a_removal_is_never_refused_for_the_limits),
        cmocka_unit_test(without_memory_the_matches_keep_their_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
