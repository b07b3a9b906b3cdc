/* SPDX-License-Identifier: MIT */
#include "subscriber.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "failing_alloc.h"

static const uint8_t id[WHS_UUID_BYTES] = {0x01, 0x8f, 0, 0, 0, 0, 0x70, 0,
                                           0x80, 0,    0, 0, 0, 0, 0,    0x2a};

static struct whs_keys
make_keys(void)
{
    struct whs_keys keys = {.len = 2};

    keys.items[0] = WHS_SLICE("the newest key");
    keys.items[1] = WHS_SLICE("an older one");
    return keys;
}

static void
it_copies_its_keys_and_refers_to_its_subscription(void **state)
{
    struct whs_subscription subscription = {.refs = 1};
    struct whs_keys keys = make_keys();
    struct whs_subscriber *sub = whs_subscriber_create(7, id, (struct whs_slice){0}, 3,
                                                       40, 50, &subscription, &keys);

    (void)state;
    assert_non_null(sub);
    assert_int_equal(sub->seq, 7);
    assert_int_equal(sub->origin_seq, 3);
    assert_int_equal(sub->created_revision, 40);
    assert_int_equal(sub->failing_since_ms, 50);
    assert_memory_equal(sub->id, id, sizeof(id));
    assert_string_equal(sub->id_text, "018f0000-0000-7000-8000-00000000002a");
    assert_int_equal(sub->keys.len, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(whs_slice_equal(sub->keys.items[i], keys.items[i]));
        assert_ptr_not_equal(sub->keys.items[i].ptr, keys.items[i].ptr);
    }
    assert_ptr_equal(sub->subscription, &subscription);
    assert_int_equal(atomic_load(&subscription.refs), 2);
    whs_subscriber_unref(sub);
    assert_int_equal(atomic_load(&subscription.refs), 1);
}

static void
it_lives_until_the_last_reference_goes(void **state)
{
    struct whs_subscription subscription = {.refs = 1};
    struct whs_subscriber *sub = whs_subscriber_create(
        1, id, (struct whs_slice){0}, 0, 0, 0, &subscription, &(struct whs_keys){0});

    (void)state;
    assert_ptr_equal(whs_subscriber_ref(sub), sub);
    whs_subscriber_unref(sub);
    assert_int_equal(atomic_load(&subscription.refs), 2);
    whs_subscriber_unref(sub);
    assert_int_equal(atomic_load(&subscription.refs), 1);
    whs_subscriber_unref(NULL);
}

static void
its_origin_is_the_urls_or_a_copy_of_what_is_given(void **state)
{
    (void)state;
    struct whs_subscription subscription = {.refs = 1,
                                            .origin = WHS_SLICE("https://h.test:443")};
    struct whs_keys none = {0};
    char given[] = "socket:ann";
    struct whs_subscriber *http = whs_subscriber_create(1, id, (struct whs_slice){0}, 0,
                                                        0, 0, &subscription, &none);
    struct whs_subscriber *socket = whs_subscriber_create(2, id, whs_slice_of(given), 0,
                                                          0, 0, &subscription, &none);
    memset(given, '?', strlen(given));
    assert_true(whs_slice_equal(http->origin, WHS_SLICE("https://h.test:443")));
    assert_true(whs_slice_equal(socket->origin, WHS_SLICE("socket:ann")));
    whs_subscriber_unref(http);
    whs_subscriber_unref(socket);
}

static void
without_memory_there_is_none_and_nothing_is_kept(void **state)
{
    (void)state;
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_subscription subscription = {.refs = 1};
        struct whs_keys keys = make_keys();
        struct whs_subscriber *sub = whs_subscriber_create(
            1, id, WHS_SLICE("socket:ann"), 0, 0, 0, &subscription, &keys);
        assert_true((sub == NULL) == failing_alloc_happened());
        whs_subscriber_unref(sub);
        assert_int_equal(atomic_load(&subscription.refs), 1);
        failing_alloc_end();
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_copies_its_keys_and_refers_to_its_subscription),
        cmocka_unit_test(it_lives_until_the_last_reference_goes),
        cmocka_unit_test(its_origin_is_the_urls_or_a_copy_of_what_is_given),
        cmocka_unit_test(without_memory_there_is_none_and_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
