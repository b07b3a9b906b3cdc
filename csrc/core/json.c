/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

/* --- The check: one pass, no recursion. ---------------------------------------------
 */

struct scanner {
    const char *start, *at, *end;
    unsigned depth, depth_max;
    uint64_t in_object[WHS_JSON_DEPTH_MAX / 64 + 1]; /* one bit per level */
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

static bool
scan_number(struct scanner *in)
{
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
    if (in->at < in->end && (*in->at == 'e' || *in->at == 'E')) {
        in->at++;
        if (in->at < in->end && (*in->at == '+' || *in->at == '-'))
            in->at++;
        if (!scan_digits(in))
            return false;
    }
    return true;
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
    if (in->depth == in->depth_max)
        return fail(in, "nested too deep");
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

static enum whs_status
check(struct whs_slice text, unsigned depth_max, bool strict, struct whs_error *err)
{
    assert(depth_max <= WHS_JSON_DEPTH_MAX);
    struct scanner in = {.start = text.ptr,
                         .at = text.ptr,
                         .end = text.ptr + text.len,
                         .depth_max = depth_max,
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

enum whs_status
whs_json_check(struct whs_slice text, unsigned depth_max, struct whs_error *err)
{
    return check(text, depth_max, false, err);
}

/* --- The tree. ----------------------------------------------------------------------
 */

static const cJSON *
as_cjson(const struct whs_json *node)
{
    return (const cJSON *)(const void *)node;
}

static const struct whs_json *
as_node(const cJSON *item)
{
    return (const struct whs_json *)(const void *)item;
}

static int
compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* cJSON has undone the escapes, so that "url" and "\u0075rl" are one key here. */
static enum whs_status
check_keys(const cJSON *object, struct whs_error *err)
{
    size_t count = 0;
    for (const cJSON *item = object->child; item; item = item->next)
        count++;
    const char **keys = whs_calloc(count, sizeof(*keys));
    if (!keys)
        return whs_error_set(err, WHS_NO_MEMORY, "out of memory");
    count = 0;
    for (const cJSON *item = object->child; item; item = item->next)
        keys[count++] = item->string;
    qsort(keys, count, sizeof(*keys), compare_keys);
    enum whs_status status = WHS_OK;
    for (size_t i = 1; i < count && status == WHS_OK; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            status = whs_error_set(err, WHS_INVALID, "the key \"%.64s\" occurs twice",
                                   keys[i]);
    whs_free(keys);
    return status;
}

/* Depth is bounded by the check that came before: this may recurse. */
static enum whs_status
check_tree(const cJSON *item, struct whs_error *err)
{
    if (cJSON_IsNumber(item) && !isfinite(item->valuedouble))
        return whs_error_set(err, WHS_INVALID, "a number is out of range");
    enum whs_status status = WHS_OK;
    if (cJSON_IsObject(item))
        status = check_keys(item, err);
    for (const cJSON *c = item->child; c && status == WHS_OK; c = c->next)
        status = check_tree(c, err);
    return status;
}

static pthread_once_t hooked = PTHREAD_ONCE_INIT;

/* Everybody in the process shares cJSON's hooks: ours end in malloc and free, so that
 * it does not matter to anybody else. */
static void
install_hooks(void)
{
    cJSON_Hooks hooks = {whs_alloc, whs_free};
    cJSON_InitHooks(&hooks);
}

enum whs_status
whs_json_parse(struct whs_slice text, struct whs_json **out, struct whs_error *err)
{
    *out = NULL;
    if (text.len > WHS_JSON_DOCUMENT_BYTES_MAX)
        return whs_error_set(err, WHS_INVALID, "longer than %d bytes",
                             WHS_JSON_DOCUMENT_BYTES_MAX);
    enum whs_status status = check(text, WHS_JSON_DOCUMENT_DEPTH_MAX, true, err);
    if (status != WHS_OK)
        return status;
    pthread_once(&hooked, install_hooks);
    cJSON *tree = cJSON_ParseWithLength(text.ptr, text.len);
    if (!tree)
        return whs_error_set(err, WHS_NO_MEMORY, "out of memory");
    status = check_tree(tree, err);
    if (status != WHS_OK) {
        cJSON_Delete(tree);
        return status;
    }
    *out = (struct whs_json *)(void *)tree;
    return WHS_OK;
}

void
whs_json_free(struct whs_json *document)
{
    cJSON_Delete((cJSON *)(void *)document);
}

enum whs_json_type
whs_json_type(const struct whs_json *node)
{
    const cJSON *item = as_cjson(node);
    if (cJSON_IsBool(item))
        return WHS_JSON_BOOL;
    if (cJSON_IsNumber(item))
        return WHS_JSON_NUMBER;
    if (cJSON_IsString(item))
        return WHS_JSON_STRING;
    if (cJSON_IsArray(item))
        return WHS_JSON_ARRAY;
    return cJSON_IsObject(item) ? WHS_JSON_OBJECT : WHS_JSON_NULL;
}

struct whs_slice
whs_json_string(const struct whs_json *node)
{
    return whs_slice_of(as_cjson(node)->valuestring);
}

double
whs_json_number(const struct whs_json *node)
{
    return as_cjson(node)->valuedouble;
}

bool
whs_json_bool(const struct whs_json *node)
{
    return cJSON_IsTrue(as_cjson(node));
}

const struct whs_json *
whs_json_first(const struct whs_json *node)
{
    return as_node(as_cjson(node)->child);
}

const struct whs_json *
whs_json_next(const struct whs_json *node)
{
    return as_node(as_cjson(node)->next);
}

struct whs_slice
whs_json_key(const struct whs_json *node)
{
    return whs_slice_of(as_cjson(node)->string);
}

/* --- Writing. -----------------------------------------------------------------------
 */

static void
append_escaped(struct whs_buf *buf, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = "btn\0fr"; /* 0x08 … 0x0d */
    char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    if (c == '"' || c == '\\') {
        text[1] = (char)c;
        whs_buf_append(buf, text, 2);
    } else if (c >= 0x08 && c <= 0x0d && letters[c - 0x08]) {
        text[1] = letters[c - 0x08];
        whs_buf_append(buf, text, 2);
    } else {
        whs_buf_append(buf, text, sizeof(text));
    }
}

void
whs_json_append_string(struct whs_buf *buf, struct whs_slice text)
{
    whs_buf_append_char(buf, '"');
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        whs_buf_append(buf, text.ptr + from, i - from);
        append_escaped(buf, c);
        from = i + 1;
    }
    whs_buf_append(buf, text.ptr + from, text.len - from);
    whs_buf_append_char(buf, '"');
}

const char *
whs_json_library_version(void)
{
    return cJSON_Version();
}
