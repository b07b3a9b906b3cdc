/* SPDX-License-Identifier: MIT */
#include "texts.h"

#include <stdlib.h>

/* Bytes at which readers of texts decide something. */
static const char edges[] = "\0\t\n\r \"\\/{}[]:,.+-%#?@eE019aunTZ\x7f\x80\xc3\xa9\xff";

static char *
allocate(size_t len)
{
    char *bytes = malloc(len > 0 ? len : 1);

    if (bytes == NULL)
        abort();
    return bytes;
}

struct whs_slice
texts_exact(struct whs_slice text)
{
    char *copy = allocate(text.len);

    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return (struct whs_slice){copy, text.len};
}

void
texts_free(struct whs_slice text)
{
    free((char *)(uintptr_t)text.ptr);
}

struct whs_slice
texts_repeat(char byte, size_t count)
{
    char *bytes = allocate(count);

    memset(bytes, byte, count);
    return (struct whs_slice){bytes, count};
}

uint64_t
texts_random(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

struct whs_slice
texts_mutate(struct whs_slice text, uint64_t *seed)
{
    char *bytes = allocate(text.len + 3);
    size_t len = text.len;

    memcpy(bytes, text.ptr, len);
    for (uint64_t left = 1 + texts_random(seed) % 3; left > 0; left--) {
        size_t at = texts_random(seed) % (len + 1);
        char byte = edges[texts_random(seed) % (sizeof(edges) - 1)];
        if (texts_random(seed) % 3 == 0) {
            memmove(bytes + at + 1, bytes + at, len - at);
            bytes[at] = byte;
            len++;
        } else if (at == len) {
            continue;
        } else if (texts_random(seed) % 2 == 0) {
            bytes[at] = byte;
        } else {
            memmove(bytes + at, bytes + at + 1, len - at - 1);
            len--;
        }
    }
    struct whs_slice mutated = texts_exact((struct whs_slice){bytes, len});
    free(bytes);
    return mutated;
}
