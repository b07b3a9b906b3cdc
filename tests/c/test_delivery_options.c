/* SPDX-License-Identifier: MIT
 *
 * delivery_options: limits of a batch, what a header may be, and that nothing is
 * accepted which nobody obeys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "delivery_options.h"
#include "failing_alloc.h"
#include "texts.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* "field code" of each mistake, with ", " between them; "" when there is none. */
static void
show(const struct whs_field_errors *errors, struct whs_buf *out)
{
    whs_buf_reset(out);
    for (size_t i = 0; i < errors->len; i++) {
        whs_buf_append_slice(out, whs_slice_of(i > 0 ? ", " : ""));
        whs_buf_append_slice(out, whs_slice_of(errors->items[i].field));
        whs_buf_append_char(out, ' ');
        whs_buf_append_slice(out, whs_slice_of(errors->items[i].code));
        assert_true(whs_slice_is_utf8(whs_slice_of(errors->items[i].field)));
    }
    whs_buf_append_char(out, '\0');
}

/* The document must be freed after `options`, which borrow it. */
static struct whs_json *
read_options(struct whs_slice text, struct whs_delivery_options *options,
             struct whs_buf *mistakes)
{
    struct whs_json *document;
    struct whs_error err;
    struct whs_field_errors errors = {0};
    if (whs_json_parse(text, &document, &err) != WHS_OK)
        fail_msg("%.*s: %s", (int)text.len, text.ptr, err.message);
    whs_delivery_options_read(document, WHS_SLICE("X-Hash"), options, &errors);
    show(&errors, mistakes);
    whs_field_errors_fini(&errors);
    return document;
}

static void
expect(const char *text, const char *mistakes)
{
    struct whs_delivery_options options;
    struct whs_buf buf = {0};
    whs_json_free(read_options(whs_slice_of(text), &options, &buf));
    if (strcmp(buf.ptr, mistakes) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", text, buf.ptr, mistakes);
    whs_buf_fini(&buf);
}

static void
nothing_is_accepted_that_nobody_obeys(void **state)
{
    (void)state;
    expect("{}", "");
    expect("[]", "delivery type");
    expect("\"x\"", "delivery type");
    expect("null", "delivery type");
    expect("{\"ordering\":\"key\"}", "delivery.ordering unknown");
    expect("{\"tls\":{}}", "delivery.tls unknown");
    expect("{\"Batch\":{},\"HEADERS\":{}}",
           "delivery.Batch unknown, delivery.HEADERS unknown");
    expect("{\"\":1,\"__proto__\":{}}",
           "delivery. unknown, delivery.__proto__ unknown");
    expect("{\"headers\":5,\"batch\":5,\"ratePerSecond\":{},\"x\":5}",
           "delivery.headers type, delivery.batch type, "
           "delivery.ratePerSecond type, delivery.x unknown");
}

static void
a_rate_is_a_number_in_its_range(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        uint32_t micros;
        const char *mistakes;
    } rows[] = {
        {"5", 5000000, ""},
        {"0.01", 10000, ""},
        {"1000", 1000000000, ""},
        {"1e3", 1000000000, ""},
        {"0.016666666666666666", 16667, ""},
        {"2.5", 2500000, ""},
        {"0.009", 0, "delivery.ratePerSecond range"},
        {"1000.1", 0, "delivery.ratePerSecond range"},
        {"1e200", 0, "delivery.ratePerSecond range"},
        {"0", 0, "delivery.ratePerSecond range"},
        {"-0", 0, "delivery.ratePerSecond range"},
        {"-1", 0, "delivery.ratePerSecond range"},
        {"null", 0, "delivery.ratePerSecond type"},
        {"\"5\"", 0, "delivery.ratePerSecond type"},
        {"true", 0, "delivery.ratePerSecond type"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct whs_delivery_options options;
        struct whs_buf mistakes = {0};
        char text[64];
        snprintf(text, sizeof(text), "{\"ratePerSecond\":%s}", rows[i].value);
        whs_json_free(read_options(whs_slice_of(text), &options, &mistakes));
        assert_string_equal(mistakes.ptr, rows[i].mistakes);
        assert_int_equal(options.rate_micros, rows[i].micros);
        whs_buf_fini(&mistakes);
    }
}

/* --- Batches. -----------------------------------------------------------------------
 */

static void
a_batch_has_limits_with_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct whs_batching batching;
    } rows[] = {
        {"{}", {0, 0, 0}},
        {"{\"batch\":{\"maxNotifications\":1}}",
         {1, WHS_BATCH_BYTES_DEFAULT, WHS_BATCH_LINGER_MS_DEFAULT}},
        {"{\"batch\":{\"maxNotifications\":3.0,\"maxBytes\":1.024e3,\"lingerMs\":0}}",
         {3, 1024, 0}},
        {"{\"batch\":{\"lingerMs\":60000,\"maxBytes\":4194304,"
         "\"maxNotifications\":1000}}",
         {1000, 4194304, 60000}},
    };
    struct whs_buf mistakes = {0};
    for (size_t i = 0; i < LEN(rows); i++) {
        struct whs_delivery_options options;
        whs_json_free(read_options(whs_slice_of(rows[i].text), &options, &mistakes));
        assert_string_equal(mistakes.ptr, "");
        assert_memory_equal(&options.batching, &rows[i].batching,
                            sizeof(options.batching));
        assert_int_equal(options.header_count, 0);
    }
    whs_buf_fini(&mistakes);
}

