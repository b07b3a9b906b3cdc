/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include "alloc.h"
#include "word.h"

/* True for '{…}', also an empty one: what stands in braces is never an id. */
static bool
is_in_braces(struct whs_slice text)
{
    return text.len >= 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}';
}

static bool
has_brace(struct whs_slice text)
{
    return text.len > 0 && (memchr(text.ptr, '{', text.len) != NULL ||
                            memchr(text.ptr, '}', text.len) != NULL);
}

static struct whs_segment
read_segment(struct whs_slice text)
{
    if (is_in_braces(text))
        return (struct whs_segment){{text.ptr + 1, text.len - 2}, true};
    return (struct whs_segment){text, false};
}

/* Where the next '/' is, or the end. `odd` becomes true when a byte before that, or
 * soon behind, is not printable ASCII. */
static size_t
find_slash(struct whs_slice path, size_t from, bool *odd)
{
    size_t i = from;
    for (; path.len - i >= WHS_WORD_BYTES; i += WHS_WORD_BYTES) {
        uint64_t word = whs_word_read(path.ptr + i), slashes = whs_word_find(word, '/');
        *odd |= (whs_word_below(word, ' ') | (word & WHS_WORD_EACH(0x80)) |
                 whs_word_equal(word, 0x7f)) != 0;
        if (slashes)
            return i + whs_word_first(slashes);
    }
    for (; i < path.len && path.ptr[i] != '/'; i++)
        *odd |= (unsigned char)(path.ptr[i] - ' ') > '~' - ' ';
    return i;
}

/* Only called when a byte was seen that is not printable ASCII. */
static enum whs_status
check_odd_bytes(struct whs_slice path, struct whs_error *err)
{
    if (whs_slice_has_control(path))
        return whs_error_set(err, WHS_INVALID, "a path holds no control characters");
    if (!whs_slice_is_utf8(path))
        return whs_error_set(err, WHS_INVALID, "a path is UTF-8");
    return WHS_OK;
}

static enum whs_status
check_segment_length(size_t len, struct whs_error *err)
{
    if (len == 0)
        return whs_error_set(err, WHS_INVALID, "a path has no empty segment");
    if (len > WHS_ID_BYTES_MAX)
        return whs_error_set(err, WHS_INVALID,
                             "a segment of a path has at most %d bytes",
                             WHS_ID_BYTES_MAX);
    return WHS_OK;
}

/* One pass: every event's path goes through here. */
enum whs_status
whs_path_split(struct whs_slice path, struct whs_segment out[WHS_SEGMENTS_MAX],
               uint8_t *count, struct whs_error *err)
{
    bool odd = false;
    size_t start = 0;
    uint8_t len = 0;

    *count = 0;
    while (start <= path.len) {
        size_t end = find_slash(path, start, &odd);
        enum whs_status status = check_segment_length(end - start, err);
        if (status != WHS_OK)
            return status;
        if (len == WHS_SEGMENTS_MAX)
            return whs_error_set(err, WHS_INVALID, "a path has at most %d segments",
                                 WHS_SEGMENTS_MAX);
        out[len++] = read_segment((struct whs_slice){path.ptr + start, end - start});
        start = end + 1;
    }
    if (odd && check_odd_bytes(path, err) != WHS_OK)
        return WHS_INVALID;
    *count = len;
    return WHS_OK;
}

static enum whs_status
check_parameter(struct whs_pattern *pattern, uint8_t at, struct whs_error *err)
{
    struct whs_slice name = pattern->segments[at].text;

    if (name.len == 0 || has_brace(name))
        return whs_error_set(err, WHS_INVALID, "{%.*s} is no parameter's name",
                             (int)name.len, name.ptr);
    if (++pattern->parameter_count > WHS_PARAMETERS_MAX)
        return whs_error_set(err, WHS_INVALID, "a template has at most %d parameters",
                             WHS_PARAMETERS_MAX);
    for (uint8_t i = 0; i < at; i++)
        if (pattern->segments[i].is_parameter &&
            whs_slice_equal(pattern->segments[i].text, name))
            return whs_error_set(err, WHS_INVALID, "the parameter {%.*s} stands twice",
                                 (int)name.len, name.ptr);
    return WHS_OK;
}

static enum whs_status
check_template(struct whs_pattern *pattern, struct whs_error *err)
{
    if (pattern->segments[0].is_parameter)
        return whs_error_set(err, WHS_INVALID, "a template starts with a literal");
    for (uint8_t i = 0; i < pattern->segment_count; i++) {
        if (!pattern->segments[i].is_parameter) {
            if (has_brace(pattern->segments[i].text))
                return whs_error_set(err, WHS_INVALID,
                                     "braces enclose a whole segment or none of it");
            continue;
        }
        enum whs_status status = check_parameter(pattern, i, err);
        if (status != WHS_OK)
            return status;
    }
    return WHS_OK;
}

enum whs_status
whs_pattern_parse(struct whs_slice text, struct whs_pattern *out, struct whs_error *err)
{
    enum whs_status status;

    *out = (struct whs_pattern){0};
    char *copy = whs_alloc(text.len + 1);
    if (copy == NULL)
        return whs_error_set(err, WHS_NO_MEMORY, "out of memory");
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    out->text = (struct whs_slice){copy, text.len};
    status = whs_path_split(out->text, out->segments, &out->segment_count, err);
    if (status == WHS_OK)
        status = check_template(out, err);
    if (status != WHS_OK)
        whs_pattern_fini(out);
    return status;
}

void
whs_pattern_fini(struct whs_pattern *pattern)
{
    whs_free((char *)pattern->text.ptr);
    *pattern = (struct whs_pattern){0};
}

int
whs_pattern_find_parameter(const struct whs_pattern *pattern, struct whs_slice name)
{
    int index = 0;

    for (uint8_t i = 0; i < pattern->segment_count; i++) {
        if (!pattern->segments[i].is_parameter)
            continue;
        if (whs_slice_equal(pattern->segments[i].text, name))
            return index;
        index++;
    }
    return -1;
}

bool
whs_pattern_has_same_root(const struct whs_pattern *a, const struct whs_pattern *b)
{
    for (uint8_t i = 0; i < a->segment_count && i < b->segment_count; i++) {
        if (a->segments[i].is_parameter != b->segments[i].is_parameter ||
            !whs_slice_equal(a->segments[i].text, b->segments[i].text))
            return false;
        if (a->segments[i].is_parameter)
            return true;
    }
    return false;
}
