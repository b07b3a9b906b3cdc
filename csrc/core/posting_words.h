/* SPDX-License-Identifier: MIT
 *
 * The table of postings.h: which numbers of lists may belong to a hash? One word a
 * list, open addressing, so that a probe is one cache line: hash bits 32 … 63 stand
 * above the number. What has the bits still has to be compared by the caller.
 */
#ifndef WHS_POSTING_WORDS_H
#define WHS_POSTING_WORDS_H

#include "posting_list.h"

/* 0 is empty; a removed word has the number WHS_POSTING_NUMBER_NONE. */
struct whs_posting_table {
    size_t mask;
    _Atomic uint64_t words[];
};

struct whs_posting_words {
    _Atomic(struct whs_posting_table *) table;
    /* The rest is the writer's. */
    const struct whs_posting_lists *lists; /* borrowed: they know their whole hashes */
    struct whs_posting_memory *memory;     /* borrowed */
    size_t len;
    size_t used; /* words that are not empty, removed ones included */
};

/* False: no memory; fini is needed all the same. */
bool whs_posting_words_init(struct whs_posting_words *words,
                            const struct whs_posting_lists *lists,
                            struct whs_posting_memory *memory);
/* No reader may be inside. */
void whs_posting_words_fini(struct whs_posting_words *words);

/* --- Readers and writer: walk from the hash's place to the first empty word. --- */

static inline uint64_t
whs_posting_words_at(const struct whs_posting_table *table, size_t at)
{
    return atomic_load_explicit(&table->words[at & table->mask], memory_order_acquire);
}

static inline bool
whs_posting_word_fits(uint64_t word, uint64_t hash)
{
    return (word ^ hash) >> 32 == 0 && (uint32_t)word != WHS_POSTING_NUMBER_NONE;
}

/* --- Writer. --- */

/* Makes room for one more word. False: no memory, nothing has changed. */
bool whs_posting_words_reserve(struct whs_posting_words *words);
/* Room was reserved, and the list is whole but for this. */
void whs_posting_words_insert(struct whs_posting_words *words, uint64_t hash,
                              uint32_t number);
/* It must be there. */
void whs_posting_words_erase(struct whs_posting_words *words, uint64_t hash,
                             uint32_t number);
/* Takes a smaller table when most of it is empty. One is welcome, not needed. */
void whs_posting_words_shrink(struct whs_posting_words *words);

#endif
