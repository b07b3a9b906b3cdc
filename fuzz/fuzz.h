/* SPDX-License-Identifier: MIT
 *
 * What every target is: bytes in, and rules of the core that hold whatever they are. An
 * input is text that a person can write: its first lines are settings, the rest is what
 * the core reads.
 *
 * Targets run in two programs: with libFuzzer (`make fuzz`), which looks for inputs
 * that break a rule, and with replay.c (`make ctest`), which shows them fuzz/corpus
 * again.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "slice.h"

/* The target. libFuzzer calls it by this name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A rule. A broken one ends the program, which is what libFuzzer looks for. */
#define FUZZ_CHECK(rule)                                                               \
    do {                                                                               \
        if (!(rule))                                                                   \
            fuzz_broken(__FILE__, __LINE__, #rule);                                    \
    } while (0)
_Noreturn void fuzz_broken(const char *file, int line, const char *rule);

/* Takes the first line off `input`, without its end; the rest stays. */
struct whs_slice fuzz_line(struct whs_slice *input);
/* The number that stands in `line`, of any text one in [least, most]. */
int64_t fuzz_number(struct whs_slice line, int64_t least, int64_t most);
bool fuzz_has(struct whs_slice line, char letter);
/* What is left of the input, owned, and exactly as long as it is: a sanitizer sees who
 * reads beyond. A zero stands behind it where `terminated`. free(). */
char *fuzz_copy(struct whs_slice input, bool terminated);

#endif
