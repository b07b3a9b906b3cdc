/* SPDX-License-Identifier: MIT
 *
 * subscription_json: documents that are written and read back, and none without memory.
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
#include "texts.h"
#include "watching_alloc.h"

#define TEXT(literal)                                                                  \
    {                                                                                  \
        literal, sizeof(literal) - 1                                                   \
    }
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

/* Owned. */
static struct whs_subscription *
parse(struct whs_slice text)
{
    struct whs_field_errors errors = {0};
    struct whs_subscription *made;
    if (whs_subscription_parse(text, &rules, NULL, &made, NULL, &errors, NULL) !=
        WHS_OK)
        fail_msg("%.*s: %s", (int)text.len, text.ptr, documents_mistakes(&errors));
    return made;
}

static void
a_document_is_written_in_one_order_without_the_key(void **state)
{
    (void)state;
    static const struct {
        struct whs_slice text;
        const char *written, *delivery;
    } rows[] = {
        {TEXT(DOCUMENTS_LEAST "}"),
         "{\"modificationType\":\"any\",\"connectionType\":\"HTTP\","
         "\"notificationUrl\":\"https://example.com/hook\","
         "\"resource\":\"tenant/t1/sidedrawer\","
         "\"expirationDateTime\":\"2029-07-07T14:40:40-03:00\"}",
         "{}"},
        {TEXT("{\"delivery\":{\"ratePerSecond\":0.0100,"
              "\"batch\":{\"maxNotifications\":7.0}},"
              "\"maxRetries\":0,"
              "\"integrityKey\":\"CANARY\",\"brandCode\":\"{\\u00e9\\\"{\","
              "\"expirationDateTime\":\"2029-07-07T14:40:40-03:00\","
              "\"resource\":\"tenant/auth0|1/sidedrawer\","
              "\"notificationMessages\":\"m{\",\"connectionType\":\"SOCKET\","
              "\"modificationType\":\"DELETE\"}"),
         "{\"modificationType\":\"delete\",\"connectionType\":\"SOCKET\","
         "\"notificationMessages\":\"m{\",\"resource\":\"tenant/auth0|1/sidedrawer\","
         "\"expirationDateTime\":\"2029-07-07T14:40:40-03:00\","
         "\"brandCode\":\"{\xc3\xa9\\\"{\",\"maxRetries\":0,"
         "\"delivery\":{\"batch\":{\"maxNotifications\":7,\"maxBytes\":1048576,"
         "\"lingerMs\":1000},\"ratePerSecond\":0.01}}",
         "{\"batch\":{\"maxNotifications\":7,\"maxBytes\":1048576,\"lingerMs\":1000},"
         "\"ratePerSecond\":0.01}"},
        {TEXT(DOCUMENTS_LEAST
              ",\"delivery\":{\"headers\":{\"X-B\":\"a\\\"\\\\\",\"X-A\":\"\"}}}"),
         "{\"modificationType\":\"any\",\"connectionType\":\"HTTP\","
         "\"notificationUrl\":\"https://example.com/hook\","
         "\"resource\":\"tenant/t1/sidedrawer\","
         "\"expirationDateTime\":\"2029-07-07T14:40:40-03:00\","
         "\"delivery\":{\"headers\":{\"X-B\":\"a\\\"\\\\\",\"X-A\":\"\"}}}",
         "{\"headers\":{\"X-B\":\"a\\\"\\\\\",\"X-A\":\"\"}}"},
        {TEXT(DOCUMENTS_LEAST ",\"delivery\":{\"ratePerSecond\":12.345678}}"),
         "{\"modificationType\":\"any\",\"connectionType\":\"HTTP\","
         "\"notificationUrl\":\"https://example.com/hook\","
         "\"resource\":\"tenant/t1/sidedrawer\","
         "\"expirationDateTime\":\"2029-07-07T14:40:40-03:00\","
         "\"delivery\":{\"ratePerSecond\":12.345678}}",
         "{\"ratePerSecond\":12.345678}"},
        {TEXT(DOCUMENTS_LEAST ",\"delivery\":{\"ratePerSecond\":1e3}}"),
         "{\"modificationType\":\"any\",\"connectionType\":\"HTTP\","
         "\"notificationUrl\":\"https://example.com/hook\","
         "\"resource\":\"tenant/t1/sidedrawer\","
         "\"expirationDateTime\":\"2029-07-07T14:40:40-03:00\","
         "\"delivery\":{\"ratePerSecond\":1000}}",
         "{\"ratePerSecond\":1000}"},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        struct whs_subscription *made = parse(rows[i].text);
        struct whs_buf written = {0}, delivery = {0};
        whs_subscription_append_json(&written, made);
        whs_subscription_append_delivery(&delivery, made);
        whs_buf_append_char(&delivery, '\0');
        assert_string_equal(delivery.ptr, rows[i].delivery);

        /* Read again it is the same, but for the key. */
        struct whs_subscription *again = parse(whs_buf_slice(&written));
        assert_int_equal(whs_subscription_equal(made, again), made->key.len == 0);
        whs_buf_append_char(&written, '\0');
        assert_string_equal(written.ptr, rows[i].written);
        whs_subscription_unref(again);
        whs_subscription_unref(made);
        whs_buf_fini(&written);
        whs_buf_fini(&delivery);
    }
}

