/* SPDX-License-Identifier: MIT */
#include "buf.h"

#include <string.h>

#include "alloc.h"

/* The first allocation: most notifications fit without a second one. */
#define FIRST_BYTES 256

void
whs_buf_fini(struct whs_buf *buf)
{
    whs_free(buf->ptr);
    *buf = (struct whs_buf){0};
}

void
whs_buf_reset(struct whs_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

bool
whs_buf_reserve(struct whs_buf *buf, size_t extra)
{
    if (buf->failed)
        return false;
    if (buf->cap - buf->len >= extra)
        return true;
    size_t cap = buf->cap ? buf->cap : FIRST_BYTES;
    while (cap - buf->len < extra && cap <= SIZE_MAX / 2)
        cap *= 2;
    char *ptr = cap - buf->len < extra ? NULL : whs_resize(buf->ptr, cap);
    if (!ptr) {
        buf->failed = true;
        return false;
    }
    buf->ptr = ptr;
    buf->cap = cap;
    return true;
}

void
whs_buf_append(struct whs_buf *buf, const void *bytes, size_t len)
{
    if (len == 0 || !whs_buf_reserve(buf, len))
        return;
    memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
}

void
whs_buf_append_slice(struct whs_buf *buf, struct whs_slice bytes)
{
    whs_buf_append(buf, bytes.ptr, bytes.len);
}

void
whs_buf_append_char(struct whs_buf *buf, char c)
{
    whs_buf_append(buf, &c, 1);
}

void
whs_buf_append_int(struct whs_buf *buf, int64_t value)
{
    char digits[21];
    size_t at = sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        digits[--at] = '-';
    whs_buf_append(buf, digits + at, sizeof(digits) - at);
}
