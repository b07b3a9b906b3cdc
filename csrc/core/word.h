/* SPDX-License-Identifier: MIT
 *
 * Eight bytes of a text at once, as one number whose lowest byte is the first.
 */
#ifndef WHS_WORD_H
#define WHS_WORD_H

#include <stdbool.h>
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
