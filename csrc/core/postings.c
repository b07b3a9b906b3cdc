/* SPDX-License-Identifier: MIT */
#include "postings.h"

#include <assert.h>

#include "alloc.h"

/* Half a cache line. `head` is a subscriber, or a block with the lowest bit set. `text`
 * is the first member's: all members have the same one. */
struct list {
    _Atomic uintptr_t head;
    _Atomic(const char *) text;
    uint64_t identity; /* constant while a reader may see the list */
    uint64_t hash;     /* writer's; the next free number while the list is none */
};

struct whs_posting_block {
    uint32_t cap;
    _Atomic uint32_t len;
    uint32_t live;  /* writer's: members that are not removed */
    uint32_t first; /* writer's: the first of those */
    _Atomic(struct whs_subscriber *) members[];
};

/* Slabs never move and are kept for reuse; 512 lists are 16 KB. */
#define SLAB_LISTS 512
#define FIRST_SLABS 8

struct directory {
    size_t cap;
    struct list *slabs[];
};

/* Open addressing. A word is hash bits 32 … 63 above the list's number; 0 is empty. */
#define NUMBER_REMOVED UINT32_MAX
#define FIRST_WORDS 64
#define FIRST_MEMBERS 4

struct table {
    size_t mask;
    _Atomic uint64_t words[];
};

struct whs_postings {
    _Atomic(struct table *) table;
    _Atomic(struct directory *) directory;
    /* The rest is the writer's. */
    struct whs_epoch *epoch;
    whs_postings_moved moved;
    void *ctx;
    size_t lists;     /* that have members */
    size_t used;      /* words that are not empty, removed ones included */
    uint32_t numbers; /* given out so far; 0 is none's */
    uint32_t free;    /* a list of numbers to give out again */
    size_t bytes;
};

/* --- Memory. --- */

static void *
take_bytes(struct whs_postings *postings, size_t size)
{
    void *ptr = whs_calloc(1, size);

    if (ptr != NULL)
        postings->bytes += size;
    return ptr;
}

static void
retire_bytes(struct whs_postings *postings, void *ptr, size_t size)
{
    if (ptr == NULL)
        return;
    postings->bytes -= size;
    whs_epoch_retire(postings->epoch, whs_epoch_release_memory, NULL, ptr, size);
}

static void
release_member(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    (void)size;
    whs_subscriber_unref(ptr);
}

static void
retire_member(struct whs_postings *postings, struct whs_subscriber *sub)
{
    whs_epoch_retire(postings->epoch, release_member, NULL, sub, 0);
}

static size_t
measure_table(size_t words)
{
    return sizeof(struct table) + words * sizeof(_Atomic uint64_t);
}

static size_t
measure_directory(size_t slabs)
{
    return sizeof(struct directory) + slabs * sizeof(struct list *);
}

static size_t
measure_block(uint32_t cap)
{
    return sizeof(struct whs_posting_block) +
           cap * sizeof(_Atomic(struct whs_subscriber *));
}

size_t
whs_postings_bytes(const struct whs_postings *postings)
{
    return sizeof(*postings) + postings->bytes;
}

/* --- Lists by number. --- */

static inline struct list *
find_list(const struct directory *directory, uint32_t number)
{
    return &directory->slabs[number / SLAB_LISTS][number % SLAB_LISTS];
}

static struct list *
list_of(const struct whs_postings *postings, uint32_t number)
{
    return find_list(atomic_load_explicit(&postings->directory, memory_order_relaxed),
                     number);
}

static bool
grow_directory(struct whs_postings *postings)
{
    struct directory *old =
        atomic_load_explicit(&postings->directory, memory_order_relaxed);
    size_t cap = old == NULL ? FIRST_SLABS : old->cap * 2;
    struct directory *directory = take_bytes(postings, measure_directory(cap));

    if (directory == NULL)
        return false;
    directory->cap = cap;
    if (old != NULL)
        memcpy(directory->slabs, old->slabs, old->cap * sizeof(old->slabs[0]));
    atomic_store_explicit(&postings->directory, directory, memory_order_release);
    if (old != NULL)
        retire_bytes(postings, old, measure_directory(old->cap));
    return true;
}

/* A reader reaches a slab only through the word of one of its lists, which is written
 * later: the slab's pointer may be stored plainly. */
