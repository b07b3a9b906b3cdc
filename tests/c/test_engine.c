/* SPDX-License-Identifier: MIT
 *
 * engine: what becomes of a delivery, from push to report.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

static void
a_delivery_that_succeeds_is_reported_once_and_ends_its_event(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, NULL);
    rig_put(&rig, (struct world_sub){.seq = 7});
    assert_int_equal(rig_push(&rig, 1, "t1"), 1);
    assert_int_equal(rig_stats(&rig).queued, 1);
    rig_turn(&rig);
    const struct whs_reported *row = rig_take_one(&rig);
    assert_int_equal(row->state, WHS_DELIVERY_DELIVERED);
    assert_int_equal(row->event_seq, 1);
    assert_int_equal(row->subscription_seq, 7);
    assert_int_equal(row->attempts, 1);
    assert_true(row->event_done);
    assert_false(row->claimed_row);
    assert_int_equal(rig.taken->outcome, WHS_OUTCOME_SUCCESS);
    assert_int_equal(rig.taken->origin_seq, 1007);
    assert_true(rig.taken->started_at_ms == FAKE_CLOCK_START_MS);
    rig_turn(&rig);
    assert_null(rig_take(&rig));
    rig_fini(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delivery_that_succeeds_is_reported_once_and_ends_its_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