static void
a_batch_beyond_its_limits_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *code;
    } rows[] = {
        {"maxNotifications", "0", "range"},
        {"maxNotifications", "-1", "range"},
        {"maxNotifications", "1001", "range"},
        {"maxNotifications", "1.5", "range"},
        {"maxNotifications", "1e200", "range"},
        {"maxNotifications", "-1e200", "range"},
        {"maxNotifications", "\"5\"", "type"},
        {"maxNotifications", "true", "type"},
        {"maxNotifications", "null", "type"},
        {"maxNotifications", "[1]", "type"},
        {"maxBytes", "1023", "range"},
        {"maxBytes", "4194305", "range"},
        {"maxBytes", "4294968320", "range"},
        {"maxBytes", "2000.5", "range"},
        {"maxBytes", "{}", "type"},
        {"lingerMs", "60001", "range"},
        {"lingerMs", "-0.5", "range"},
        {"lingerMs", "-0", "range"},
        {"lingerMs", "-0.0", "range"},
        {"lingerMs", "-1", "range"},
        {"lingerMs", "1e-200", "range"},
        {"lingerMs", "\"\"", "type"},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        bool count = strcmp(rows[i].name, "maxNotifications") == 0;
        char text[128], mistakes[128];
        snprintf(text, sizeof(text), "{\"batch\":{\"%s\":%s%s}}", rows[i].name,
                 rows[i].value, count ? "" : ",\"maxNotifications\":5");
        snprintf(mistakes, sizeof(mistakes), "delivery.batch.%s %s", rows[i].name,
                 rows[i].code);
        expect(text, mistakes);
    }
    expect("{\"batch\":{}}", "delivery.batch.maxNotifications required");
    expect("{\"batch\":[]}", "delivery.batch type");
    expect("{\"batch\":null}", "delivery.batch type");
    expect("{\"batch\":{\"maxBytes\":1,\"LingerMs\":1,\"max\":2}}",
           "delivery.batch.maxBytes range, delivery.batch.LingerMs unknown, "
           "delivery.batch.max unknown, delivery.batch.maxNotifications required");
}

/* --- Headers. -----------------------------------------------------------------------
 */

/* One header, its name and value written as JSON. */
static void
expect_header(struct whs_slice name, struct whs_slice value, const char *mistakes)
{
    struct whs_buf text = {0}, shown = {0};
    struct whs_delivery_options options;
    whs_buf_append(&text, "{\"headers\":{", 12);
    whs_json_append_string(&text, name);
    whs_buf_append_char(&text, ':');
    whs_json_append_string(&text, value);
    whs_buf_append(&text, "}}", 2);
    struct whs_json *document = read_options(whs_buf_slice(&text), &options, &shown);
    if (strcmp(shown.ptr, mistakes) != 0)
        fail_msg("%.*s: \"%s\", not \"%s\"", (int)text.len, text.ptr, shown.ptr,
                 mistakes);
    assert_int_equal(options.header_count, *mistakes == '\0');
    if (*mistakes == '\0') {
        assert_true(whs_slice_equal(options.headers[0].name, name));
        assert_true(whs_slice_equal(options.headers[0].value, value));
    }
    whs_json_free(document);
    whs_buf_fini(&text);
    whs_buf_fini(&shown);
}

static void
a_header_is_named_by_a_token(void **state)
{
    (void)state;
    static const char tokens[] = "!#$%&'*+-.^_`|~0123456789"
                                 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (int c = 1; c < 0x80; c++) {
        char name[] = {'X', '-', (char)c, 'a'};
        expect_header((struct whs_slice){name, sizeof(name)}, WHS_SLICE("v"),
                      strchr(tokens, c) ? "" : "delivery.headers format");
    }
    expect_header(WHS_SLICE(""), WHS_SLICE("v"), "delivery.headers format");
    expect_header(WHS_SLICE("X\r\nEvil: 1"), WHS_SLICE("v"), "delivery.headers format");
    expect_header(WHS_SLICE("X:Y"), WHS_SLICE("v"), "delivery.headers format");
    expect_header(WHS_SLICE("X-\xc3\xa9"), WHS_SLICE("v"), "delivery.headers format");
    struct whs_slice name = texts_repeat('n', WHS_HEADER_NAME_BYTES_MAX + 1);
    expect_header(name, WHS_SLICE("v"), "delivery.headers format");
    name.len--;
    expect_header(name, WHS_SLICE("v"), "");
    texts_free(name);
}

