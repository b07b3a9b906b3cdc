/* SPDX-License-Identifier: MIT
 *
 * subscription_json: documents, read strictly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "documents.h"
#include "subscription.h"
#include "texts.h"

#define TEXT(literal)                                                                  \
    {                                                                                  \
        literal, sizeof(literal) - 1                                                   \
    }
#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static struct whs_subscription_rules rules;
static const struct whs_subscription_identity known = {
    .id = {"sub_1", 5},
    .owner = {"auth0|1", 7},
    .status = {"disabled", 8},
    .status_reason = {"gone", 4},
    .created_at = {"2026-01-01T00:00:00.000Z", 24},
    .updated_at = {"2026-01-02T00:00:00.000Z", 24},
    .known = true,
    .has_integrity_key = true};

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

/* The mistakes of a document, as documents_mistakes tells them. */
static const char *
judge(struct whs_slice text, const struct whs_subscription_identity *identity,
      enum whs_key_change *change)
{
    struct whs_field_errors errors = {0};
    struct whs_subscription *made;
    struct whs_slice exact = texts_exact(text);
    enum whs_status status =
        whs_subscription_parse(exact, &rules, identity, &made, change, &errors, NULL);
    const char *mistakes = documents_mistakes(&errors);
    texts_free(exact);
    assert_int_equal(status, errors.len > 0 ? WHS_INVALID : WHS_OK);
    assert_int_equal(made == NULL, status != WHS_OK);
    whs_field_errors_fini(&errors);
    whs_subscription_unref(made);
    return mistakes;
}

