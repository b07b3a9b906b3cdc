/* SPDX-License-Identifier: MIT */
#include "fields.h"

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct whs_slice
trim(struct whs_slice text)
{
    while (text.len > 0 && is_space(text.ptr[text.len - 1]))
        text.len--;
    while (text.len > 0 && is_space(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    return text;
}

static void
keep(char out[WHS_FIELD_SIZE], struct whs_slice value)
{
    if (out[0] || value.len >= WHS_FIELD_SIZE)
        return;
    memcpy(out, value.ptr, value.len);
    out[value.len] = '\0';
}

void
whs_fields_read(struct whs_fields *fields, struct whs_slice line)
{
    if (line.len >= 5 && memcmp(line.ptr, "HTTP/", 5) == 0) {
        *fields = (struct whs_fields){0};
        return;
    }
    const char *colon = memchr(line.ptr, ':', line.len);
    if (!colon)
        return;
    struct whs_slice name = {line.ptr, (size_t)(colon - line.ptr)};
    struct whs_slice value =
        trim((struct whs_slice){colon + 1, line.len - name.len - 1});
#define X(member, text)                                                                \
    if (whs_slice_equal_nocase(name, WHS_SLICE(text)))                                 \
        keep(fields->member, value);
    WHS_FIELD_MAP(X)
#undef X
}
