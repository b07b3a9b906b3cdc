/* SPDX-License-Identifier: MIT
 *
 * subscription: from a draft to a value, all mistakes at once.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "documents.h"
#include "subscription.h"
#include "texts.h"

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
expect(const struct whs_subscription_draft *draft, const char *mistakes)
{
    struct whs_field_errors errors = {0};
    struct whs_subscription *made;
    enum whs_status status =
        whs_subscription_build(draft, &rules, &made, &errors, NULL);
    assert_int_equal(status, *mistakes ? WHS_INVALID : WHS_OK);
    assert_int_equal(made == NULL, status != WHS_OK);
    assert_string_equal(documents_mistakes(&errors), mistakes);
    whs_field_errors_fini(&errors);
    whs_subscription_unref(made);
}

static void
expect_text(struct whs_slice text, const char *expected)
{
    assert_int_equal(text.len, strlen(expected));
    /* libcurl wants a zero behind it. */
    assert_string_equal(text.ptr, expected);
}

static void
a_full_draft_becomes_a_value_that_owns_its_texts(void **state)
{
    (void)state;
    struct whs_subscription_draft draft = documents_full_draft();
    struct whs_slice *const texts[] = {
        &draft.modification_type, &draft.connection_type,
        &draft.notification_url,  &draft.notification_messages,
        &draft.resource,          &draft.expiration_date_time,
        &draft.brand_code,        &draft.integrity_key,
        &draft.delivery};
    for (size_t i = 0; i < LEN(texts); i++)
        *texts[i] = texts_exact(*texts[i]);
    struct whs_subscription *made = build(&draft);
    for (size_t i = 0; i < LEN(texts); i++)
        texts_free(*texts[i]);

    assert_int_equal(made->action, WHS_ACTION_UPDATE);
    assert_int_equal(made->channel, WHS_CHANNEL_HTTP);
    expect_text(made->resource, "tenant/t1/sidedrawer");
    expect_text(made->root, "tenant/t1");
    expect_text(made->url, "https://example.com/hook?x");
    expect_text(made->origin, "https://example.com:443");
    expect_text(made->socket_event, "drawer changed");
    expect_text(made->expires_text, "2029-07-07T14:40:40-03:00");
    assert_true(made->expires_at_ms == INT64_C(1878140440000));
    expect_text(made->brand_code, "m\xc3\xa5rke");
    assert_int_equal(made->key.len, 24);
    assert_memory_equal(made->key.ptr, "\x31\xf2\x90\xf6", 4);
    assert_int_equal(made->max_retries, 3);
    assert_int_equal(made->batching.max_notifications, 10);
    assert_int_equal(made->batching.linger_ms, 5);
    assert_int_equal(made->header_count, 2);
    expect_text(made->headers[0].name, "X-A");
    expect_text(made->headers[0].value, "1");
    expect_text(made->headers[1].value, "");
    whs_subscription_unref(made);
}

static void
what_is_empty_or_absent_is_not_set(void **state)
{
    (void)state;
    struct whs_subscription_draft draft = documents_draft();
    struct whs_subscription *plain = build(&draft);
    assert_int_equal(plain->channel, WHS_CHANNEL_HTTP);
    assert_int_equal(plain->max_retries, WHS_MAX_RETRIES_DEFAULT);
    assert_null(plain->socket_event.ptr);
    assert_null(plain->brand_code.ptr);
    assert_null(plain->key.ptr);
    assert_int_equal(plain->batching.max_notifications, 0);
    assert_int_equal(plain->header_count, 0);
    draft.connection_type = draft.notification_messages = draft.brand_code =
        draft.integrity_key = draft.delivery = WHS_SLICE("");
    struct whs_subscription *empty = build(&draft);
    assert_true(whs_subscription_equal(plain, empty));
    assert_null(empty->key.ptr);
    whs_subscription_unref(plain);
    whs_subscription_unref(empty);
}

static void
where_a_socket_names_a_url_its_events_do_not_go_there(void **state)
{
    (void)state;
    struct whs_subscription_draft draft = documents_draft();
    draft.connection_type = WHS_SLICE("SOCKET");
    draft.notification_messages = WHS_SLICE("changed");
    struct whs_subscription *made = build(&draft);
    assert_non_null(made->url.ptr);
    assert_null(made->origin.ptr);
    whs_subscription_unref(made);
}