static bool
grow_slabs(struct whs_postings *postings)
{
    struct directory *directory =
        atomic_load_explicit(&postings->directory, memory_order_relaxed);
    size_t at = postings->numbers / SLAB_LISTS;

    if (directory == NULL || at == directory->cap) {
        if (!grow_directory(postings))
            return false;
        directory = atomic_load_explicit(&postings->directory, memory_order_relaxed);
    }
    if (directory->slabs[at] == NULL)
        directory->slabs[at] = take_bytes(postings, SLAB_LISTS * sizeof(struct list));
    return directory->slabs[at] != NULL;
}

/* 0: no memory. The number is given out when the caller fills it: see use_number. */
static uint32_t
reserve_number(struct whs_postings *postings)
{
    if (postings->free != 0)
        return postings->free;
    if (postings->numbers == NUMBER_REMOVED ||
        (postings->numbers % SLAB_LISTS == 0 && !grow_slabs(postings)))
        return 0;
    return postings->numbers;
}

static struct list *
use_number(struct whs_postings *postings, uint32_t number)
{
    struct list *list = list_of(postings, number);

    if (number == postings->free)
        postings->free = (uint32_t)list->hash;
    else
        postings->numbers++;
    return list;
}

static void
release_number(void *ctx, void *ptr, size_t size)
{
    struct whs_postings *postings = ctx;
    uint32_t number = (uint32_t)(uintptr_t)ptr;

    (void)size;
    list_of(postings, number)->hash = postings->free;
    postings->free = number;
}

/* --- The table. --- */

static inline uint64_t
make_word(uint64_t hash, uint32_t number)
{
    return (hash & ~(uint64_t)UINT32_MAX) | number;
}

static inline bool
has_tag(uint64_t word, uint64_t hash)
{
    return (word ^ hash) >> 32 == 0 && (uint32_t)word != NUMBER_REMOVED;
}

static uint64_t
load_word(const struct table *table, size_t at)
{
    return atomic_load_explicit(&table->words[at], memory_order_relaxed);
}

/* Only into a table that no reader sees yet. */
static void
copy_words(struct whs_postings *postings, const struct table *from, struct table *to)
{
    for (size_t i = 0; i <= from->mask; i++) {
        uint64_t word = load_word(from, i);
        if (word == 0 || (uint32_t)word == NUMBER_REMOVED)
            continue;
        size_t at = list_of(postings, (uint32_t)word)->hash & to->mask;
        while (load_word(to, at) != 0)
            at = (at + 1) & to->mask;
        atomic_store_explicit(&to->words[at], word, memory_order_relaxed);
    }
}

/* A table for the present lists: a quarter to a half of its words are used. */
static bool
rebuild_table(struct whs_postings *postings)
{
    struct table *old = atomic_load_explicit(&postings->table, memory_order_relaxed);
    size_t words = FIRST_WORDS;

    while (words < postings->lists * 2)
        words *= 2;
    struct table *table = take_bytes(postings, measure_table(words));
    if (table == NULL)
        return false;
    table->mask = words - 1;
    if (old != NULL)
        copy_words(postings, old, table);
    postings->used = postings->lists;
    atomic_store_explicit(&postings->table, table, memory_order_release);
    if (old != NULL)
        retire_bytes(postings, old, measure_table(old->mask + 1));
    return true;
}

/* So that a search always meets an empty word soon: five eighths at most are used. */
static bool
reserve_word(struct whs_postings *postings)
{
    struct table *table = atomic_load_explicit(&postings->table, memory_order_relaxed);

    return (postings->used + 1) * 8 <= (table->mask + 1) * 5 || rebuild_table(postings);
}

/* The number of the list that has this key and text, or 0. */
static uint32_t
search_list(const struct whs_postings *postings, struct whs_posting_key key,
            const struct whs_subscriber *sub)
{
    struct table *table = atomic_load_explicit(&postings->table, memory_order_relaxed);

    for (size_t at = key.hash & table->mask;; at = (at + 1) & table->mask) {
        uint64_t word = load_word(table, at);
        if (word == 0)
            return 0;
        if (has_tag(word, key.hash) &&
            whs_postings_fits(postings, (uint32_t)word, key, sub))
            return (uint32_t)word;
    }
}

