/* SPDX-License-Identifier: MIT */
#include "slice.h"

#include <stdint.h>

#include "word.h"

static unsigned char
lower(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte | 0x20) : byte;
}

bool
whs_slice_equal_nocase(struct whs_slice a, struct whs_slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

/* Bytes of the sequence that starts here, 0 when it is not valid. RFC 3629 section 4.
 */
static size_t
measure_sequence(const unsigned char *text, size_t left)
{
    unsigned char first = text[0];
    if (first < 0x80)
        return 1;
    size_t len = first < 0xc2   ? 0
                 : first < 0xe0 ? 2
                 : first < 0xf0 ? 3
                 : first < 0xf5 ? 4
                                : 0;
    if (len == 0 || len > left)
        return 0;
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

bool
whs_slice_is_utf8(struct whs_slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    size_t i = 0;
    while (i < text.len) {
        if (text.len - i >= 2 * WHS_WORD_BYTES &&
            ((whs_word_read(bytes + i) | whs_word_read(bytes + i + WHS_WORD_BYTES)) &
             WHS_WORD_EACH(0x80)) == 0) {
            i += 2 * WHS_WORD_BYTES;
            continue;
        }
        size_t len = measure_sequence(bytes + i, text.len - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

struct whs_slice
whs_slice_shorten(struct whs_slice text, size_t most)
{
    if (text.len <= most)
        return text;
    while (most > 0 && ((unsigned char)text.ptr[most] & 0xc0) == 0x80)
        most--;
    return (struct whs_slice){text.ptr, most};
}

bool
whs_slice_has_control(struct whs_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return true;
    return false;
}