/* DOCUMENTS_LEAST with `more` behind it. */
static void
expect_more(const char *more, const struct whs_subscription_identity *identity,
            const char *mistakes)
{
    struct whs_buf text = {0};
    whs_buf_append_slice(&text, WHS_SLICE(DOCUMENTS_LEAST));
    whs_buf_append_slice(&text, whs_slice_of(more));
    whs_buf_append_char(&text, '}');
    const char *got = judge(whs_buf_slice(&text), identity, NULL);
    if (strcmp(got, mistakes) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", more, got, mistakes);
    whs_buf_fini(&text);
}

/* --- The reference's sample. --------------------------------------------------------
 */

static void
the_sample_as_printed_has_exactly_two_mistakes(void **state)
{
    (void)state;
    struct whs_slice sample =
        WHS_SLICE("{\"modificationType\": \"Create\", \"notificationUrl\": \"string\", "
                  "\"resource\": \"tenant/{tenantId}/sidedrawer\", "
                  "\"expirationDateTime\": \"2029-07-07T14:40:40-03:00\",\n"
                  " \"brandCode\": \"mybrand\", \"notificationMessages\": \"\", "
                  "\"integrityKey\": \"\", \"maxRetries\": 0}");
    assert_string_equal(judge(sample, NULL, NULL),
                        "notificationUrl scheme, resource unbound");
}

static void
the_sample_with_a_canary_tells_three_mistakes_and_not_the_key(void **state)
{
    (void)state;
    struct whs_slice sample =
        WHS_SLICE("{\"modificationType\": \"Create\", \"notificationUrl\": \"string\", "
                  "\"resource\": \"tenant/{tenantId}/sidedrawer\", "
                  "\"expirationDateTime\": \"2029-07-07T14:40:40-03:00\", "
                  "\"brandCode\": \"mybrand\", \"notificationMessages\": \"\", "
                  "\"integrityKey\": \"CANARY\", \"maxRetries\": 0, \"webhookSecret\": "
                  "\"CANARY\"}");
    struct whs_field_errors errors = {0};
    struct whs_warnings warnings = {0};
    struct whs_subscription *made;
    assert_int_equal(
        whs_subscription_parse(sample, &rules, NULL, &made, NULL, &errors, &warnings),
        WHS_INVALID);
    assert_string_equal(
        documents_mistakes(&errors),
        "webhookSecret unknown, notificationUrl scheme, resource unbound");
    for (size_t i = 0; i < errors.len; i++)
        assert_null(strstr(errors.items[i].message, "CANARY"));
    for (size_t i = 0; i < warnings.len; i++)
        assert_null(strstr(warnings.items[i], "CANARY"));
    whs_field_errors_fini(&errors);
}

static void
no_mistake_shows_what_was_sent(void **state)
{
    (void)state;
    static const char *const texts[] = {
        DOCUMENTS_LEAST ",\"integrityKey\":\"whsec_CANARY!\"}",
        DOCUMENTS_LEAST ",\"integrityKey\":\"CANARY\\n\"}",
        DOCUMENTS_LEAST ",\"integrityKey\":[\"CANARY\"]}",
        DOCUMENTS_LEAST ",\"integritykey\":\"CANARY\"}",
        DOCUMENTS_LEAST ",\"integrityKey\":\"CANARY\",\"integrityKey\":\"CANARY\"}",
        DOCUMENTS_LEAST ",\"integrityKey\":\"CANARY}",
        DOCUMENTS_LEAST ",\"integrityKey\":\"CANARY\"}CANARY",
        DOCUMENTS_LEAST ",\"integrityKey\":CANARY}",
        DOCUMENTS_LEAST ",\"id\":\"CANARY\",\"brandCode\":\"CANARY\\n\"}",
        DOCUMENTS_LEAST ",\"maxRetries\":\"CANARY\",\"connectionType\":\"CANARY\"}",
        DOCUMENTS_LEAST ",\"delivery\":{\"headers\":{\"host\":\"CANARY\"}}}",
        "\"CANARY\"",
        "CANARY",
        "{\"notificationUrl\":\"https://u:CANARY@h/\",\"resource\":\"CANARY\","
        "\"expirationDateTime\":\"CANARY\",\"modificationType\":\"CANARY\"}",
        "{\"notificationUrl\":\"https://h:22/CANARY\",\"resource\":\"/CANARY\"}",
        "{\"resource\":\"tenant/{CANARY}/sidedrawer\"}",
        "{\"notificationUrl\":\"CANARY\",\"resource\":\"tenant/CANARY/x\"}",
    };
    for (size_t i = 0; i < LEN(texts); i++) {
        struct whs_field_errors errors = {0};
        struct whs_subscription *made;
        if (whs_subscription_parse(whs_slice_of(texts[i]), &rules, NULL, &made, NULL,
                                   &errors, NULL) != WHS_INVALID)
            fail_msg("%s", texts[i]);
        for (size_t j = 0; j < errors.len; j++)
            if (strstr(errors.items[j].message, "CANARY"))
                fail_msg("%s: %s", texts[i], errors.items[j].message);
        whs_field_errors_fini(&errors);
    }
}

/* --- Strictness. --------------------------------------------------------------------
 */

static void
what_is_no_strict_document_is_one_mistake(void **state)
{
    (void)state;
    static const struct whs_slice texts[] = {
        TEXT(""),
        TEXT(DOCUMENTS_LEAST),
        TEXT(DOCUMENTS_LEAST "}}"),
        TEXT(DOCUMENTS_LEAST "} {}"),
        TEXT(DOCUMENTS_LEAST "}\0"),
        TEXT(DOCUMENTS_LEAST ",}"),
        TEXT("\xef\xbb\xbf" DOCUMENTS_LEAST "}"),
        TEXT("{\0\"\0a\0\"\0"),
        TEXT(DOCUMENTS_LEAST ",\"resource\":\"tenant/t1/sidedrawer\"}"),
        TEXT(DOCUMENTS_LEAST ",\"\\u0072esource\":\"tenant/t1/sidedrawer\"}"),
        TEXT(DOCUMENTS_LEAST ",\"delivery\":{\"batch\":1,\"batc\\u0068\":2}}"),
        TEXT(DOCUMENTS_LEAST ",\"brandCode\":\"a\\u0000b\"}"),
        TEXT(DOCUMENTS_LEAST ",\"brand\\u0000Code\":\"a\"}"),
        TEXT(DOCUMENTS_LEAST ",\"brandCode\":\"a\0b\"}"),
        TEXT(DOCUMENTS_LEAST ",\"brandCode\":\"\xff\"}"),
        TEXT(DOCUMENTS_LEAST ",\"brandCode\":\"\xc0\xaf\"}"),
        TEXT(DOCUMENTS_LEAST ",\"brandCode\":\"\xed\xa0\x80\"}"),
        TEXT(DOCUMENTS_LEAST ",\"brandCode\":\"\\ud800\"}"),
        TEXT(DOCUMENTS_LEAST ",\"brandCode\":\"\\udc00\\ud800\"}"),
        TEXT(DOCUMENTS_LEAST ",\"brandCode\":\"a\tb\"}"),
        TEXT(DOCUMENTS_LEAST ",\"maxRetries\":1e999}"),
        TEXT(DOCUMENTS_LEAST ",\"maxRetries\":1e-400}"),
        TEXT(DOCUMENTS_LEAST ",\"maxRetries\":NaN}"),
        TEXT(DOCUMENTS_LEAST ",\"maxRetries\":Infinity}"),
        TEXT(DOCUMENTS_LEAST ",\"maxRetries\":007}"),
        TEXT(DOCUMENTS_LEAST ",\"maxRetries\":1.}"),
        TEXT(DOCUMENTS_LEAST "/* no */}"),
    };
    for (size_t i = 0; i < LEN(texts); i++)
        if (strcmp(judge(texts[i], NULL, NULL), " json") != 0)
            fail_msg("row %zu: %s", i, texts[i].ptr);
    static const char *const others[] = {"[]", "null",  "true",
                                         "1",  "\"x\"", "[" DOCUMENTS_LEAST "}]"};
    for (size_t i = 0; i < LEN(others); i++)
        assert_string_equal(judge(whs_slice_of(others[i]), NULL, NULL), " type");
}

static void
depth_is_bounded(void **state)
{
    (void)state;
    struct whs_slice open = texts_repeat('[', 40), close = texts_repeat(']', 40);
    for (int depth = 31; depth <= 32; depth++) {
        struct whs_buf text = {0};
        whs_buf_append_slice(&text, WHS_SLICE(DOCUMENTS_LEAST ",\"x\":"));
        whs_buf_append(&text, open.ptr, (size_t)depth);
        whs_buf_append(&text, close.ptr, (size_t)depth);
        whs_buf_append_char(&text, '}');
        assert_string_equal(judge(whs_buf_slice(&text), NULL, NULL),
                            depth == 31 ? "x unknown" : " json");
        whs_buf_fini(&text);
    }
    texts_free(open);
    texts_free(close);
}

static void
a_field_is_known_by_its_exact_name(void **state)
{
    (void)state;
    expect_more("", NULL, "");
    expect_more(",\"url\":\"x\"", NULL, "url unknown");
    expect_more(",\"Resource\":\"x\",\"NOTIFICATIONURL\":\"x\",\"maxretries\":1", NULL,
                "Resource unknown, NOTIFICATIONURL unknown, maxretries unknown");
    expect_more(",\"\":1,\"__proto__\":{},\"__class__\":null,\"resource \":1", NULL,
                " unknown, __proto__ unknown, __class__ unknown, resource  unknown");
    expect_more(",\"ID\":\"sub_1\",\"Delivery\":{}", &known,
                "ID unknown, Delivery unknown");
    /* A name may be spelt with escapes. */
    expect_more(",\"brand\\u0043ode\":\"x\"", NULL, "");
    assert_string_equal(
        judge(WHS_SLICE("{\"Resource\":\"tenant/t1/sidedrawer\"}"), NULL, NULL),
        "Resource unknown, modificationType required, notificationUrl required, "
        "resource required, expirationDateTime required");
}

static void
a_value_has_its_type_and_is_then_not_missing_too(void **state)
{
    (void)state;
    static const char *const names[] = {
        "modificationType",     "notificationUrl", "resource",
        "expirationDateTime",   "connectionType",  "brandCode",
        "notificationMessages", "integrityKey"};
    static const char *const values[] = {"5", "true", "[\"any\"]", "{}"};
    struct whs_buf text = {0}, mistakes = {0};
    for (size_t v = 0; v < LEN(values); v++) {
        whs_buf_reset(&text);
        whs_buf_reset(&mistakes);
        for (size_t i = 0; i < LEN(names); i++) {
            char part[64];
            snprintf(part, sizeof(part), "%s\"%s\":%s", i > 0 ? "," : "{", names[i],
                     values[v]);
            whs_buf_append_slice(&text, whs_slice_of(part));
            snprintf(part, sizeof(part), "%s%s type", i > 0 ? ", " : "", names[i]);
            whs_buf_append_slice(&mistakes, whs_slice_of(part));
        }
        whs_buf_append_char(&text, '}');
        whs_buf_append_char(&mistakes, '\0');
        assert_string_equal(judge(whs_buf_slice(&text), NULL, NULL), mistakes.ptr);
    }
    whs_buf_fini(&text);
    whs_buf_fini(&mistakes);
    expect_more(",\"delivery\":5", NULL, "delivery type");
    expect_more(",\"delivery\":[1,{\"a\":[]}]", NULL, "delivery type");
    expect_more(",\"maxRetries\":\"5\"", NULL, "maxRetries type");
    expect_more(",\"maxRetries\":true", NULL, "maxRetries type");
}

static void
null_is_not_set(void **state)
{
    (void)state;
    expect_more(",\"connectionType\":null,\"notificationMessages\":null,"
                "\"brandCode\":null,\"integrityKey\":null,\"maxRetries\":null,"
                "\"delivery\":null",
                NULL, "");
    assert_string_equal(
        judge(WHS_SLICE("{\"modificationType\":null,\"resource\":null}"), NULL, NULL),
        "modificationType required, notificationUrl required, "
        "resource required, expirationDateTime required");
}

static void
numbers_are_whole_and_within_their_range(void **state)
{
    (void)state;
    static const struct {
        const char *value, *mistakes;
    } rows[] = {{"0", ""},
                {"3.0", ""},
                {"1e2", ""},
                {"100", ""},
                {"10000e-2", ""},
                {"1.5", "maxRetries range"},
                {"-1", "maxRetries range"},
                {"-0", "maxRetries range"},
                {"101", "maxRetries range"},
                {"9007199254740993", "maxRetries range"},
                {"99999999999999999999", "maxRetries range"},
                {"1e200", "maxRetries range"},
                {"1e-200", "maxRetries range"}};
    for (size_t i = 0; i < LEN(rows); i++) {
        char more[64];
        snprintf(more, sizeof(more), ",\"maxRetries\":%s", rows[i].value);
        expect_more(more, NULL, rows[i].mistakes);
    }
    expect_more(",\"delivery\":{\"batch\":{\"maxNotifications\":3.0}}", NULL, "");
    expect_more(",\"delivery\":{\"batch\":{\"maxNotifications\":1.5}}", NULL,
                "delivery.batch.maxNotifications range");
    expect_more(
        ",\"delivery\":{\"batch\":{\"maxNotifications\":1e200,\"lingerMs\":-1e18,"
        "\"maxBytes\":-0}}",
        NULL,
        "delivery.batch.maxNotifications range, delivery.batch.lingerMs range, "
        "delivery.batch.maxBytes range");
    expect_more(",\"delivery\":{\"batch\":{\"maxNotifications\":1.00000000001}}", NULL,
                "delivery.batch.maxNotifications range");
    expect_more(",\"delivery\":{\"ratePerSecond\":0.25}", NULL, "");
    expect_more(",\"delivery\":{\"ratePerSecond\":1e-7}", NULL,
                "delivery.ratePerSecond range");
    expect_more(",\"delivery\":{\"ratePerSecond\":-0.25}", NULL,
                "delivery.ratePerSecond range");
}

static void
there_are_a_hundred_mistakes_at_most(void **state)
{
    (void)state;
    struct whs_buf text = {0};
    struct whs_field_errors errors = {0};
    struct whs_subscription *made;
    whs_buf_append_slice(&text, WHS_SLICE(DOCUMENTS_LEAST));
    for (int i = 0; i < 10000; i++) {
        char part[32];
        snprintf(part, sizeof(part), ",\"x%d\":[]", i);
        whs_buf_append_slice(&text, whs_slice_of(part));
    }
    whs_buf_append_char(&text, '}');
    assert_int_equal(whs_subscription_parse(whs_buf_slice(&text), &rules, NULL, &made,
                                            NULL, &errors, NULL),
                     WHS_INVALID);
    assert_int_equal(errors.len, WHS_FIELD_ERRORS_MAX);
    assert_string_equal(errors.items[99].field, "x99");
    whs_field_errors_fini(&errors);
    whs_buf_fini(&text);
}

/* --- What the service makes, and the key. --------------------------------------------
 */

static void
what_the_service_makes_may_be_repeated_but_not_changed(void **state)
{
    (void)state;
    static const struct {
        const char *name, *same, *changed;
    } rows[] = {
        {"id", "\"sub_1\"", "\"sub_2\""},
        {"id", "\"sub_\\u0031\"", "\"SUB_1\""},
        {"id", "\"sub_1\"", "1"},
        {"owner", "\"auth0|1\"", "\"\""},
        {"status", "\"disabled\"", "\"Disabled\""},
        {"status", "\"disabled\"", "null"},
        {"statusReason", "\"gone\"", "\"disabled\""},
        {"createdAt", "\"2026-01-01T00:00:00.000Z\"", "\"2026-01-01T00:00:00Z\""},
        {"updatedAt", "\"2026-01-02T00:00:00.000Z\"", "\"2026-01-01T00:00:00.000Z\""},
        {"hasIntegrityKey", "true", "false"},
        {"hasIntegrityKey", "true", "\"true\""},
        {"hasIntegrityKey", "true", "1"},
    };
    static const struct whs_subscription_identity no_key = {
        .id = {"sub_1", 5}, .known = true, .has_integrity_key = false};
    static const struct whs_subscription_identity creating = {.id = {"sub_1", 5}};
    for (size_t i = 0; i < LEN(rows); i++) {
        char same[96], changed[96], mistake[64];
        snprintf(same, sizeof(same), ",\"%s\":%s", rows[i].name, rows[i].same);
        snprintf(changed, sizeof(changed), ",\"%s\":%s", rows[i].name, rows[i].changed);
        snprintf(mistake, sizeof(mistake), "%s read_only", rows[i].name);
        expect_more(same, &known, "");
        expect_more(changed, &known, mistake);
        expect_more(same, NULL, mistake);
        expect_more(same, &creating, mistake);
    }
    expect_more(",\"hasIntegrityKey\":false", &no_key, "");
    expect_more(",\"hasIntegrityKey\":false", NULL, "hasIntegrityKey read_only");
    /* Absent here: this document may not hold it. */
    expect_more(",\"owner\":\"\"", &no_key, "owner read_only");
    expect_more(",\"id\":\"sub_1\",\"owner\":\"auth0|1\",\"status\":\"disabled\","
                "\"createdAt\":\"2026-01-01T00:00:00.000Z\","
                "\"updatedAt\":\"2026-01-02T00:00:00.000Z\",\"hasIntegrityKey\":true",
                &known, "");
}

static void
a_key_is_kept_cleared_or_set(void **state)
{
    (void)state;
    static const struct {
        struct whs_slice text;
        enum whs_key_change change;
    } rows[] = {
        {TEXT(DOCUMENTS_LEAST "}"), WHS_KEY_ABSENT},
        {TEXT(DOCUMENTS_LEAST ",\"integrityKey\":\"\"}"), WHS_KEY_CLEARED},
        {TEXT(DOCUMENTS_LEAST ",\"integrityKey\":null}"), WHS_KEY_CLEARED},
        {TEXT(DOCUMENTS_LEAST ",\"integrityKey\":\"k\"}"), WHS_KEY_SET},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        enum whs_key_change change = (enum whs_key_change)99;
        assert_string_equal(judge(rows[i].text, &known, &change), "");
        assert_int_equal(change, rows[i].change);
    }
    /* A document that cannot be read says nothing of it. */
    enum whs_key_change change = (enum whs_key_change)99;
    assert_string_equal(judge(WHS_SLICE("{"), &known, &change), " json");
    assert_int_equal(change, WHS_KEY_ABSENT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_as_printed_has_exactly_two_mistakes),
        cmocka_unit_test(the_sample_with_a_canary_tells_three_mistakes_and_not_the_key),
        cmocka_unit_test(no_mistake_shows_what_was_sent),
        cmocka_unit_test(what_is_no_strict_document_is_one_mistake),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(a_field_is_known_by_its_exact_name),
        cmocka_unit_test(a_value_has_its_type_and_is_then_not_missing_too),
        cmocka_unit_test(null_is_not_set),
        cmocka_unit_test(numbers_are_whole_and_within_their_range),
        cmocka_unit_test(there_are_a_hundred_mistakes_at_most),
        cmocka_unit_test(what_the_service_makes_may_be_repeated_but_not_changed),
        cmocka_unit_test(a_key_is_kept_cleared_or_set),
    };
    return cmocka_run_group_tests(tests, make_rules, drop_rules);
}
