/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

void
fuzz_broken(const char *file, int line, const char *rule)
{
    fprintf(stderr, "%s:%d: a rule is broken: %s\n", file, line, rule);
    abort();
}

struct whs_slice
fuzz_line(struct whs_slice *input)
{
    const char *end = input->len > 0 ? memchr(input->ptr, '\n', input->len) : NULL;
    struct whs_slice line = {input->ptr, end ? (size_t)(end - input->ptr) : input->len};
    size_t taken = end ? line.len + 1 : line.len;
    input->ptr += taken;
    input->len -= taken;
    return line;
}

int64_t
fuzz_number(struct whs_slice line, int64_t least, int64_t most)
{
    uint64_t value = 0, span = (uint64_t)most - (uint64_t)least + 1;
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] >= '0' && line.ptr[i] <= '9')
            value = value * 10 + (uint64_t)(line.ptr[i] - '0');
    if (line.len > 0 && line.ptr[0] == '-')
        value = -value;
    if ((int64_t)value >= least && (int64_t)value <= most)
        return (int64_t)value;
    return (int64_t)((uint64_t)least + value % span);
}

bool
fuzz_has(struct whs_slice line, char letter)
{
    return line.len > 0 && memchr(line.ptr, letter, line.len);
}

char *
fuzz_copy(struct whs_slice input, bool terminated)
{
    size_t size = input.len + terminated;
    char *copy = malloc(size > 0 ? size : 1);
    if (!copy)
        abort();
    if (input.len > 0)
        memcpy(copy, input.ptr, input.len);
    if (terminated)
        copy[input.len] = '\0';
    return copy;
}
