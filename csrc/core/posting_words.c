/* SPDX-License-Identifier: MIT */
#include "posting_words.h"

#include "alloc.h"

#define FIRST_WORDS 64

static struct whs_posting_table *
load_table(const struct whs_posting_words *words)
{
    return atomic_load_explicit(&words->table, memory_order_relaxed);
}

static uint64_t
load_word(const struct whs_posting_table *table, size_t at)
{
    return atomic_load_explicit(&table->words[at], memory_order_relaxed);
}

static size_t
measure_table(size_t words)
{
    return sizeof(struct whs_posting_table) + words * sizeof(_Atomic uint64_t);
}

static uint64_t
make_word(uint64_t hash, uint32_t number)
{
    return (hash & ~(uint64_t)UINT32_MAX) | number;
}

static bool
is_removed(uint64_t word)
{
    return (uint32_t)word == WHS_POSTING_NUMBER_NONE;
}

/* Only into a table that no reader sees yet. */
static void
copy_words(const struct whs_posting_words *words, const struct whs_posting_table *from,
           struct whs_posting_table *to)
{
    for (size_t i = 0; i <= from->mask; i++) {
        uint64_t word = load_word(from, i);
        if (word == 0 || is_removed(word))
            continue;
        size_t at = whs_posting_lists_at(words->lists, (uint32_t)word)->hash & to->mask;
        while (load_word(to, at) != 0)
            at = (at + 1) & to->mask;
        atomic_store_explicit(&to->words[at], word, memory_order_relaxed);
    }
}

/* A table for the present lists: a quarter to a half of its words are used. */
static bool
rebuild(struct whs_posting_words *words)
{
    struct whs_posting_table *old = load_table(words);
    size_t cap = FIRST_WORDS;

    while (cap < words->len * 2)
        cap *= 2;
    struct whs_posting_table *table =
        whs_posting_memory_take(words->memory, measure_table(cap));
    if (table == NULL)
        return false;
    table->mask = cap - 1;
    if (old != NULL)
        copy_words(words, old, table);
    words->used = words->len;
    atomic_store_explicit(&words->table, table, memory_order_release);
    if (old != NULL)
        whs_posting_memory_retire(words->memory, old, measure_table(old->mask + 1));
    return true;
}

/* So that a search always meets an empty word soon: five eighths at most are used. */
bool
whs_posting_words_reserve(struct whs_posting_words *words)
{
    return (words->used + 1) * 8 <= (load_table(words)->mask + 1) * 5 || rebuild(words);
}

void
whs_posting_words_insert(struct whs_posting_words *words, uint64_t hash,
                         uint32_t number)
{
    struct whs_posting_table *table = load_table(words);
    size_t at = hash & table->mask;

    while (load_word(table, at) != 0 && !is_removed(load_word(table, at)))
        at = (at + 1) & table->mask;
    if (load_word(table, at) == 0)
        words->used++;
    words->len++;
    atomic_store_explicit(&table->words[at], make_word(hash, number),
                          memory_order_release);
}

/* No search goes on past the last word of a run, so removed words at the end of a run
 * can be empty again. */
void
whs_posting_words_erase(struct whs_posting_words *words, uint64_t hash, uint32_t number)
{
    struct whs_posting_table *table = load_table(words);
    size_t at = hash & table->mask;

    while ((uint32_t)load_word(table, at) != number)
        at = (at + 1) & table->mask;
    words->len--;
    atomic_store_explicit(&table->words[at], WHS_POSTING_NUMBER_NONE,
                          memory_order_release);
    if (load_word(table, (at + 1) & table->mask) != 0)
        return;
    for (; is_removed(load_word(table, at)); at = (at - 1) & table->mask) {
        atomic_store_explicit(&table->words[at], 0, memory_order_release);
        words->used--;
    }
}

void
whs_posting_words_shrink(struct whs_posting_words *words)
{
    size_t mask = load_table(words)->mask;

    if (mask >= FIRST_WORDS && words->len * 16 < mask)
        (void)rebuild(words);
}

bool
whs_posting_words_init(struct whs_posting_words *words,
                       const struct whs_posting_lists *lists,
                       struct whs_posting_memory *memory)
{
    *words = (struct whs_posting_words){.lists = lists, .memory = memory};
    return rebuild(words);
}

void
whs_posting_words_fini(struct whs_posting_words *words)
{
    whs_free(load_table(words));
}