static void
all_mistakes_come_at_once(void **state)
{
    (void)state;
    struct whs_subscription_draft draft = {0};
    expect(&draft, "modificationType required, notificationUrl required, "
                   "resource required, expirationDateTime required");
    draft = (struct whs_subscription_draft){
        .modification_type = WHS_SLICE("created"),
        .connection_type = WHS_SLICE("SOCKET"),
        .notification_url = WHS_SLICE("http://h/"),
        .notification_messages = WHS_SLICE("disconnect"),
        .resource = WHS_SLICE("tenant/{tenantId}/sidedrawer"),
        .expiration_date_time = WHS_SLICE("2026-02-30T00:00:00Z"),
        .brand_code = WHS_SLICE("a\nb"),
        .integrity_key = WHS_SLICE("whsec_!"),
        .has_max_retries = true,
        .max_retries = 101,
        .delivery = WHS_SLICE("{\"x\":1,\"ratePerSecond\":0}")};
    expect(&draft, "modificationType enum, notificationUrl scheme, "
                   "notificationMessages forbidden, resource unbound, "
                   "expirationDateTime format, brandCode format, integrityKey format, "
                   "maxRetries range, delivery.x unknown, "
                   "delivery.ratePerSecond range");
}

static void
a_required_text_that_is_empty_is_missing(void **state)
{
    (void)state;
    struct whs_subscription_draft draft = {.modification_type = WHS_SLICE(""),
                                           .notification_url = WHS_SLICE(""),
                                           .resource = WHS_SLICE(""),
                                           .expiration_date_time = WHS_SLICE("")};
    expect(&draft, "modificationType required, notificationUrl required, "
                   "resource required, expirationDateTime required");
}

/* --- Field by field. ----------------------------------------------------------------
 */

/* A draft in which only the text at `offset` differs. */
static void
expect_field(size_t offset, struct whs_slice text, const char *mistakes)
{
    struct whs_subscription_draft draft = documents_draft();
    struct whs_slice exact = texts_exact(text);
    memcpy((char *)&draft + offset, &exact, sizeof(exact));
    expect(&draft, mistakes);
    texts_free(exact);
}

#define FIELD(name) offsetof(struct whs_subscription_draft, name)

static void
an_action_is_read_without_regard_to_case_and_must_be_the_resources(void **state)
{
    (void)state;
    static const char *const good[] = {"create", "Create", "UPDATE", "Delete", "aNy"};
    static const char *const bad[] = {
        " any", "any ", "created", "an", "createe", "d\xc4\xb1lete", "1", "any,create"};
    for (size_t i = 0; i < LEN(good); i++)
        expect_field(FIELD(modification_type), whs_slice_of(good[i]), "");
    for (size_t i = 0; i < LEN(bad); i++)
        expect_field(FIELD(modification_type), whs_slice_of(bad[i]),
                     "modificationType enum");
    expect_field(FIELD(modification_type), WHS_SLICE("any\0"), "modificationType enum");

    struct whs_subscription_draft draft = documents_draft();
    draft.resource = WHS_SLICE("tenant/t1/sidedrawer/s1/record/r1");
    draft.modification_type = WHS_SLICE("delete");
    expect(&draft, "");
    draft.modification_type = WHS_SLICE("create");
    expect(&draft, "modificationType enum");
    draft.resource = WHS_SLICE("subscription/b1/license");
    draft.modification_type = WHS_SLICE("delete");
    expect(&draft, "modificationType enum");
    draft.modification_type = WHS_SLICE("any");
    expect(&draft, "");
}

static void
a_resource_is_a_path_of_the_catalog_with_a_bound_root(void **state)
{
    (void)state;
    static const struct {
        const char *text, *mistakes;
    } rows[] = {
        {"tenant/t1/sidedrawer/s1/record/{recordId}/files", ""},
        {"tenant/t1/sidedrawer/{sidedrawerId}/record", ""},
        {"tenant/t1/network/auth0|12345abcde", ""},
        {"tenant/%2e%2e/sidedrawer", ""},
        {"tenant/e\xcc\x81/sidedrawer", ""},
        {"tenant/null/sidedrawer", ""},
        {"tenant/{tenantId}/sidedrawer", "resource unbound"},
        {"subscription/{subscriptionid}/license", "resource unbound"},
        {"tenant/t1", "resource unknown"},
        {"tenant/t1/sidedrawer/s1", "resource unknown"},
        {"Tenant/t1/sidedrawer", "resource unknown"},
        {"https://example.com", "resource format"},
        {"/tenant/t1/sidedrawer", "resource format"},
        {"tenant/t1/sidedrawer/", "resource format"},
        {"tenant//sidedrawer", "resource format"},
        {"tenant/t\n/sidedrawer", "resource format"},
        {"tenant/\xff/sidedrawer", "resource format"},
        {"tenant/\xed\xa0\x80/sidedrawer", "resource format"},
    };
    for (size_t i = 0; i < LEN(rows); i++)
        expect_field(FIELD(resource), whs_slice_of(rows[i].text), rows[i].mistakes);
    expect_field(FIELD(resource), WHS_SLICE("tenant/t\0/sidedrawer"),
                 "resource format");
}

