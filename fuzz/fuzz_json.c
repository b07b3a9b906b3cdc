/* SPDX-License-Identifier: MIT
 *
 * The two strengths of JSON. The first line is how deep it may be, the rest is the
 * text.
 *
 *   what is accepted is no deeper than it may be
 *   what the strict one accepts, the loose one accepts
 *   a tree that is written and read again is the same tree
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "json.h"

/* Of a text that was accepted: outside of strings a bracket is a bracket. */
static unsigned
measure_depth(struct whs_slice text)
{
    unsigned depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
            continue;
        }
        in_string = c == '"';
        if (c == '{' || c == '[')
            depth++;
        deepest = depth > deepest ? depth : deepest;
        if (c == '}' || c == ']')
            depth--;
    }
    return deepest;
}

/* Many digits before an exponent that is permitted make a number that is written with
 * one that is not: 0 stands for those. */
static double
fit_number(double number)
{
    double size = fabs(number);
    return size > 1e199 || size < 1e-199 ? 0 : number;
}

static void
write_scalar(struct whs_buf *buf, const struct whs_json *node)
{
    char number[32];
    switch (whs_json_type(node)) {
    case WHS_JSON_STRING:
        FUZZ_CHECK(whs_slice_is_utf8(whs_json_string(node)));
        FUZZ_CHECK(strlen(whs_json_string(node).ptr) == whs_json_string(node).len);
        whs_json_append_string(buf, whs_json_string(node));
        return;
    case WHS_JSON_NUMBER:
        snprintf(number, sizeof(number), "%.17g", fit_number(whs_json_number(node)));
        whs_buf_append_slice(buf, whs_slice_of(number));
        return;
    case WHS_JSON_BOOL:
        whs_buf_append_slice(buf, whs_slice_of(whs_json_bool(node) ? "true" : "false"));
        return;
    default:
        whs_buf_append_slice(buf, WHS_SLICE("null"));
    }
}

static void
write_node(struct whs_buf *buf, const struct whs_json *node)
{
    enum whs_json_type type = whs_json_type(node);
    if (type != WHS_JSON_OBJECT && type != WHS_JSON_ARRAY) {
        write_scalar(buf, node);
        return;
    }
    whs_buf_append_char(buf, type == WHS_JSON_OBJECT ? '{' : '[');
    for (const struct whs_json *each = whs_json_first(node); each;
         each = whs_json_next(each)) {
        if (each != whs_json_first(node))
            whs_buf_append_char(buf, ',');
        if (type == WHS_JSON_OBJECT) {
            whs_json_append_string(buf, whs_json_key(each));
            whs_buf_append_char(buf, ':');
        }
        write_node(buf, each);
    }
    whs_buf_append_char(buf, type == WHS_JSON_OBJECT ? '}' : ']');
}

static void
check_tree(const struct whs_json *document)
{
    struct whs_buf once = {0}, twice = {0};
    struct whs_json *again;
    write_node(&once, document);
    FUZZ_CHECK(!once.failed);
    if (once.len <= WHS_JSON_DOCUMENT_BYTES_MAX) {
        FUZZ_CHECK(whs_json_parse(whs_buf_slice(&once), &again, NULL) == WHS_OK);
        write_node(&twice, again);
        FUZZ_CHECK(whs_slice_equal(whs_buf_slice(&once), whs_buf_slice(&twice)));
        whs_json_free(again);
    }
    whs_buf_fini(&once);
    whs_buf_fini(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct whs_slice input = {(const char *)data, size};
    unsigned depth_max =
        (unsigned)fuzz_number(fuzz_line(&input), 0, WHS_JSON_DEPTH_MAX);
    char *copy = fuzz_copy(input, false);
    struct whs_slice text = {copy, input.len};
    struct whs_error err = {0};
    struct whs_json *document;
    if (whs_json_check(text, depth_max, &err) == WHS_OK)
        FUZZ_CHECK(measure_depth(text) <= depth_max);
    else
        FUZZ_CHECK(err.status == WHS_INVALID && err.message[0]);
    if (whs_json_parse(text, &document, NULL) == WHS_OK) {
        FUZZ_CHECK(measure_depth(text) <= WHS_JSON_DOCUMENT_DEPTH_MAX);
        FUZZ_CHECK(whs_json_check(text, WHS_JSON_DEPTH_MAX, NULL) == WHS_OK);
        check_tree(document);
        whs_json_free(document);
    } else {
        FUZZ_CHECK(!document);
    }
    free(copy);
    return 0;
}