bool
whs_postings_fits(const struct whs_postings *postings, uint32_t number,
                  struct whs_posting_key key, const struct whs_subscriber *sub)
{
    const struct list *list = list_of(postings, number);
    struct whs_slice text = sub->subscription->resource;

    return list->identity == key.identity &&
           memcmp(atomic_load_explicit(&list->text, memory_order_relaxed), text.ptr,
                  text.len) == 0;
}

uint64_t
whs_postings_identity(const struct whs_postings *postings, uint32_t number)
{
    return list_of(postings, number)->identity;
}

static void
insert_word(struct whs_postings *postings, uint64_t hash, uint32_t number)
{
    struct table *table = atomic_load_explicit(&postings->table, memory_order_relaxed);
    size_t at = hash & table->mask;

    while (load_word(table, at) != 0 &&
           (uint32_t)load_word(table, at) != NUMBER_REMOVED)
        at = (at + 1) & table->mask;
    if (load_word(table, at) == 0)
        postings->used++;
    postings->lists++;
    atomic_store_explicit(&table->words[at], make_word(hash, number),
                          memory_order_release);
}

/* No search goes on past the last word of a run, so removed words at the end of a run
 * can be empty again. */
static void
erase_word(struct whs_postings *postings, uint64_t hash, uint32_t number)
{
    struct table *table = atomic_load_explicit(&postings->table, memory_order_relaxed);
    size_t at = hash & table->mask;

    while ((uint32_t)load_word(table, at) != number)
        at = (at + 1) & table->mask;
    postings->lists--;
    atomic_store_explicit(&table->words[at], NUMBER_REMOVED, memory_order_release);
    if (load_word(table, (at + 1) & table->mask) != 0)
        return;
    for (; (uint32_t)load_word(table, at) == NUMBER_REMOVED;
         at = (at - 1) & table->mask) {
        atomic_store_explicit(&table->words[at], 0, memory_order_release);
        postings->used--;
    }
}

/* --- Members. --- */

static struct whs_posting_block *
block_of(uintptr_t head)
{
    return head & 1 ? (struct whs_posting_block *)(head - 1) : NULL;
}

static struct whs_posting_block *
load_block(const struct list *list)
{
    return block_of(atomic_load_explicit(&list->head, memory_order_relaxed));
}

static struct whs_subscriber *
load_member(const struct whs_posting_block *block, uint32_t place)
{
    return atomic_load_explicit(&block->members[place], memory_order_relaxed);
}

static void
store_member(struct whs_posting_block *block, uint32_t place,
             struct whs_subscriber *sub)
{
    atomic_store_explicit(&block->members[place], sub, memory_order_release);
}

static void
store_text(struct list *list, const struct whs_subscriber *sub)
{
    atomic_store_explicit(&list->text, sub->subscription->resource.ptr,
                          memory_order_release);
}

/* Before readers see the block: its length is the only thing that says what is in it.
 */
static void
append_member(struct whs_posting_block *block, struct whs_subscriber *sub)
{
    uint32_t len = atomic_load_explicit(&block->len, memory_order_relaxed);

    assert(len < block->cap);
    store_member(block, len, sub);
    block->live++;
    atomic_store_explicit(&block->len, len + 1, memory_order_release);
}

static struct whs_posting_block *
create_block(struct whs_postings *postings, uint32_t members)
{
    uint32_t cap = FIRST_MEMBERS;

    while (cap < members)
        cap *= 2;
    struct whs_posting_block *block = take_bytes(postings, measure_block(cap));
    if (block != NULL)
        block->cap = cap;
    return block;
}

static void
publish_block(struct list *list, struct whs_posting_block *block)
{
    atomic_store_explicit(&list->head, (uintptr_t)block + 1, memory_order_release);
}

static void
retire_block(struct whs_postings *postings, struct whs_posting_block *block)
{
    retire_bytes(postings, block, measure_block(block->cap));
}

/* Leaves the empty places behind. False: no memory, nothing has changed. */
static bool
copy_block(struct whs_postings *postings, struct list *list,
           struct whs_posting_block *old)
{
    struct whs_posting_block *block = create_block(postings, old->live * 2);
    uint32_t len = atomic_load_explicit(&old->len, memory_order_relaxed);