static void
mutated_documents_are_refused_or_are_the_same_when_written_and_read(void **state)
{
    (void)state;
    struct whs_slice model = WHS_SLICE(
        DOCUMENTS_LEAST ",\"brandCode\":\"b\",\"maxRetries\":3,\"delivery\":{\"batch\":"
                        "{\"maxNotifications\":10},\"headers\":{\"A\":\"b\"}}}");
    uint64_t seed = 10;
    size_t good = 0;
    for (int round = 0; round < 10000; round++) {
        struct whs_slice text = texts_mutate(model, &seed);
        struct whs_field_errors errors = {0};
        struct whs_subscription *made;
        enum whs_status status =
            whs_subscription_parse(text, &rules, NULL, &made, NULL, &errors, NULL);
        assert_int_equal(status, errors.len > 0 ? WHS_INVALID : WHS_OK);
        for (size_t i = 0; i < errors.len; i++) {
            assert_true(whs_slice_is_utf8(whs_slice_of(errors.items[i].field)));
            assert_true(whs_slice_is_utf8(whs_slice_of(errors.items[i].message)));
        }
        if (status == WHS_OK) {
            struct whs_buf written = {0};
            whs_subscription_append_json(&written, made);
            struct whs_subscription *again = parse(whs_buf_slice(&written));
            assert_true(whs_subscription_equal(made, again));
            whs_subscription_unref(again);
            whs_subscription_unref(made);
            whs_buf_fini(&written);
            good++;
        }
        whs_field_errors_fini(&errors);
        texts_free(text);
    }
    assert_in_range(good, 100, 9500);
}

static void
the_key_of_a_document_is_wiped(void **state)
{
    (void)state;
    static const char *const texts[] = {
        DOCUMENTS_LEAST ",\"integrityKey\":\"CANARYCANARY\"}",
        DOCUMENTS_LEAST ",\"integrityKey\":\"CANARYCANARY\\n\"}",
        DOCUMENTS_LEAST ",\"integrityKey\":[{\"x\":\"CANARYCANARY\"}]}",
        DOCUMENTS_LEAST ",\"integrityKey\":\"CANARYCANARY\",\"a\":1,\"a\":2}",
    };
    for (size_t i = 0; i < LEN(texts); i++) {
        struct whs_field_errors errors = {0};
        struct whs_subscription *made;
        watching_alloc_begin("CANARYCANARY");
        enum whs_status status = whs_subscription_parse(
            whs_slice_of(texts[i]), &rules, NULL, &made, NULL, &errors, NULL);
        whs_subscription_unref(made);
        whs_field_errors_fini(&errors);
        assert_int_equal(watching_alloc_end(), 0);
        assert_int_equal(status, i == 0 ? WHS_OK : WHS_INVALID);
    }
}

static void *
parse_on_a_small_stack(void *arg)
{
    struct whs_subscription *made =
        parse(WHS_SLICE(DOCUMENTS_LEAST ",\"delivery\":{\"headers\":{\"A\":\"b\"}}}"));
    *(size_t *)arg = made->header_count;
    whs_subscription_unref(made);
    return NULL;
}

static void
a_small_stack_is_enough(void **state)
{
    (void)state;
    size_t headers = 0;
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    assert_int_equal(pthread_attr_setstacksize(&attr, 128 * 1024), 0);
    assert_int_equal(pthread_create(&thread, &attr, parse_on_a_small_stack, &headers),
                     0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    assert_int_equal(headers, 1);
}

static void
without_memory_there_is_no_subscription(void **state)
{
    (void)state;
    static const struct whs_slice texts[] = {
        TEXT(DOCUMENTS_LEAST
             ",\"integrityKey\":\"k\",\"delivery\":{\"headers\":{\"A\":\"b\"},"
             "\"batch\":{\"maxNotifications\":5}}}"),
        TEXT("{\"x\":1,\"resource\":5,\"delivery\":{\"y\":1}}"),
        TEXT("[1]"),
        TEXT("{\"a\":1,\"a\":2}"),
        TEXT("{"),
    };
    for (size_t i = 0; i < LEN(texts); i++)
        for (unsigned n = 1; failing_alloc_begin(n); n++) {
            struct whs_field_errors errors = {0};
            struct whs_subscription *made;
            enum whs_status status = whs_subscription_parse(texts[i], &rules, NULL,
                                                            &made, NULL, &errors, NULL);
            failing_alloc_end();
            assert_int_equal(status, failing_alloc_happened() ? WHS_NO_MEMORY
                                     : i == 0                 ? WHS_OK
                                                              : WHS_INVALID);
            assert_int_equal(made != NULL, status == WHS_OK);
            whs_subscription_unref(made);
            whs_field_errors_fini(&errors);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_written_in_one_order_without_the_key),
        cmocka_unit_test(
            mutated_documents_are_refused_or_are_the_same_when_written_and_read),
        cmocka_unit_test(the_key_of_a_document_is_wiped),
        cmocka_unit_test(a_small_stack_is_enough),
        cmocka_unit_test(without_memory_there_is_no_subscription),
    };
    return cmocka_run_group_tests(tests, make_rules, drop_rules);
}
