/* SPDX-License-Identifier: MIT
 *
 * json: syntax, strictness, the tree, writing.
 */
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "json.h"
#include "texts.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define TEXT(literal)                                                                  \
    {                                                                                  \
        literal, sizeof(literal) - 1                                                   \
    }

static enum whs_status
check(struct whs_slice text, unsigned depth_max, struct whs_error *err)
{
    struct whs_slice exact = texts_exact(text);
    enum whs_status status = whs_json_check(exact, depth_max, err);
    texts_free(exact);
    return status;
}

static enum whs_status
parse(struct whs_slice text, struct whs_error *err)
{
    struct whs_slice exact = texts_exact(text);
    struct whs_json *document;
    enum whs_status status = whs_json_parse(exact, &document, err);
    assert_int_equal(status == WHS_OK, document != NULL);
    whs_json_free(document);
    texts_free(exact);
    return status;
}

/* Both agree on what is no JSON at all. */
static const struct whs_slice broken[] = {
    TEXT(""),
    TEXT(" "),
    TEXT("nul"),
    TEXT("nulL"),
    TEXT("True"),
    TEXT("NaN"),
    TEXT("Infinity"),
    TEXT("-"),
    TEXT("-a"),
    TEXT("+1"),
    TEXT(".5"),
    TEXT("1."),
    TEXT("1.e5"),
    TEXT("1e"),
    TEXT("1e+"),
    TEXT("007"),
    TEXT("-01"),
    TEXT("0x10"),
    TEXT("1 2"),
    TEXT("{} {}"),
    TEXT("{}x"),
    TEXT("[]]"),
    TEXT("["),
    TEXT("[1"),
    TEXT("[1,"),
    TEXT("[1,]"),
    TEXT("[,1]"),
    TEXT("[1 2]"),
    TEXT("[}"),
    TEXT("{]"),
    TEXT("{"),
    TEXT("{\"a\""),
    TEXT("{\"a\":"),
    TEXT("{\"a\":1"),
    TEXT("{\"a\":1,"),
    TEXT("{\"a\":1,}"),
    TEXT("{\"a\" 1}"),
    TEXT("{\"a\":}"),
    TEXT("{a:1}"),
    TEXT("{1:1}"),
    TEXT("{'a':1}"),
    TEXT("'a'"),
    TEXT("\""),
    TEXT("\"a"),
    TEXT("\"\\"),
    TEXT("\"\\\""),
    TEXT("\"\\x\""),
    TEXT("\"\\u12\""),
    TEXT("\"\\u12g4\""),
    TEXT("\"\\u\""),
    TEXT("\"a\nb\""),
    TEXT("\"a\tb\""),
    TEXT("\"a\0b\""),
    TEXT("\"\\\0\""),
    TEXT("\0"),
    TEXT("{}\0"),
    TEXT("[1]/* no */"),
    TEXT("// no\n[1]"),
    TEXT("\xef\xbb\xbf{}"),
    TEXT("{\0\"\0a\0\"\0:\0001\0}\0"),
    TEXT("\"\xff\""),
    TEXT("\"\xc0\xaf\""),
    TEXT("\"\xe0\x80\xaf\""),
    TEXT("\"\xed\xa0\x80\""),
    TEXT("\"\xed\xa0\xbd\xed\xb8\x80\""),
    TEXT("\"\xf4\x90\x80\x80\""),
    TEXT("\"\xc3\""),
};

static void
what_is_no_json_is_refused_by_both(void **state)
{
    (void)state;
    struct whs_error err;
    for (size_t i = 0; i < LEN(broken); i++) {
        err.message[0] = '\0';
        if (check(broken[i], 64, &err) != WHS_INVALID || err.message[0] == '\0' ||
            parse(broken[i], &err) != WHS_INVALID)
            fail_msg("row %zu: %.*s", i, (int)broken[i].len, broken[i].ptr);
    }
    assert_int_equal(whs_json_check((struct whs_slice){0}, 64, NULL), WHS_INVALID);
}