    if (block == NULL)
        return false;
    for (uint32_t i = old->first; i < len; i++) {
        struct whs_subscriber *sub = load_member(old, i);
        if (sub == NULL)
            continue;
        if (i != block->live)
            postings->moved(postings->ctx, sub, block->live);
        append_member(block, sub);
    }
    publish_block(list, block);
    retire_block(postings, old);
    return true;
}

/* The block that has a place free for one more. */
static struct whs_posting_block *
reserve_place(struct whs_postings *postings, struct list *list)
{
    struct whs_posting_block *block = load_block(list);

    if (block == NULL) {
        block = create_block(postings, FIRST_MEMBERS);
        if (block == NULL)
            return NULL;
        append_member(block, (struct whs_subscriber *)atomic_load_explicit(
                                 &list->head, memory_order_relaxed));
        publish_block(list, block);
        return block;
    }
    if (atomic_load_explicit(&block->len, memory_order_relaxed) < block->cap)
        return block;
    return copy_block(postings, list, block) ? load_block(list) : NULL;
}

static enum whs_status
add_list(struct whs_postings *postings, struct whs_posting_key key,
         struct whs_subscriber *sub, struct whs_posting_place *out)
{
    uint32_t number = reserve_number(postings);

    if (number == 0 || !reserve_word(postings))
        return WHS_NO_MEMORY;
    struct list *list = use_number(postings, number);
    list->identity = key.identity;
    list->hash = key.hash;
    atomic_store_explicit(&list->head, (uintptr_t)sub, memory_order_relaxed);
    store_text(list, sub);
    insert_word(postings, key.hash, number);
    *out = (struct whs_posting_place){number, 0};
    return WHS_OK;
}

enum whs_status
whs_postings_add(struct whs_postings *postings, struct whs_posting_key key,
                 struct whs_subscriber *sub, struct whs_posting_place *out)
{
    uint32_t number = search_list(postings, key, sub);

    if (number == 0)
        return add_list(postings, key, sub, out);
    struct whs_posting_block *block =
        reserve_place(postings, list_of(postings, number));
    if (block == NULL)
        return WHS_NO_MEMORY;
    *out = (struct whs_posting_place){
        number, atomic_load_explicit(&block->len, memory_order_relaxed)};
    append_member(block, sub);
    return WHS_OK;
}

void
whs_postings_replace(struct whs_postings *postings, struct whs_posting_place place,
                     struct whs_subscriber *sub)
{
    struct list *list = list_of(postings, place.list);
    struct whs_posting_block *block = load_block(list);
    struct whs_subscriber *old;

    if (block == NULL) {
        old = (struct whs_subscriber *)atomic_load_explicit(&list->head,
                                                            memory_order_relaxed);
        atomic_store_explicit(&list->head, (uintptr_t)sub, memory_order_release);
    } else {
        old = load_member(block, place.place);
        store_member(block, place.place, sub);
    }
    if (block == NULL || place.place == block->first)
        store_text(list, sub);
    retire_member(postings, old);
}

static void
drop_list(struct whs_postings *postings, uint32_t number)
{
    struct list *list = list_of(postings, number);
    struct whs_posting_block *block = load_block(list);
    struct table *table = atomic_load_explicit(&postings->table, memory_order_relaxed);

    erase_word(postings, list->hash, number);
    if (block != NULL)
        retire_block(postings, block);
    whs_epoch_retire(postings->epoch, release_number, postings,
                     (void *)(uintptr_t)number, 0);
    /* A smaller table is welcome, not needed. */
    if (table->mask >= FIRST_WORDS && postings->lists * 16 < table->mask)
        (void)rebuild_table(postings);
}

/* One member left needs no block; a block is copied when half of it is empty. */
static void
tidy_block(struct whs_postings *postings, struct list *list,
           struct whs_posting_block *block)
{
    struct whs_subscriber *first = load_member(block, block->first);

    if (block->live == 1) {
        postings->moved(postings->ctx, first, 0);
        atomic_store_explicit(&list->head, (uintptr_t)first, memory_order_release);
        retire_block(postings, block);
    } else if (block->live * 2 <=
               atomic_load_explicit(&block->len, memory_order_relaxed)) {
        (void)copy_block(postings, list, block);
    }
}

