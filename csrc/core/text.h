/* SPDX-License-Identifier: MIT
 *
 * Short zero-terminated texts that are written for every request. What printf does with
 * them costs more than signing one.
 */
#ifndef WHS_TEXT_H
#define WHS_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Any int64 with its sign, and the zero. */
#define WHS_DECIMAL_SIZE 21

/* Answers its length. */
static inline size_t
whs_decimal_write(int64_t value, char out[WHS_DECIMAL_SIZE])
{
    char digits[WHS_DECIMAL_SIZE];
    size_t at = sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    digits[--at] = '\0';
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        digits[--at] = '-';
    memcpy(out, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at - 1;
}

/* As much of `text` as fits into `size`, which is not 0. NULL is empty. */
static inline void
whs_text_copy(char *out, size_t size, const char *text)
{
    size_t len = text ? strnlen(text, size - 1) : 0;
    if (len > 0)
        memcpy(out, text, len);
    out[len] = '\0';
}

#endif
