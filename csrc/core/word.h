/* SPDX-License-Identifier: MIT
 *
 * Eight bytes of a text at once, as one number whose lowest byte is the first.
 */
#ifndef WHS_WORD_H
#define WHS_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHS_WORD_BYTES 8
#define WHS_WORD_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

static inline uint64_t
whs_word_read(const void *bytes)
{
    const unsigned char *p = bytes;
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
           (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 |
           (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static inline uint32_t
whs_word_read_half(const void *bytes)
{
    const unsigned char *p = bytes;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

/* Are `len` bytes the same? Most texts are so short that calling memcmp would take
 * longer. The last word may overlap the one before. */
static inline bool
whs_word_same(const char *a, const char *b, size_t len)
{
    if (len < WHS_WORD_BYTES / 2) {
        for (size_t i = 0; i < len; i++)
            if (a[i] != b[i])
                return false;
        return true;
    }
    if (len < WHS_WORD_BYTES) {
        size_t rest = len - WHS_WORD_BYTES / 2;
        return whs_word_read_half(a) == whs_word_read_half(b) &&
               whs_word_read_half(a + rest) == whs_word_read_half(b + rest);
    }
    for (size_t i = 0; i + WHS_WORD_BYTES < len; i += WHS_WORD_BYTES)
        if (whs_word_read(a + i) != whs_word_read(b + i))
            return false;
    size_t rest = len - WHS_WORD_BYTES;
    return whs_word_read(a + rest) == whs_word_read(b + rest);
}

/* Not 0 where some byte is below `bound`, which is at most 128. */
static inline uint64_t
whs_word_below(uint64_t word, unsigned bound)
{
    return (word - WHS_WORD_EACH(bound)) & ~word & WHS_WORD_EACH(0x80);
}

/* Not 0 where some byte is `byte`. */
static inline uint64_t
whs_word_equal(uint64_t word, unsigned char byte)
{
    return whs_word_below(word ^ WHS_WORD_EACH(byte), 1);
}

/* The top bit of each byte that is `byte`, and of no other. */
static inline uint64_t
whs_word_find(uint64_t word, unsigned char byte)
{
    uint64_t others = word ^ WHS_WORD_EACH(byte);
    return ~((others & WHS_WORD_EACH(0x7f)) + WHS_WORD_EACH(0x7f)) & ~others &
           WHS_WORD_EACH(0x80);
}

/* Of what whs_word_find answered, the place of the first: not for 0. */
static inline unsigned
whs_word_first(uint64_t found)
{
    return (unsigned)__builtin_ctzll(found) / 8;
}

#endif