static void
a_subscription_ends_in_the_future(void **state)
{
    (void)state;
    static const struct {
        const char *text, *mistakes;
    } rows[] = {
        {"2026-11-25T00:00:00.001Z", ""},
        {"2026-11-25T00:00:00Z", "expirationDateTime range"},
        {"2026-11-25T01:00:00+01:00", "expirationDateTime range"},
        {"2026-11-25T01:00:00+00:59", ""},
        {"1969-12-31T23:59:59Z", "expirationDateTime range"},
        {"9999-12-31T23:59:59Z", ""},
        {"9999-12-31T23:59:59-00:01", "expirationDateTime format"},
        {"2029-07-07T14:40:40", "expirationDateTime format"},
        {"2029-07-07", "expirationDateTime format"},
        {"1878140440", "expirationDateTime format"},
        {"2029-07-07T14:40:40.123456789012345678901234567890Z", ""},
        /* 64 bytes and 65. It is shown as given, so it is not given a book to show. */
        {"2029-07-07T14:40:40.123456789012345678901234567890123456789-03:00",
         "expirationDateTime size"},
        {"2029-07-07T14:40:40.12345678901234567890123456789012345678-03:00", ""},
    };
    for (size_t i = 0; i < LEN(rows); i++)
        expect_field(FIELD(expiration_date_time), whs_slice_of(rows[i].text),
                     rows[i].mistakes);
    /* What was stored is read back after its end too. */
    rules.now_ms = INT64_MIN;
    expect_field(FIELD(expiration_date_time), WHS_SLICE("0001-01-01T00:00:00Z"), "");
    rules.now_ms = DOCUMENTS_NOW_MS;
}

static void
a_subscription_lives_no_longer_than_allowed(void **state)
{
    (void)state;
    rules.max_lifetime_ms = 86400000;
    expect_field(FIELD(expiration_date_time), WHS_SLICE("2026-11-26T00:00:00Z"), "");
    expect_field(FIELD(expiration_date_time), WHS_SLICE("2026-11-26T00:00:00.001Z"),
                 "expirationDateTime range");
    rules.now_ms = INT64_MIN;
    expect_field(FIELD(expiration_date_time), WHS_SLICE("9999-12-31T23:59:59Z"), "");
    rules.now_ms = DOCUMENTS_NOW_MS;
    rules.max_lifetime_ms = 0;
}

static void
a_socket_needs_the_name_of_an_event_and_http_a_url(void **state)
{
    (void)state;
    struct whs_subscription_draft draft = documents_draft();
    draft.connection_type = WHS_SLICE("SOCKET");
    expect(&draft, "notificationMessages required");
    draft.notification_messages = WHS_SLICE("changed");
    expect(&draft, "");
    draft.notification_url = (struct whs_slice){0};
    struct whs_subscription *made = build(&draft);
    assert_int_equal(made->channel, WHS_CHANNEL_SOCKET);
    expect_text(made->socket_event, "changed");
    assert_null(made->url.ptr);
    assert_null(made->origin.ptr);
    whs_subscription_unref(made);
    rules.sockets = false;
    expect(&draft, "connectionType unsupported");
    rules.sockets = true;
    draft.delivery = WHS_SLICE("{\"headers\":{\"X-One\":\"1\"}}");
    expect(&draft, "delivery.headers unsupported");
    draft.delivery = (struct whs_slice){0};
    /* Of a kind that is none nobody knows what it would require. */
    draft.connection_type = WHS_SLICE("socket");
    expect(&draft, "connectionType enum");
    draft.notification_messages = (struct whs_slice){0};
    expect(&draft, "connectionType enum");
    draft.connection_type = WHS_SLICE("HTTP");
    expect(&draft, "notificationUrl required");
}

