/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "failing_alloc.h"

static enum whs_status
split(const char *path, struct whs_segment *out, uint8_t *count)
{
    return whs_path_split(whs_slice_of(path), out, count, NULL);
}

static enum whs_status
try_split(struct whs_slice path)
{
    struct whs_segment segments[WHS_SEGMENTS_MAX];
    uint8_t count;

    return whs_path_split(path, segments, &count, NULL);
}

static enum whs_status
try_template(const char *text)
{
    struct whs_pattern pattern;
    enum whs_status status = whs_pattern_parse(whs_slice_of(text), &pattern, NULL);

    if (status != WHS_OK)
        assert_null(pattern.text.ptr);
    whs_pattern_fini(&pattern);
    return status;
}

static void
a_path_splits_at_slashes_and_ids_stay_as_they_are(void **state)
{
    struct whs_segment segments[WHS_SEGMENTS_MAX];
    uint8_t count;
    const char *path = "tenant/auth0|12345abcde/..%2f/{recordId}/Ünïcode/x{y}";
    static const char *const texts[] = {"tenant",   "auth0|12345abcde", "..%2f",
                                        "recordId", "Ünïcode",          "x{y}"};

    (void)state;
    assert_int_equal(split(path, segments, &count), WHS_OK);
    assert_int_equal(count, 6);
    for (size_t i = 0; i < count; i++) {
        assert_true(whs_slice_equal(segments[i].text, whs_slice_of(texts[i])));
        assert_int_equal(segments[i].is_parameter, i == 3);
        assert_true(segments[i].text.ptr >= path);
    }
}

static void
what_stands_in_braces_is_never_an_id(void **state)
{
    static const struct {
        const char *path;
        bool braces;
    } rows[] = {
        {"{a}", true}, {"{}", true},  {"{{a}}", true}, {"{a}b}", true}, {"{", false},
        {"}", false},  {"{a", false}, {"a}", false},   {"a{b}", false}, {"{a}b", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct whs_segment segments[WHS_SEGMENTS_MAX];
        uint8_t count;
        assert_int_equal(split(rows[i].path, segments, &count), WHS_OK);
        assert_int_equal(count, 1);
        assert_int_equal(segments[0].is_parameter, rows[i].braces);
    }
}

static void
a_path_has_no_empty_segment(void **state)
{
    static const char *const paths[] = {"", "/", "/a", "a/", "a//b", "//"};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_int_equal(try_split(whs_slice_of(paths[i])), WHS_INVALID);
    assert_int_equal(try_split((struct whs_slice){NULL, 0}), WHS_INVALID);
}

static void
an_id_has_256_bytes_at_most(void **state)
{
    char path[300];

    (void)state;
    memset(path, 'x', sizeof(path));
    memcpy(path, "a/", 2);
    assert_int_equal(try_split((struct whs_slice){path, 2 + 256}), WHS_OK);
    assert_int_equal(try_split((struct whs_slice){path, 2 + 257}), WHS_INVALID);
    assert_int_equal(try_split((struct whs_slice){path, 2 + 1}), WHS_OK);
}

static void
a_path_has_32_segments_at_most(void **state)
{
    char path[2 * 33];

    (void)state;
    for (size_t i = 0; i < sizeof(path); i++)
        path[i] = i % 2 ? '/' : 'a';
    assert_int_equal(try_split((struct whs_slice){path, 2 * 32 - 1}), WHS_OK);
    assert_int_equal(try_split((struct whs_slice){path, 2 * 33 - 1}), WHS_INVALID);
}

/* Every byte, at every place of a word: the control characters and what is not UTF-8
 * are refused, all others pass. */
static void
control_characters_and_broken_utf8_are_refused(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++)
        for (size_t at = 0; at < 20; at++) {
            char path[21] = "aaaaaaaaaaaaaaaaaaaa";
            path[at] = (char)byte;
            bool good =
                byte >= 0x20 && byte < 0x7f && (byte != '/' || (at != 0 && at != 19));
            assert_int_equal(try_split((struct whs_slice){path, 20}),
                             good ? WHS_OK : WHS_INVALID);
        }
    assert_int_equal(try_split(WHS_SLICE("a/\xc3\xbc")), WHS_OK);
    assert_int_equal(try_split(WHS_SLICE("a/\xf0\x9f\xaa\x9d")), WHS_OK);
    assert_int_equal(try_split(WHS_SLICE("a/\xc3/\xbc")), WHS_INVALID);
    assert_int_equal(try_split(WHS_SLICE("a/\xc0\xaf")), WHS_INVALID);
    assert_int_equal(try_split(WHS_SLICE("a/\xed\xa0\x80")), WHS_INVALID);
    assert_int_equal(try_split(WHS_SLICE("a/\xc3\xbc\x7f")), WHS_INVALID);
}