static void
what_the_sender_sets_itself_is_forbidden_in_any_case(void **state)
{
    (void)state;
    static const char *const names[] = {"host",
                                        "Host",
                                        "content-length",
                                        "Content-Length",
                                        "content-type",
                                        "Content-Encoding",
                                        "Connection",
                                        "Expect",
                                        "Upgrade",
                                        "TE",
                                        "Trailer",
                                        "transfer-encoding",
                                        "Cookie",
                                        "Keep-Alive",
                                        "integrityHash",
                                        "INTEGRITYHASH",
                                        "Date",
                                        "Via",
                                        "Accept-Encoding",
                                        "HTTP2-Settings",
                                        "User-Agent",
                                        "Webhook-Id",
                                        "webhook-timestamp",
                                        "WEBHOOK-SIGNATURE",
                                        "webhook-",
                                        "Proxy-Authorization",
                                        "proxy-x",
                                        "Proxy-Connection",
                                        "Sec-Fetch-Site"};
    for (size_t i = 0; i < LEN(names); i++) {
        char mistake[64];
        snprintf(mistake, sizeof(mistake), "delivery.headers.%s forbidden", names[i]);
        expect_header(whs_slice_of(names[i]), WHS_SLICE("v"), mistake);
    }
    static const char *const others[] = {"Authorization", "X-Host",     "webhook",
                                         "hos",           "hostx",      "X-Webhook-Id",
                                         "proxy",         "traceparent"};
    for (size_t i = 0; i < LEN(others); i++)
        expect_header(whs_slice_of(others[i]), WHS_SLICE("v"), "");
}

static void
a_value_is_visible_ascii_with_spaces_and_tabs(void **state)
{
    (void)state;
    for (int c = 1; c < 0x80; c++) {
        char value[] = {'a', (char)c, 'b'};
        expect_header(
            WHS_SLICE("X-A"), (struct whs_slice){value, sizeof(value)},
            (c >= 0x20 && c < 0x7f) || c == '\t' ? "" : "delivery.headers.X-A format");
    }
    expect_header(WHS_SLICE("X-A"), WHS_SLICE(""), "");
    expect_header(WHS_SLICE("X-A"), WHS_SLICE("Bearer a; b=\"c\""), "");
    expect_header(WHS_SLICE("X-A"), WHS_SLICE("a\r\nX-Evil: 1"),
                  "delivery.headers.X-A format");
    expect_header(WHS_SLICE("X-A"), WHS_SLICE("\xc3\xa9"),
                  "delivery.headers.X-A format");
    /* Receivers cut blanks at the ends (RFC 9110 section 5.5), and libcurl leaves a
     * field of blanks away. */
    static const char *const blanks[] = {" ", "\t", "   ", " a", "a ", "\ta", "a\t"};
    for (size_t i = 0; i < LEN(blanks); i++)
        expect_header(WHS_SLICE("X-A"), whs_slice_of(blanks[i]),
                      "delivery.headers.X-A format");
    struct whs_slice value = texts_repeat('v', WHS_HEADER_VALUE_BYTES_MAX + 1);
    expect_header(WHS_SLICE("X-A"), value, "delivery.headers.X-A format");
    value.len--;
    expect_header(WHS_SLICE("X-A"), value, "");
    texts_free(value);
    expect("{\"headers\":{\"a\":1,\"b\":null,\"c\":true,\"d\":[\"v\"],\"e\":{}}}",
           "delivery.headers.a type, delivery.headers.b type, delivery.headers.c type, "
           "delivery.headers.d type, delivery.headers.e type");
}

static void
headers_that_differ_by_case_are_duplicates(void **state)
{
    (void)state;
    expect("{\"headers\":{\"X-A\":\"1\",\"x-a\":\"2\",\"X-B\":\"3\",\"X-b\":\"4\"}}",
           "delivery.headers.x-a duplicate, delivery.headers.X-b duplicate");
    expect("{\"headers\":{\"X-A\":\"1\",\"X_A\":\"2\",\"X-\":\"3\"}}", "");
    expect("{\"headers\":[]}", "delivery.headers type");
    expect("{\"headers\":null}", "delivery.headers type");
    expect("{\"headers\":{}}", "");
}

