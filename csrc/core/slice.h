/* SPDX-License-Identifier: MIT
 *
 * Bytes that somebody else owns: pointer and length, passed by value, never
 * zero-terminated by promise. `ptr` is NULL only for "absent", which differs from
 * "empty" (length 0).
 */
#ifndef WHS_SLICE_H
#define WHS_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "word.h"

struct whs_slice {
    const char *ptr;
    size_t len;
};

#define WHS_SLICE(literal) ((struct whs_slice){(literal), sizeof(literal) - 1})

static inline struct whs_slice
whs_slice_of(const char *text)
{
    return (struct whs_slice){text, text ? strlen(text) : 0};
}

static inline bool
whs_slice_equal(struct whs_slice a, struct whs_slice b)
{
    return a.len == b.len && whs_word_same(a.ptr, b.ptr, a.len);
}

/* ASCII only, whatever the locale. */
bool whs_slice_equal_nocase(struct whs_slice a, struct whs_slice b);
/* RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF. */
bool whs_slice_is_utf8(struct whs_slice text);
/* The first `most` bytes at most, cut between two characters of UTF-8. */
struct whs_slice whs_slice_shorten(struct whs_slice text, size_t most);
/* True if any byte is below 0x20 or is 0x7f. */
bool whs_slice_has_control(struct whs_slice text);

#endif