/* Against a plain loop, in memory that ends where the path does. */
static void
paths_of_every_length_split_where_their_slashes_are(void **state)
{
    (void)state;
    struct whs_segment segments[WHS_SEGMENTS_MAX];
    srand(11);
    for (size_t len = 1; len <= 40; len++) {
        for (int round = 0; round < 200; round++) {
            char *path = malloc(len);
            uint8_t wanted = 1, count = 0, at = 0;
            bool sound = true;
            size_t start = 0;
            for (size_t i = 0; i < len; i++) {
                path[i] = rand() % 5 ? (char)('a' + rand() % 26) : '/';
                bool empty = path[i] == '/' && (i == 0 || path[i - 1] == '/');
                sound = sound && !empty && !(path[i] == '/' && i == len - 1);
                wanted += path[i] == '/';
            }
            enum whs_status status =
                whs_path_split((struct whs_slice){path, len}, segments, &count, NULL);
            assert_int_equal(status, sound ? WHS_OK : WHS_INVALID);
            assert_int_equal(count, sound ? wanted : 0);
            for (size_t i = 0; sound && i <= len; i++) {
                if (i < len && path[i] != '/')
                    continue;
                assert_ptr_equal(segments[at].text.ptr, path + start);
                assert_int_equal(segments[at++].text.len, i - start);
                start = i + 1;
            }
            free(path);
        }
    }
}

static void
an_error_never_repeats_the_path(void **state)
{
    static const char *const paths[] = {"secret//b", "secret/\x01", "secret/\xff"};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct whs_segment segments[WHS_SEGMENTS_MAX];
        struct whs_error err;
        uint8_t count = 9;
        assert_int_equal(whs_path_split(whs_slice_of(paths[i]), segments, &count, &err),
                         WHS_INVALID);
        assert_int_equal(err.status, WHS_INVALID);
        assert_true(err.message[0] != '\0');
        assert_null(strstr(err.message, "secret"));
        assert_int_equal(count, 0);
    }
}

static void
templates_are_valid_or_not(void **state)
{
    static const struct {
        const char *text;
        enum whs_status status;
    } rows[] = {
        {"subscription/{subscriptionid}/license", WHS_OK},
        {"a", WHS_OK},
        {"a/{b}", WHS_OK},
        {"a/b/{c}", WHS_OK},
        {"repos/{owner}/{repo}/issues/{number}", WHS_OK},
        {"", WHS_INVALID},
        {"/a", WHS_INVALID},
        {"a/", WHS_INVALID},
        {"a//b", WHS_INVALID},
        {"{a}", WHS_INVALID},
        {"{a}/b", WHS_INVALID},
        {"a/{}", WHS_INVALID},
        {"a/{b}/{b}", WHS_INVALID},
        {"a/x{b}", WHS_INVALID},
        {"a/{b", WHS_INVALID},
        {"a/b}", WHS_INVALID},
        {"a/{b}c", WHS_INVALID},
        {"a/{{b}}", WHS_INVALID},
        {"a/{b}{c}", WHS_INVALID},
        {"a/\x01", WHS_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(try_template(rows[i].text), rows[i].status);
}

static void
a_template_has_12_parameters_at_most(void **state)
{
    char text[256] = "a";

    (void)state;
    for (int i = 0; i < 13; i++) {
        snprintf(text + strlen(text), 16, "/{p%d}", i);
        assert_int_equal(try_template(text), i < 12 ? WHS_OK : WHS_INVALID);
    }
}

static void
a_pattern_owns_its_text(void **state)
{
    char text[] = "a/{b}/c";
    struct whs_pattern pattern;

    (void)state;
    assert_int_equal(whs_pattern_parse(whs_slice_of(text), &pattern, NULL), WHS_OK);
    memset(text, 'x', sizeof(text) - 1);
    assert_true(whs_slice_equal(pattern.text, WHS_SLICE("a/{b}/c")));
    assert_int_equal(pattern.segment_count, 3);
    assert_int_equal(pattern.parameter_count, 1);
    assert_true(whs_slice_equal(pattern.segments[1].text, WHS_SLICE("b")));
    assert_true(pattern.segments[1].is_parameter);
    assert_true(whs_slice_equal(pattern.segments[2].text, WHS_SLICE("c")));
    whs_pattern_fini(&pattern);
    assert_null(pattern.text.ptr);
}

static void
without_memory_there_is_no_pattern(void **state)
{
    (void)state;
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        enum whs_status status = try_template("a/{b}");
        assert_int_equal(status, failing_alloc_happened() ? WHS_NO_MEMORY : WHS_OK);
        failing_alloc_end();
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_splits_at_slashes_and_ids_stay_as_they_are),
        cmocka_unit_test(what_stands_in_braces_is_never_an_id),
        cmocka_unit_test(a_path_has_no_empty_segment),
        cmocka_unit_test(an_id_has_256_bytes_at_most),
        cmocka_unit_test(a_path_has_32_segments_at_most),
        cmocka_unit_test(control_characters_and_broken_utf8_are_refused),
        cmocka_unit_test(paths_of_every_length_split_where_their_slashes_are),
        cmocka_unit_test(an_error_never_repeats_the_path),
        cmocka_unit_test(templates_are_valid_or_not),
        cmocka_unit_test(a_template_has_12_parameters_at_most),
        cmocka_unit_test(a_pattern_owns_its_text),
        cmocka_unit_test(without_memory_there_is_no_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
