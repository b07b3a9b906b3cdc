/* SPDX-License-Identifier: MIT */
#include "buf.h"

#include "alloc.h"
#include "text.h"

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
whs_buf_grow(struct whs_buf *buf, size_t extra)
{
    if (buf->failed)
        return false;
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
whs_buf_append_int(struct whs_buf *buf, int64_t value)
{
    char digits[WHS_DECIMAL_SIZE];
    size_t len = whs_decimal_write(value, digits);
    whs_buf_append(buf, digits, len);
}
