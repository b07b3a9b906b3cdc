/* SPDX-License-Identifier: MIT
 *
 * subscription: the value itself: equality, sharing, wiping, and no memory for it.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "documents.h"
#include "failing_alloc.h"
#include "subscription.h"
#include "watching_alloc.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static struct whs_subscription_rules rules;

static int
make_rules(void **state)
{
    (void)state;
    rules = documents_rules();
    return 0;
}

static int
drop_rules(void **state)
{
    (void)state;
    whs_catalog_unref((struct whs_catalog *)(uintptr_t)rules.catalog);
    return 0;
}

/* Owned. Fails the test when the draft has mistakes. */
static struct whs_subscription *
build(const struct whs_subscription_draft *draft)
{
    struct whs_field_errors errors = {0};
    struct whs_subscription *made;
    if (whs_subscription_build(draft, &rules, &made, &errors, NULL) != WHS_OK)
        fail_msg("%s", documents_mistakes(&errors));
    assert_int_equal(errors.len, 0);
    return made;
}

static void
subscriptions_are_equal_when_every_field_is(void **state)
{
    (void)state;
    struct whs_subscription_draft draft = documents_full_draft();
    struct whs_subscription *a = build(&draft), *b = build(&draft);
    assert_true(whs_subscription_equal(a, b));
    whs_subscription_unref(b);
    struct whs_subscription_draft others[16];
    for (size_t i = 0; i < LEN(others); i++)
        others[i] = draft;
    others[0].modification_type = WHS_SLICE("create");
    others[1].connection_type = WHS_SLICE("SOCKET");
    others[1].delivery = (struct whs_slice){0}; /* a socket has no headers */
    others[2].notification_url = WHS_SLICE("https://example.com/hook?y");
    others[3].notification_messages = WHS_SLICE("drawer");
    others[4].resource = WHS_SLICE("tenant/T1/sidedrawer");
    others[5].expiration_date_time = WHS_SLICE("2029-07-07T17:40:40Z");
    others[6].brand_code = WHS_SLICE("m");
    others[7].integrity_key = WHS_SLICE("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx");
    others[8].integrity_key = (struct whs_slice){0};
    others[9].max_retries = 4;
    others[10].has_max_retries = false;
    others[11].delivery = (struct whs_slice){0};
    others[12].delivery =
        WHS_SLICE("{\"batch\":{\"maxNotifications\":11,\"lingerMs\":5},"
                  "\"headers\":{\"X-A\":\"1\",\"X-B\":\"\"}}");
    others[13].delivery =
        WHS_SLICE("{\"batch\":{\"maxNotifications\":10,\"lingerMs\":6},"
                  "\"headers\":{\"X-A\":\"1\",\"X-B\":\"\"}}");
    others[14].delivery =
        WHS_SLICE("{\"batch\":{\"maxNotifications\":10,\"lingerMs\":5},"
                  "\"headers\":{\"X-A\":\"1\",\"X-B\":\"2\"}}");
    others[15].delivery =
        WHS_SLICE("{\"batch\":{\"maxNotifications\":10,\"lingerMs\":5,"
                  "\"maxBytes\":9999},"
                  "\"headers\":{\"X-A\":\"1\",\"X-B\":\"\"}}");
    for (size_t i = 0; i < LEN(others); i++) {
        b = build(&others[i]);
        if (whs_subscription_equal(a, b) || whs_subscription_equal(b, a))
            fail_msg("other %zu", i);
        whs_subscription_unref(b);
    }
    whs_subscription_unref(a);
    a = build(&others[1]);
    b = build(&others[11]); /* the same, but for the kind */
    assert_false(whs_subscription_equal(a, b));
    whs_subscription_unref(a);
    whs_subscription_unref(b);
}

static void *
share(void *arg)
{
    for (int i = 0; i < 20000; i++)
        whs_subscription_unref(whs_subscription_ref(arg));
    whs_subscription_unref(arg);
    return NULL;
}

static void
the_last_of_many_threads_frees_it(void **state)
{
    (void)state;
    struct whs_subscription_draft draft = documents_full_draft();
    struct whs_subscription *made = build(&draft);
    assert_int_equal(atomic_load(&made->refs), 1);
    pthread_t threads[4];
    for (size_t i = 0; i < LEN(threads); i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, share, whs_subscription_ref(made)), 0);
    for (size_t i = 0; i < LEN(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&made->refs), 1);
    whs_subscription_unref(made);
    whs_subscription_unref(NULL);
}

static void
a_key_is_wiped_with_its_subscription(void **state)
{
    (void)state;
    struct whs_subscription_draft draft = documents_full_draft();
    struct whs_field_errors errors = {0};
    struct whs_subscription *made;
    draft.integrity_key = WHS_SLICE("whsec_Q0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZ");
    watching_alloc_begin("CANARYCANARY");
    assert_int_equal(whs_subscription_build(&draft, &rules, &made, &errors, NULL),
                     WHS_OK);
    assert_memory_equal(made->key.ptr, "CANARYCANARYCANARYCANARY", 24);
    whs_subscription_unref(made);
    assert_int_equal(watching_alloc_end(), 0);
    /* The watch itself can see. */
    draft.brand_code = WHS_SLICE("CANARYCANARY");
    draft.delivery = WHS_SLICE("{\"CANARYCANARY\":1}");
    watching_alloc_begin("CANARYCANARY");
    assert_int_equal(whs_subscription_build(&draft, &rules, &made, &errors, NULL),
                     WHS_INVALID);
    whs_field_errors_fini(&errors);
    assert_true(watching_alloc_end() > 0);
}

static void
without_memory_there_is_no_subscription(void **state)
{
    (void)state;
    struct whs_subscription_draft good = documents_full_draft(),
                                  bad = documents_full_draft();
    bad.notification_url = WHS_SLICE("x");
    bad.resource = WHS_SLICE("x");
    bad.delivery = WHS_SLICE("{\"x\":1}");
    for (size_t i = 0; i < 2; i++)
        for (unsigned n = 1; failing_alloc_begin(n); n++) {
            struct whs_field_errors errors = {0};
            struct whs_subscription *made;
            enum whs_status status = whs_subscription_build(
                i == 0 ? &good : &bad, &rules, &made, &errors, NULL);
            failing_alloc_end();
            assert_int_equal(status, failing_alloc_happened() ? WHS_NO_MEMORY
                                     : i == 0                 ? WHS_OK
                                                              : WHS_INVALID);
            assert_int_equal(made != NULL, status == WHS_OK);
            whs_field_errors_fini(&errors);
            whs_subscription_unref(made);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscriptions_are_equal_when_every_field_is),
        cmocka_unit_test(the_last_of_many_threads_frees_it),
        cmocka_unit_test(a_key_is_wiped_with_its_subscription),
        cmocka_unit_test(without_memory_there_is_no_subscription),
    };
    return cmocka_run_group_tests(tests, make_rules, drop_rules);
}