static void
the_operators_name_of_the_hash_is_forbidden_too(void **state)
{
    (void)state;
    expect("{\"headers\":{\"X-Hash\":\"1\"}}", "delivery.headers.X-Hash forbidden");
    expect("{\"headers\":{\"x-hash\":\"1\"}}", "delivery.headers.x-hash forbidden");
    expect("{\"headers\":{\"integrityHash\":\"1\"}}",
           "delivery.headers.integrityHash forbidden");
    expect("{\"headers\":{\"X-Hashes\":\"1\"}}", "");
}

static void
there_are_50_headers_at_most_in_their_order(void **state)
{
    (void)state;
    for (size_t count = WHS_HEADERS_MAX; count <= WHS_HEADERS_MAX + 30; count += 15) {
        struct whs_buf text = {0}, mistakes = {0};
        struct whs_delivery_options options;
        for (size_t i = 0; i < count; i++) {
            char one[32];
            snprintf(one, sizeof(one), "%s\"X-%zu\":\"%zu\"",
                     i > 0 ? "," : "{\"headers\":{", i, i);
            whs_buf_append_slice(&text, whs_slice_of(one));
        }
        whs_buf_append(&text, "}}", 2);
        struct whs_json *document =
            read_options(whs_buf_slice(&text), &options, &mistakes);
        assert_string_equal(mistakes.ptr,
                            count > WHS_HEADERS_MAX ? "delivery.headers range" : "");
        assert_int_equal(options.header_count, WHS_HEADERS_MAX);
        assert_true(whs_slice_equal(options.headers[49].name, WHS_SLICE("X-49")));
        whs_json_free(document);
        whs_buf_fini(&text);
        whs_buf_fini(&mistakes);
    }
}

static void
a_mistake_never_shows_a_value_and_its_field_is_whole_characters(void **state)
{
    (void)state;
    struct whs_json *document;
    struct whs_field_errors errors = {0};
    struct whs_buf text = {0};
    whs_buf_append_slice(
        &text,
        WHS_SLICE("{\"headers\":{\"host\":\"CANARY\",\"X-A\":\"CANARY\\n\","
                  "\"X-B\":\"1\",\"x-b\":\"CANARY\"},\"batch\":{\"y\":\"CANARY\"},"
                  "\"ratePerSecond\":\"CANARY\",\"x"));
    for (int i = 0; i < 200; i++)
        whs_buf_append(&text, "\xc3\xa9", 2);
    whs_buf_append(&text, "\":\"CANARY\"}", 11);
    assert_int_equal(whs_json_parse(whs_buf_slice(&text), &document, NULL), WHS_OK);
    struct whs_delivery_options options;
    whs_delivery_options_read(document, WHS_SLICE("X-Hash"), &options, &errors);
    assert_int_equal(errors.len, 7);
    for (size_t i = 0; i < errors.len; i++) {
        assert_null(strstr(errors.items[i].message, "CANARY"));
        assert_null(strstr(errors.items[i].field, "CANARY"));
        assert_true(whs_slice_is_utf8(whs_slice_of(errors.items[i].field)));
        assert_true(strlen(errors.items[i].field) <= 128);
    }
    whs_field_errors_fini(&errors);
    whs_json_free(document);
    whs_buf_fini(&text);
}

static void
without_memory_mistakes_are_not_lost_silently(void **state)
{
    (void)state;
    struct whs_json *document;
    struct whs_slice text =
        WHS_SLICE("{\"headers\":{\"host\":\"\",\"A\":\"\"},\"batch\":{},\"x\":1}");
    assert_int_equal(whs_json_parse(text, &document, NULL), WHS_OK);
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_field_errors errors = {0};
        struct whs_delivery_options options;
        whs_delivery_options_read(document, WHS_SLICE("X-Hash"), &options, &errors);
        failing_alloc_end();
        assert_int_equal(errors.no_memory, failing_alloc_happened());
        assert_int_equal(errors.len, errors.no_memory ? 2 : 3);
        whs_field_errors_fini(&errors);
    }
    whs_json_free(document);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_accepted_that_nobody_obeys),
        cmocka_unit_test(a_rate_is_a_number_in_its_range),
        cmocka_unit_test(a_batch_has_limits_with_defaults),
        cmocka_unit_test(a_batch_beyond_its_limits_is_refused),
        cmocka_unit_test(a_header_is_named_by_a_token),
        cmocka_unit_test(what_the_sender_sets_itself_is_forbidden_in_any_case),
        cmocka_unit_test(the_operators_name_of_the_hash_is_forbidden_too),
        cmocka_unit_test(a_value_is_visible_ascii_with_spaces_and_tabs),
        cmocka_unit_test(headers_that_differ_by_case_are_duplicates),
        cmocka_unit_test(there_are_50_headers_at_most_in_their_order),
        cmocka_unit_test(
            a_mistake_never_shows_a_value_and_its_field_is_whole_characters),
        cmocka_unit_test(without_memory_mistakes_are_not_lost_silently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