static void
texts_have_a_size_and_are_characters(void **state)
{
    (void)state;
    static const struct {
        size_t offset, most;
        const char *size, *format;
    } rows[] = {
        {FIELD(brand_code), WHS_BRAND_CODE_BYTES_MAX, "brandCode size",
         "brandCode format"},
        {FIELD(notification_messages), WHS_SOCKET_EVENT_BYTES_MAX,
         "notificationMessages size", "notificationMessages format"},
    };
    static const struct whs_slice bad[] = {
        {"a\0b", 3}, {"\t", 1}, {"\x7f", 1}, {"\xff", 1}, {"\xed\xa0\x80", 3}};
    for (size_t i = 0; i < LEN(rows); i++) {
        struct whs_slice text = texts_repeat('b', rows[i].most + 1);
        expect_field(rows[i].offset, text, rows[i].size);
        text.len--;
        expect_field(rows[i].offset, text, "");
        texts_free(text);
        for (size_t j = 0; j < LEN(bad); j++)
            expect_field(rows[i].offset, bad[j], rows[i].format);
    }
    static const char *const reserved[] = {"connect",     "connect_error",
                                           "disconnect",  "disconnecting",
                                           "newListener", "removeListener"};
    for (size_t i = 0; i < LEN(reserved); i++)
        expect_field(FIELD(notification_messages), whs_slice_of(reserved[i]),
                     "notificationMessages forbidden");
}

static void
max_retries_is_a_whole_number_from_0_to_100(void **state)
{
    (void)state;
    static const double good[] = {0, 1, 3.0, 100};
    const double bad[] = {
        -1,  -0.0, 0.5,  1.5,      100.5,     101, 1e-300,
        1e9, 1e18, 1e30, INFINITY, -INFINITY, NAN, 9007199254740993.0};
    struct whs_subscription_draft draft = documents_draft();
    draft.has_max_retries = true;
    for (size_t i = 0; i < LEN(good); i++) {
        draft.max_retries = good[i];
        struct whs_subscription *made = build(&draft);
        assert_int_equal(made->max_retries, (int)good[i]);
        whs_subscription_unref(made);
    }
    for (size_t i = 0; i < LEN(bad); i++) {
        draft.max_retries = bad[i];
        expect(&draft, "maxRetries range");
    }
    draft.has_max_retries = false;
    expect(&draft, "");
}

static void
delivery_is_a_strict_object(void **state)
{
    (void)state;
    expect_field(FIELD(delivery), WHS_SLICE("{}"), "");
    expect_field(FIELD(delivery), WHS_SLICE("[]"), "delivery type");
    expect_field(FIELD(delivery), WHS_SLICE("{"), "delivery json");
    expect_field(FIELD(delivery), WHS_SLICE("{\"batch\":{},\"b\\u0061tch\":{}}"),
                 "delivery json");
}

static void
advice_is_given_without_refusing(void **state)
{
    (void)state;
    struct whs_subscription_draft draft = documents_draft();
    draft.has_max_retries = true;
    draft.integrity_key = WHS_SLICE("12345678901234567890123");
    struct whs_warnings warnings = {0};
    struct whs_field_errors errors = {0};
    struct whs_subscription *made;
    assert_int_equal(whs_subscription_build(&draft, &rules, &made, &errors, &warnings),
                     WHS_OK);
    assert_int_equal(warnings.len, 2);
    assert_non_null(strstr(warnings.items[0], "integrityKey"));
    assert_null(strstr(warnings.items[0], "12345678901"));
    assert_string_equal(warnings.items[1], "maxRetries 0: one attempt only");
    whs_subscription_unref(made);

    draft.integrity_key = WHS_SLICE("123456789012345678901234");
    draft.max_retries = 1;
    warnings.len = 0;
    assert_int_equal(whs_subscription_build(&draft, &rules, &made, &errors, &warnings),
                     WHS_OK);
    assert_int_equal(warnings.len, 0);
    whs_subscription_unref(made);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_draft_becomes_a_value_that_owns_its_texts),
        cmocka_unit_test(what_is_empty_or_absent_is_not_set),
        cmocka_unit_test(where_a_socket_names_a_url_its_events_do_not_go_there),
        cmocka_unit_test(all_mistakes_come_at_once),
        cmocka_unit_test(a_required_text_that_is_empty_is_missing),
        cmocka_unit_test(
            an_action_is_read_without_regard_to_case_and_must_be_the_resources),
        cmocka_unit_test(a_resource_is_a_path_of_the_catalog_with_a_bound_root),
        cmocka_unit_test(a_subscription_ends_in_the_future),
        cmocka_unit_test(a_subscription_lives_no_longer_than_allowed),
        cmocka_unit_test(a_socket_needs_the_name_of_an_event_and_http_a_url),
        cmocka_unit_test(texts_have_a_size_and_are_characters),
        cmocka_unit_test(max_retries_is_a_whole_number_from_0_to_100),
        cmocka_unit_test(delivery_is_a_strict_object),
        cmocka_unit_test(advice_is_given_without_refusing),
    };
    return cmocka_run_group_tests(tests, make_rules, drop_rules);
}