static void
what_is_json_is_accepted_by_both(void **state)
{
    (void)state;
    static const struct whs_slice good[] = {
        TEXT("null"),
        TEXT(" true "),
        TEXT("\r\n\tfalse\r\n\t "),
        TEXT("0"),
        TEXT("-0"),
        TEXT("-1.5e+3"),
        TEXT("10E-2"),
        TEXT("\"\""),
        TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\""),
        TEXT("\"\x7f\xc3\xa9\xf0\x9f\x98\x80\""),
        TEXT("[]"),
        TEXT("[ ]"),
        TEXT("{ }"),
        TEXT("[[],{},[1,\"a\",null]]"),
        TEXT("{ \"a\" : { \"b\" : [ 1 , 2 ] } , \"\" : true }"),
    };
    for (size_t i = 0; i < LEN(good); i++)
        if (check(good[i], 64, NULL) != WHS_OK || parse(good[i], NULL) != WHS_OK)
            fail_msg("%.*s", (int)good[i].len, good[i].ptr);
}

static void
what_a_document_may_not_hold_may_still_travel_as_data(void **state)
{
    (void)state;
    static const struct whs_slice loose[] = {
        TEXT("\"\\u0000\""),
        TEXT("{\"a\\u0000b\":1}"),
        TEXT("{\"notificationUrl\":\"https://allowed.example\\u0000.evil\"}"),
        TEXT("\"\\ud800\""),
        TEXT("\"\\udc00\\ud800\""),
        TEXT("\"\\ud800\\u0041\""),
        TEXT("\"\\ud800\\ud800\""),
        TEXT("\"\\ud800\\n\""),
        TEXT("\"\\ud800x\""),
        TEXT("{\"\\uDFFF\":1}"),
        TEXT("1e999"),
        TEXT("[-1e999]"),
        TEXT("1e-400"),
        TEXT("1e201"),
        TEXT("1E-201"),
        TEXT("1e99999999999999999999"),
        TEXT("{\"a\":1,\"a\":2}"),
        TEXT("{\"url\":1,\"b\":2,\"\\u0075rl\":3}"),
        TEXT("[{\"x\":{\"\":1,\"\":1}}]"),
    };
    for (size_t i = 0; i < LEN(loose); i++)
        if (check(loose[i], 64, NULL) != WHS_OK || parse(loose[i], NULL) != WHS_INVALID)
            fail_msg("%.*s", (int)loose[i].len, loose[i].ptr);
}

/* Versions of cJSON differ in how many bytes of a number they read. */
static void
a_number_of_a_document_has_a_length(void **state)
{
    (void)state;
    struct whs_slice digits = texts_repeat('7', 64);
    struct whs_slice limit = {digits.ptr, 63};
    struct whs_json *document;
    assert_int_equal(whs_json_parse(limit, &document, NULL), WHS_OK);
    assert_in_range(whs_json_number(document) / 7.77e62, 1, 1);
    whs_json_free(document);
    assert_int_equal(parse(digits, NULL), WHS_INVALID);
    assert_int_equal(whs_json_check(digits, 1, NULL), WHS_OK);
    texts_free(digits);
    assert_int_equal(parse(WHS_SLICE("[1e200,-1E-200,0.00000000e+000]"), NULL), WHS_OK);
}

static void
keys_that_differ_are_not_the_same(void **state)
{
    (void)state;
    assert_int_equal(parse(WHS_SLICE("{\"url\":1,\"URL\":2,\"url \":3}"), NULL),
                     WHS_OK);
    /* NFC and NFD of one letter are two keys. */
    assert_int_equal(parse(WHS_SLICE("{\"\xc3\xa9\":1,\"e\xcc\x81\":2}"), NULL),
                     WHS_OK);
    assert_int_equal(parse(WHS_SLICE("{\"\xc3\xa9\":1,\"\\u00E9\":2}"), NULL),
                     WHS_INVALID);
    /* Equal keys of different objects are no duplicates. */
    assert_int_equal(
        parse(WHS_SLICE("{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}"), NULL), WHS_OK);
}

