/* SPDX-License-Identifier: MIT
 *
 * Looks into every block that the core gives back: a secret must not be left in one.
 */
#ifndef WATCHING_ALLOC_H
#define WATCHING_ALLOC_H

/* Between the two calls everything that was taken must be given back, and nothing that
 * was taken before. `text` is borrowed until the end. */
void watching_alloc_begin(const char *text);
/* How many blocks held the text when they were given back. */
unsigned watching_alloc_end(void);

#endif