void
whs_postings_remove(struct whs_postings *postings, struct whs_posting_place place)
{
    struct list *list = list_of(postings, place.list);
    struct whs_posting_block *block = load_block(list);
    struct whs_subscriber *sub;

    if (block == NULL) {
        sub = (struct whs_subscriber *)atomic_load_explicit(&list->head,
                                                            memory_order_relaxed);
        drop_list(postings, place.list);
        retire_member(postings, sub);
        return;
    }
    sub = load_member(block, place.place);
    store_member(block, place.place, NULL);
    block->live--;
    assert(block->live > 0); /* the last one stands alone */
    if (place.place == block->first) {
        while (load_member(block, block->first) == NULL)
            block->first++;
        store_text(list, load_member(block, block->first));
    }
    tidy_block(postings, list, block);
    retire_member(postings, sub);
}

/* --- Life. --- */

struct whs_postings *
whs_postings_create(struct whs_epoch *epoch, whs_postings_moved moved, void *ctx)
{
    struct whs_postings *postings = whs_calloc(1, sizeof(*postings));

    if (postings == NULL)
        return NULL;
    postings->epoch = epoch;
    postings->moved = moved;
    postings->ctx = ctx;
    if (!rebuild_table(postings) || !grow_slabs(postings)) {
        whs_postings_destroy(postings);
        return NULL;
    }
    postings->numbers = 1;
    return postings;
}

static void
destroy_list(struct list *list)
{
    struct whs_posting_block *block = load_block(list);

    if (block == NULL) {
        whs_subscriber_unref((struct whs_subscriber *)atomic_load_explicit(
            &list->head, memory_order_relaxed));
        return;
    }
    for (uint32_t i = 0; i < atomic_load_explicit(&block->len, memory_order_relaxed);
         i++)
        whs_subscriber_unref(load_member(block, i));
    whs_free(block);
}

void
whs_postings_destroy(struct whs_postings *postings)
{
    if (postings == NULL)
        return;
    struct table *table = atomic_load_explicit(&postings->table, memory_order_relaxed);
    struct directory *directory =
        atomic_load_explicit(&postings->directory, memory_order_relaxed);

    for (size_t i = 0; table != NULL && i <= table->mask; i++) {
        uint32_t number = (uint32_t)load_word(table, i);
        if (number != 0 && number != NUMBER_REMOVED)
            destroy_list(list_of(postings, number));
    }
    for (size_t i = 0; directory != NULL && i < directory->cap; i++)
        whs_free(directory->slabs[i]);
    whs_free(directory);
    whs_free(table);
    whs_free(postings);
}

/* --- Readers. --- */

static void
read_members(const struct list *list, size_t key, struct whs_posting_view *view)
{
    uintptr_t head = atomic_load_explicit(&list->head, memory_order_acquire);
    const struct whs_posting_block *block = block_of(head);

    *view = (struct whs_posting_view){.key = key};
    if (block == NULL) {
        view->one = (struct whs_subscriber *)head;
    } else {
        view->len = atomic_load_explicit(&block->len, memory_order_acquire);
        view->members = block->members;
    }
}

/* The directory is loaded behind the word: it has at least the slab of that number. */
static const struct list *
check_list(const struct whs_postings *postings, uint32_t number,
           const struct whs_posting_key *keys, size_t key, whs_postings_same same,
           const void *ctx)
{
    const struct list *list = find_list(
        atomic_load_explicit(&postings->directory, memory_order_acquire), number);

    if (list->identity != keys[key].identity ||
        !same(ctx, key, atomic_load_explicit(&list->text, memory_order_acquire)))
        return NULL;
    return list;
}

size_t
whs_postings_find(const struct whs_postings *postings,
                  const struct whs_posting_key *keys, size_t count,
                  whs_postings_same same, const void *ctx, struct whs_posting_view *out)
{
    const struct table *table =
        atomic_load_explicit(&postings->table, memory_order_acquire);
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(&table->words[keys[i].hash & table->mask]);
    for (size_t i = 0; i < count; i++) {
        for (size_t at = keys[i].hash & table->mask;; at = (at + 1) & table->mask) {
            uint64_t word =
                atomic_load_explicit(&table->words[at], memory_order_acquire);
            if (word == 0)
                break;
            if (!has_tag(word, keys[i].hash))
                continue;
            const struct list *list =
                check_list(postings, (uint32_t)word, keys, i, same, ctx);
            if (list != NULL) {
                read_members(list, i, &out[found++]);
                break;
            }
        }
    }
    return found;
}