/* `depth` arrays, or objects, around nothing. Owned; texts_free. */
static struct whs_slice
nest(bool objects, size_t depth)
{
    struct whs_buf buf = {0};
    for (size_t i = 0; i < depth; i++)
        if (!objects)
            whs_buf_append_char(&buf, '[');
        else if (i + 1 < depth)
            whs_buf_append(&buf, "{\"a\":", 5);
        else
            whs_buf_append_char(&buf, '{');
    for (size_t i = 0; i < depth; i++)
        whs_buf_append_char(&buf, objects ? '}' : ']');
    struct whs_slice text = texts_exact(whs_buf_slice(&buf));
    whs_buf_fini(&buf);
    return text;
}

static void
depth_is_counted_exactly(void **state)
{
    (void)state;
    static const struct {
        size_t depth;
        unsigned most;
        bool good;
    } rows[] = {{32, 32, true},
                {33, 32, false},
                {64, 64, true},
                {65, 64, false},
                {1, 1, true},
                {1, 0, false},
                {1000, 64, false},
                {128, 128, true},
                {129, 128, false},
                {129, 1000, false},
                {100000, UINT_MAX, false}};
    for (size_t i = 0; i < 2 * LEN(rows); i++) {
        struct whs_slice text = nest(i % 2, rows[i / 2].depth);
        assert_int_equal(whs_json_check(text, rows[i / 2].most, NULL) == WHS_OK,
                         rows[i / 2].good);
        assert_int_equal(parse(text, NULL) == WHS_OK,
                         rows[i / 2].depth <= WHS_JSON_DOCUMENT_DEPTH_MAX);
        texts_free(text);
    }
    /* A closed container is out of the count. */
    assert_int_equal(whs_json_check(WHS_SLICE("[[],[],[{},{}]]"), 3, NULL), WHS_OK);
    assert_int_equal(whs_json_check(WHS_SLICE("[[],[],[{},{}]]"), 2, NULL),
                     WHS_INVALID);
}

/* A string of 40 plain bytes, one of them replaced. */
static enum whs_status
check_with(size_t at, unsigned char byte)
{
    char text[42];
    memset(text, 'x', sizeof(text));
    text[0] = text[sizeof(text) - 1] = '"';
    text[at] = (char)byte;
    return check((struct whs_slice){text, sizeof(text)}, 1, NULL);
}

static void
no_byte_of_a_long_string_goes_unseen(void **state)
{
    (void)state;
    for (size_t at = 1; at < 41; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            bool ends = byte == '"' || byte == '\\';
            /* Escaping the end, or an x, is wrong; so is the end of what is not over.
             */
            bool fine = byte >= 0x20 && byte < 0x80 && !ends;
            assert_int_equal(check_with(at, (unsigned char)byte),
                             fine ? WHS_OK : WHS_INVALID);
        }
    }
}

static void *
read_deep_text(void *arg)
{
    struct whs_slice deep = texts_repeat('[', 100000);
    struct whs_slice limit = nest(true, WHS_JSON_DOCUMENT_DEPTH_MAX);
    bool *good = arg;
    *good = whs_json_check(deep, WHS_JSON_DEPTH_MAX, NULL) == WHS_INVALID &&
            parse(deep, NULL) == WHS_INVALID && parse(limit, NULL) == WHS_OK;
    texts_free(deep);
    texts_free(limit);
    return NULL;
}

