/* SPDX-License-Identifier: MIT */
#include "json_scan.h"

#include <stdint.h>
#include <string.h>

#include "json.h"

/* Of a strict number. cJSON before 1.7.18 reads no more bytes of one, and together the
 * two keep it far inside the range of a double: it neither overflows nor vanishes. */
#define NUMBER_BYTES_MAX 63
#define NUMBER_EXPONENT_MAX 200

struct scanner {
    const char *start, *at, *end;
    unsigned depth, depth_max;
    uint64_t in_object[WHS_JSON_SCAN_DEPTH_MAX / 64]; /* one bit per level */
    bool strict; /* also no \u0000 and no lone surrogate */
    const char *problem;
};

static bool
fail(struct scanner *in, const char *problem)
{
    if (!in->problem)
        in->problem = problem;
    return false;
}

static void
skip_space(struct scanner *in)
{
    while (in->at < in->end &&
           (*in->at == ' ' || *in->at == '\n' || *in->at == '\r' || *in->at == '\t'))
        in->at++;
}

static int
read_hex4(const char *at)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i], folded = (char)(c | 0x20);
        int digit = c >= '0' && c <= '9'             ? c - '0'
                    : folded >= 'a' && folded <= 'f' ? folded - 'a' + 10
                                                     : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Behind "\u". A high surrogate must be followed by a low one where that matters. */
static bool
scan_unicode_escape(struct scanner *in)
{
    int unit = in->end - in->at >= 4 ? read_hex4(in->at) : -1;
    if (unit < 0)
        return fail(in, "a \\u escape needs four hex digits");
    in->at += 4;
    if (!in->strict)
        return true;
    if (unit == 0)
        return fail(in, "\\u0000 is not accepted");
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return fail(in, "a lone surrogate escape");
    if (unit < 0xd800 || unit > 0xdbff)
        return true;
    bool pair = in->end - in->at >= 6 && in->at[0] == '\\' && in->at[1] == 'u';
    int low = pair ? read_hex4(in->at + 2) : -1;
    if (low < 0xdc00 || low > 0xdfff)
        return fail(in, "a lone surrogate escape");
    in->at += 6;
    return true;
}

static bool
scan_escape(struct scanner *in)
{
    in->at++;
    if (in->at == in->end)
        return fail(in, "a string without an end");
    char c = *in->at++;
    if (c == 'u')
        return scan_unicode_escape(in);
    if (!strchr("\"\\/bfnrt", c) || c == '\0')
        return fail(in, "an unknown escape");
    return true;
}

/* Most of a string is neither its end, nor an escape, nor wrong: eight bytes a step. */
static void
skip_plain(struct scanner *in)
{
    while (in->end - in->at >= WHS_WORD_BYTES &&
           whs_json_is_plain(whs_word_read(in->at)))
        in->at += WHS_WORD_BYTES;
}

/* At the opening quote. Whether the bytes are UTF-8 was judged for the whole text. */
static bool
scan_string(struct scanner *in)
{
    in->at++;
    while (in->at < in->end) {
        unsigned char c = (unsigned char)*in->at;
        if (c == '"') {
            in->at++;
            return true;
        }
        if (c < 0x20)
            return fail(in, "a control character in a string");
        if (c == '\\') {
            if (!scan_escape(in))
                return false;
        } else {
            in->at++;
            skip_plain(in);
        }
    }
    return fail(in, "a string without an end");
}

static bool
scan_digits(struct scanner *in)
{
    const char *first = in->at;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
        in->at++;
    return in->at > first || fail(in, "a number without digits");
}

/* At 'e' or 'E'. */
static bool
scan_exponent(struct scanner *in)
{
    in->at++;
    if (in->at < in->end && (*in->at == '+' || *in->at == '-'))
        in->at++;
    const char *first = in->at;
    if (!scan_digits(in))
        return false;
    int value = 0;
    for (const char *c = first; c < in->at && value <= NUMBER_EXPONENT_MAX; c++)
        value = value * 10 + (*c - '0');
    return !in->strict || value <= NUMBER_EXPONENT_MAX ||
           fail(in, "a number is out of range");
}

