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

/* Whether a byte of the word is no printable ASCII. */
static bool
is_odd(uint64_t word)
{
    return (whs_word_below(word, ' ') | (word & WHS_WORD_EACH(0x80)) |
            whs_word_equal(word, 0x7f)) != 0;
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

/* A path that is being split, up to `start`. */
struct split {
    struct whs_slice path;
    struct whs_segment *out;
    size_t start;
    uint8_t count;
};

/* The next segment, which ends before `end`. */
static enum whs_status
cut_segment(struct split *split, size_t end, struct whs_error *err)
{
    struct whs_slice text = {split->path.ptr + split->start, end - split->start};
    if (text.len == 0)
        return whs_error_set(err, WHS_INVALID, "a path has no empty segment");
    if (text.len > WHS_ID_BYTES_MAX)
        return whs_error_set(err, WHS_INVALID,
                             "a segment of a path has at most %d bytes",
                             WHS_ID_BYTES_MAX);
    if (split->count == WHS_SEGMENTS_MAX)
        return whs_error_set(err, WHS_INVALID, "a path has at most %d segments",
                             WHS_SEGMENTS_MAX);
    split->out[split->count++] = read_segment(text);
    split->start = end + 1;
    return WHS_OK;
}

/* The last `len` bytes of a path, fewer than a word, and dots. */
static uint64_t
read_end(struct whs_slice path, size_t len)
{
    char bytes[WHS_WORD_BYTES] = "........";
    uint64_t dots = WHS_WORD_EACH('.');
    if (path.len >= WHS_WORD_BYTES)
        return whs_word_read(path.ptr + path.len - WHS_WORD_BYTES) >>
                   8 * (WHS_WORD_BYTES - len) |
               dots << 8 * len;
    memcpy(bytes, path.ptr, len);
    return whs_word_read(bytes);
}

/* One pass: every event's path goes through here. */
enum whs_status
whs_path_split(struct whs_slice path, struct whs_segment out[WHS_SEGMENTS_MAX],
               uint8_t *count, struct whs_error *err)
{
    struct split split = {.path = path, .out = out};
    bool odd = false;

    *count = 0;
    for (size_t i = 0; i < path.len; i += WHS_WORD_BYTES) {
        size_t left = path.len - i;
        uint64_t word =
            left >= WHS_WORD_BYTES ? whs_word_read(path.ptr + i) : read_end(path, left);
        odd |= is_odd(word);
        for (uint64_t slashes = whs_word_find(word, '/'); slashes;
             slashes &= slashes - 1)
            if (cut_segment(&split, i + whs_word_first(slashes), err) != WHS_OK)
                return WHS_INVALID;
    }
    if (cut_segment(&split, path.len, err) != WHS_OK ||
        (odd && check_odd_bytes(path, err) != WHS_OK))
        return WHS_INVALID;
    *count = split.count;
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