static void
a_small_stack_is_enough_for_any_depth(void **state)
{
    (void)state;
    bool good = false;
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    assert_int_equal(pthread_attr_setstacksize(&attr, 128 * 1024), 0);
    assert_int_equal(pthread_create(&thread, &attr, read_deep_text, &good), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    assert_true(good);
}

static void
a_document_has_a_size_but_data_has_not(void **state)
{
    (void)state;
    struct whs_slice text = texts_repeat(' ', WHS_JSON_DOCUMENT_BYTES_MAX + 1);
    memcpy((char *)(uintptr_t)text.ptr, "{}", 2);
    struct whs_slice limit = {text.ptr, WHS_JSON_DOCUMENT_BYTES_MAX};
    assert_int_equal(parse(limit, NULL), WHS_OK);
    assert_int_equal(parse(text, NULL), WHS_INVALID);
    assert_int_equal(whs_json_check(text, 1, NULL), WHS_OK);
    texts_free(text);
}

static void
a_mistake_is_told_with_its_place_and_without_its_text(void **state)
{
    (void)state;
    struct whs_error err;
    assert_int_equal(check(WHS_SLICE("{\"a\":1 CANARY}"), 64, &err), WHS_INVALID);
    assert_string_equal(err.message,
                        "',' or the end of the container is expected at byte 7");
    assert_int_equal(parse(WHS_SLICE("{\"k\":\"CANARY\\q\"}"), &err), WHS_INVALID);
    assert_null(strstr(err.message, "CANARY"));
    assert_int_equal(parse(WHS_SLICE("{\"k\":\"CANARY\",\"k\":\"CANARY\"}"), &err),
                     WHS_INVALID);
    assert_string_equal(err.message, "the key \"k\" occurs twice");

    /* A long key is cut between two characters. */
    struct whs_buf buf = {0};
    for (int i = 0; i < 2; i++) {
        whs_buf_append_slice(&buf, whs_slice_of(i ? ",\"x" : "{\"x"));
        for (int j = 0; j < 100; j++)
            whs_buf_append(&buf, "\xc3\xa9", 2);
        whs_buf_append(&buf, "\":1", 3);
    }
    whs_buf_append_char(&buf, '}');
    assert_int_equal(parse(whs_buf_slice(&buf), &err), WHS_INVALID);
    assert_true(whs_slice_is_utf8(whs_slice_of(err.message)));
    assert_int_equal(strlen(err.message), sizeof("the key \"\" occurs twice") - 1 + 63);
    whs_buf_fini(&buf);
}

static void
the_tree_is_walked_in_order_with_types_and_values(void **state)
{
    (void)state;
    struct whs_json *document;
    struct whs_slice text = WHS_SLICE("{\"s\":\"h\\u00e9\\n\",\"n\":3.0,\"t\":true,"
                                      "\"f\":false,\"z\":null,\"a\":[1,{}],\"o\":{}}");
    assert_int_equal(whs_json_parse(text, &document, NULL), WHS_OK);
    assert_int_equal(whs_json_type(document), WHS_JSON_OBJECT);
    const struct whs_json *node = whs_json_first(document);
    assert_int_equal(whs_json_type(node), WHS_JSON_STRING);
    assert_true(whs_slice_equal(whs_json_key(node), WHS_SLICE("s")));
    assert_true(whs_slice_equal(whs_json_string(node), WHS_SLICE("h\xc3\xa9\n")));
    node = whs_json_next(node);
    assert_int_equal(whs_json_type(node), WHS_JSON_NUMBER);
    assert_true(whs_json_number(node) == 3);
    node = whs_json_next(node);
    assert_int_equal(whs_json_type(node), WHS_JSON_BOOL);
    assert_true(whs_json_bool(node));
    node = whs_json_next(node);
    assert_int_equal(whs_json_type(node), WHS_JSON_BOOL);
    assert_false(whs_json_bool(node));
    node = whs_json_next(node);
    assert_int_equal(whs_json_type(node), WHS_JSON_NULL);
    node = whs_json_next(node);
    assert_int_equal(whs_json_type(node), WHS_JSON_ARRAY);
    assert_int_equal(whs_json_type(whs_json_next(whs_json_first(node))),
                     WHS_JSON_OBJECT);
    node = whs_json_next(node);
    assert_int_equal(whs_json_type(node), WHS_JSON_OBJECT);
    assert_null(whs_json_first(node));
    assert_null(whs_json_next(node));
    whs_json_free(document);
}

/* --- Writing. -----------------------------------------------------------------------
 */

static void
a_string_is_written_with_the_shortest_escapes(void **state)
{
    (void)state;
    struct whs_buf buf = {0};
    whs_json_append_string(&buf,
                           WHS_SLICE("a\"b\\c/\b\f\n\r\t\x01\x0b\x1f\x7f\0\xc3\xa9"));
    assert_true(whs_slice_equal(
        whs_buf_slice(&buf),
        WHS_SLICE("\"a\\\"b\\\\c/"
                  "\\b\\f\\n\\r\\t\\u0001\\u000b\\u001f\x7f\\u0000\xc3\xa9\"")));
    whs_buf_reset(&buf);
    whs_json_append_string(&buf, (struct whs_slice){0});
    assert_true(whs_slice_equal(whs_buf_slice(&buf), WHS_SLICE("\"\"")));
    whs_buf_fini(&buf);
}

static void
every_string_that_was_written_reads_back(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "a",        "\"",           "\\", "\n",      "\x01",
        "\xc3\xa9", "\xe2\x82\xac", "/",  "\\u0041", "\xf0\x9f\x98\x80",
        "\x7f",     "\x1f"};
    uint64_t seed = 1;
    for (int round = 0; round < 2000; round++) {
        struct whs_buf text = {0}, written = {0};
        for (uint64_t left = texts_random(&seed) % 40; left > 0; left--)
            whs_buf_append_slice(
                &text, whs_slice_of(pieces[texts_random(&seed) % LEN(pieces)]));
        whs_json_append_string(&written, whs_buf_slice(&text));
        struct whs_json *document;
        assert_int_equal(whs_json_parse(whs_buf_slice(&written), &document, NULL),
                         WHS_OK);
        assert_true(whs_slice_equal(whs_json_string(document), whs_buf_slice(&text)));
        whs_json_free(document);
        whs_buf_fini(&text);
        whs_buf_fini(&written);
    }
}