static bool
scan_number(struct scanner *in)
{
    const char *first = in->at;
    if (*in->at == '-')
        in->at++;
    if (in->at < in->end && *in->at == '0')
        in->at++;
    else if (!scan_digits(in))
        return false;
    if (in->at < in->end && *in->at == '.') {
        in->at++;
        if (!scan_digits(in))
            return false;
    }
    if (in->at < in->end && (*in->at == 'e' || *in->at == 'E') && !scan_exponent(in))
        return false;
    return !in->strict || in->at - first <= NUMBER_BYTES_MAX ||
           fail(in, "a number is too long");
}

static bool
scan_word(struct scanner *in)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(in->end - in->at) >= len && memcmp(in->at, words[i], len) == 0) {
            in->at += len;
            return true;
        }
    }
    return fail(in, "a value is expected");
}

static bool
is_in_object(const struct scanner *in)
{
    unsigned level = in->depth - 1;
    return in->in_object[level / 64] >> (level % 64) & 1;
}

static bool
open_container(struct scanner *in)
{
#ifndef WHS_SABOTAGE_json_depth
    if (in->depth == in->depth_max)
        return fail(in, "nested too deep");
#endif
    uint64_t bit = UINT64_C(1) << (in->depth % 64);
    if (*in->at++ == '{')
        in->in_object[in->depth / 64] |= bit;
    else
        in->in_object[in->depth / 64] &= ~bit;
    in->depth++;
    return true;
}

/* A key with its colon, up to where the value starts. */
static bool
scan_key(struct scanner *in)
{
    skip_space(in);
    if (in->at == in->end || *in->at != '"')
        return fail(in, "a key in quotes is expected");
    if (!scan_string(in))
        return false;
    skip_space(in);
    if (in->at == in->end || *in->at != ':')
        return fail(in, "':' is expected");
    in->at++;
    return true;
}

/* Behind a value: closes what ends here, up to the next value or the end of the text.
 */
static bool
scan_after_value(struct scanner *in)
{
    while (in->depth > 0) {
        skip_space(in);
        char c = in->at < in->end ? *in->at : '\0';
        if (c == ',') {
            in->at++;
            return !is_in_object(in) || scan_key(in);
        }
        if (c != (is_in_object(in) ? '}' : ']'))
            return fail(in, "',' or the end of the container is expected");
        in->at++;
        in->depth--;
    }
    return true;
}

/* At '{' or '['. *empty: it was closed at once. */
static bool
scan_open(struct scanner *in, bool *empty)
{
    if (!open_container(in))
        return false;
    skip_space(in);
    bool object = is_in_object(in);
    *empty = in->at < in->end && *in->at == (object ? '}' : ']');
    if (*empty) {
        in->at++;
        in->depth--;
        return true;
    }
    return !object || scan_key(in);
}

static bool
scan_value(struct scanner *in)
{
    for (;;) {
        skip_space(in);
        char c = in->at < in->end ? *in->at : '\0';
        bool whole = true, good;
        if (c == '{' || c == '[')
            good = scan_open(in, &whole);
        else if (c == '"')
            good = scan_string(in);
        else if (c == '-' || (c >= '0' && c <= '9'))
            good = scan_number(in);
        else
            good = scan_word(in);
        if (!good || (whole && !scan_after_value(in)))
            return false;
        if (whole && in->depth == 0)
            return true;
    }
}

enum whs_status
whs_json_scan(struct whs_slice text, unsigned depth_max, bool strict,
              struct whs_error *err)
{
    struct scanner in = {.start = text.ptr,
                         .at = text.ptr,
                         .end = text.ptr + text.len,
                         .depth_max = depth_max < WHS_JSON_SCAN_DEPTH_MAX
                                          ? depth_max
                                          : WHS_JSON_SCAN_DEPTH_MAX,
                         .strict = strict};
    if (!whs_slice_is_utf8(text))
        return whs_error_set(err, WHS_INVALID, "not valid UTF-8");
    if (scan_value(&in)) {
        skip_space(&in);
        if (in.at == in.end)
            return WHS_OK;
        fail(&in, "something follows the document");
    }
    return whs_error_set(err, WHS_INVALID, "%s at byte %zu", in.problem,
                         (size_t)(in.at - in.start));
}
