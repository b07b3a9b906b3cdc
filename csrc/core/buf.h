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
/* Makes room for `extra` more bytes; false (and `failed`) when there is none. */
bool whs_buf_reserve(struct whs_buf *buf, size_t extra);
void whs_buf_append(struct whs_buf *buf, const void *bytes, size_t len);
void whs_buf_append_slice(struct whs_buf *buf, struct whs_slice bytes);
void whs_buf_append_char(struct whs_buf *buf, char c);
void whs_buf_append_int(struct whs_buf *buf, int64_t value);

static inline struct whs_slice
whs_buf_slice(const struct whs_buf *buf)
{
    return (struct whs_slice){buf->ptr ? buf->ptr : "", buf->len};
}

#endif