/* --- Against cJSON, and without memory. ----------------------------------------------
 */

static const struct whs_slice model = TEXT(
    "{\"resource\":\"tenant/t1\",\"n\":[1.5e3,-20,{}],\"k\\u00e9\":\"\\ud83d\\ude00\","
    "\"b\":true,\"delivery\":{\"headers\":{\"A\":\"\xc3\xa9\",\"a\":null}}}");

/* The check must be narrower than cJSON's own reading, or a valid document would be
 * answered with "out of memory"; and wider than the strict parse. */
static void
mutated_documents_are_refused_or_read_but_never_run_out_of_memory(void **state)
{
    (void)state;
    uint64_t seed = 2;
    size_t good = 0;
    for (int round = 0; round < 40000; round++) {
        struct whs_slice text = texts_mutate(model, &seed);
        struct whs_json *document;
        enum whs_status status = whs_json_parse(text, &document, NULL);
        if (status != WHS_OK && status != WHS_INVALID)
            fail_msg("%.*s", (int)text.len, text.ptr);
        good += status == WHS_OK;
        if (status == WHS_OK && whs_json_check(text, 64, NULL) != WHS_OK)
            fail_msg("%.*s", (int)text.len, text.ptr);
        whs_json_free(document);
        texts_free(text);
    }
    assert_in_range(good, 1000, 39000);
}

static void
without_memory_there_is_no_document(void **state)
{
    (void)state;
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_json *document;
        struct whs_error err;
        enum whs_status status = whs_json_parse(model, &document, &err);
        failing_alloc_end();
        assert_int_equal(status, failing_alloc_happened() ? WHS_NO_MEMORY : WHS_OK);
        assert_int_equal(document == NULL, failing_alloc_happened());
        whs_json_free(document);
    }
    whs_json_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_json_is_refused_by_both),
        cmocka_unit_test(what_is_json_is_accepted_by_both),
        cmocka_unit_test(what_a_document_may_not_hold_may_still_travel_as_data),
        cmocka_unit_test(a_number_of_a_document_has_a_length),
        cmocka_unit_test(keys_that_differ_are_not_the_same),
        cmocka_unit_test(depth_is_counted_exactly),
        cmocka_unit_test(no_byte_of_a_long_string_goes_unseen),
        cmocka_unit_test(a_small_stack_is_enough_for_any_depth),
        cmocka_unit_test(a_document_has_a_size_but_data_has_not),
        cmocka_unit_test(a_mistake_is_told_with_its_place_and_without_its_text),
        cmocka_unit_test(the_tree_is_walked_in_order_with_types_and_values),
        cmocka_unit_test(a_string_is_written_with_the_shortest_escapes),
        cmocka_unit_test(every_string_that_was_written_reads_back),
        cmocka_unit_test(
            mutated_documents_are_refused_or_read_but_never_run_out_of_memory),
        cmocka_unit_test(without_memory_there_is_no_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
