/* SPDX-License-Identifier: MIT
 *
 * Texts for tests of what reads them: exact copies, so that AddressSanitizer sees a
 * read behind the end, and random mutations from a fixed seed.
 */
#ifndef TEXTS_H
#define TEXTS_H

#include <stddef.h>
#include <stdint.h>

#include "slice.h"

/* A copy with nothing behind its end; of the C library, because a test may be failing
 * the core's allocations. Free it with texts_free. */
struct whs_slice texts_exact(struct whs_slice text);
void texts_free(struct whs_slice text);

/* `count` times `byte`, exact. */
struct whs_slice texts_repeat(char byte, size_t count);

/* The next number of a fixed sequence: splitmix64. */
uint64_t texts_random(uint64_t *seed);

/* An exact copy with up to three bytes changed, left out or put in. */
struct whs_slice texts_mutate(struct whs_slice text, uint64_t *seed);

#endif
