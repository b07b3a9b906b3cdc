/* SPDX-License-Identifier: MIT
 *
 * A growing byte buffer. Appending never reports: the first failed allocation sets
 * `failed`, later appends do nothing, and the caller asks once at the end.
 */
#ifndef WHS_BUF_H
#define WHS_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "slice.h"

struct whs_buf {
    char *ptr;
    size_t len;
    size_t cap;
    bool failed;
};

/* {0} is a valid empty buffer. */
void whs_buf_fini(struct whs_buf *buf);
/* Keeps the memory, forgets the content and the failure. */
void whs_buf_reset(struct whs_buf *buf);
/* For whs_buf_reserve, where there is no room. */
bool whs_buf_grow(struct whs_buf *buf, size_t extra);
void whs_buf_append_int(struct whs_buf *buf, int64_t value);

/* Makes room for `extra` more bytes; false (and `failed`) when there is none. */
static inline bool
whs_buf_reserve(struct whs_buf *buf, size_t extra)
{
    return !buf->failed && (buf->cap - buf->len >= extra || whs_buf_grow(buf, extra));
}

static inline void
whs_buf_append(struct whs_buf *buf, const void *bytes, size_t len)
{
    if (len == 0 || !whs_buf_reserve(buf, len))
        return;
    memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
}

static inline void
whs_buf_append_slice(struct whs_buf *buf, struct whs_slice bytes)
{
    whs_buf_append(buf, bytes.ptr, bytes.len);
}

static inline void
whs_buf_append_char(struct whs_buf *buf, char c)
{
    whs_buf_append(buf, &c, 1);
}

static inline struct whs_slice
whs_buf_slice(const struct whs_buf *buf)
{
    return (struct whs_slice){buf->ptr ? buf->ptr : "", buf->len};
}

#endif
