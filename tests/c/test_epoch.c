/* SPDX-License-Identifier: MIT
 *
 * epoch: nothing is freed under a reader, and nobody is kept waiting by one that comes
 * later.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

#include "alloc.h"
#include "epoch.h"

static struct whs_epoch epoch;
static int released;

static int
setup(void **state)
{
    (void)state;
    whs_epoch_init(&epoch);
    released = 0;
    return 0;
}

static void
count_release(void *ctx, void *ptr, size_t size)
{
    (void)ptr;
    (void)size;
    ++*(int *)ctx;
}

static void
retire(size_t size)
{
    whs_epoch_retire(&epoch, count_release, &released, NULL, size);
}

static void
without_readers_everything_is_released(void **state)
{
    (void)state;
    retire(10);
    retire(20);
    assert_int_equal(epoch.limbo_bytes, 30);
    assert_int_equal(released, 0);
    whs_epoch_reclaim(&epoch);
    assert_int_equal(released, 2);
    assert_int_equal(epoch.limbo_bytes, 0);
}

static void
a_reader_keeps_what_it_may_have_seen(void **state)
{
    (void)state;
    atomic_uint *entered = whs_epoch_enter(&epoch);
    retire(1);
    for (int i = 0; i < 10; i++)
        whs_epoch_reclaim(&epoch);
    assert_int_equal(released, 0);
    whs_epoch_leave(entered);
    whs_epoch_reclaim(&epoch);
    assert_int_equal(released, 1);
}

/* It cannot have seen what was unlinked before it came. */
static void
a_reader_that_comes_later_keeps_nothing(void **state)
{
    (void)state;
    retire(1);
    whs_epoch_reclaim(&epoch);
    atomic_uint *entered = whs_epoch_enter(&epoch);
    assert_int_equal(released, 1);
    retire(1);
    whs_epoch_reclaim(&epoch);
    assert_int_equal(released, 1);
    whs_epoch_leave(entered);
    whs_epoch_fini(&epoch);
    assert_int_equal(released, 2);
}

static void
limbo_is_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < 10 * WHS_EPOCH_LIMBO_MAX; i++) {
        retire(1);
        assert_true(epoch.limbo_len <= WHS_EPOCH_LIMBO_MAX);
    }
    assert_true(released >= 9 * WHS_EPOCH_LIMBO_MAX);
    whs_epoch_fini(&epoch);
    assert_int_equal(released, 10 * WHS_EPOCH_LIMBO_MAX);
}

/* --- Threads. --- */

#define READERS 4
#define ROUNDS 20000

static _Atomic(int *) shared;
static atomic_bool stop;
static atomic_int looks;

static void *
read_on(void *ctx)
{
    (void)ctx;
    while (!atomic_load(&stop)) {
        atomic_uint *entered = whs_epoch_enter(&epoch);
        int *seen = atomic_load_explicit(&shared, memory_order_acquire);
        if (*seen != 42)
            abort();
        whs_epoch_leave(entered);
        atomic_fetch_add(&looks, 1);
    }
    return NULL;
}

static int *
make_answer(void)
{
    int *made = whs_alloc(sizeof(*made));
    assert_non_null(made);
    *made = 42;
    return made;
}

/* The address sanitizer and the thread sanitizer are the judges. */
static void
readers_never_meet_freed_memory(void **state)
{
    (void)state;
    pthread_t threads[READERS];
    atomic_store(&shared, make_answer());
    atomic_store(&stop, false);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, NULL), 0);
    for (int i = 0; i < ROUNDS || atomic_load(&looks) < 1000; i++) {
        int *old = atomic_exchange(&shared, make_answer());
        whs_epoch_retire(&epoch, whs_epoch_release_memory, NULL, old, sizeof(*old));
        if (i % 10 == 0)
            whs_epoch_reclaim(&epoch);
        if (i % 1000 == 0)
            whs_epoch_wait(&epoch);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    whs_epoch_fini(&epoch);
    whs_free(atomic_load(&shared));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_readers_everything_is_released, setup),
        cmocka_unit_test_setup(a_reader_keeps_what_it_may_have_seen, setup),
        cmocka_unit_test_setup(a_reader_that_comes_later_keeps_nothing, setup),
        cmocka_unit_test_setup(limbo_is_bounded, setup),
        cmocka_unit_test_setup(readers_never_meet_freed_memory, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
