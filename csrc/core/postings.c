/* SPDX-License-Identifier: MIT */
#include "postings.h"

#include <assert.h>
#include <string.h>

#include "alloc.h"
#include "posting_list.h"
#include "posting_words.h"

struct whs_posting_block {
    uint32_t cap;
    _Atomic uint32_t len;
    uint32_t live;  /* writer's: members that are not removed */
    uint32_t first; /* writer's: the first of those */
    _Atomic(struct whs_subscriber *) members[];
};

#define FIRST_MEMBERS 4

struct whs_postings {
    struct whs_posting_words words;
    struct whs_posting_lists lists;
    /* The rest is the writer's. */
    struct whs_posting_memory memory;
    whs_postings_moved moved;
    void *ctx;
};

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
    whs_epoch_retire(postings->memory.epoch, release_member, NULL, sub, 0);
}

size_t
whs_postings_bytes(const struct whs_postings *postings)
{
    return sizeof(*postings) + postings->memory.bytes;
}

static struct whs_posting_list *
list_of(const struct whs_postings *postings, uint32_t number)
{
    return whs_posting_lists_at(&postings->lists, number);
}

/* The number of the list that has this key and text, or 0. */
static uint32_t
search_list(const struct whs_postings *postings, struct whs_posting_key key,
            const struct whs_subscriber *sub)
{
    const struct whs_posting_table *table =
        atomic_load_explicit(&postings->words.table, memory_order_relaxed);

    for (size_t at = key.hash;; at++) {
        uint64_t word = whs_posting_words_at(table, at);
        if (word == 0)
            return 0;
        if (whs_posting_word_fits(word, key.hash) &&
            whs_postings_fits(postings, (uint32_t)word, key, sub))
            return (uint32_t)word;
    }
}

bool
whs_postings_fits(const struct whs_postings *postings, uint32_t number,
                  struct whs_posting_key key, const struct whs_subscriber *sub)
{
    const struct whs_posting_list *list = list_of(postings, number);
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

/* --- Members. --- */

static struct whs_posting_block *
block_of(uintptr_t head)
{
    return head & 1 ? (struct whs_posting_block *)(head - 1) : NULL;
}

static struct whs_posting_block *
load_block(const struct whs_posting_list *list)
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
store_text(struct whs_posting_list *list, const struct whs_subscriber *sub)
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

static size_t
measure_block(uint32_t cap)
{
    return sizeof(struct whs_posting_block) +
           cap * sizeof(_Atomic(struct whs_subscriber *));
}

static struct whs_posting_block *
create_block(struct whs_postings *postings, uint32_t members)
{
    uint32_t cap = FIRST_MEMBERS;

    while (cap < members)
        cap *= 2;
    struct whs_posting_block *block =
        whs_posting_memory_take(&postings->memory, measure_block(cap));
    if (block != NULL)
        block->cap = cap;
    return block;
}

static void
publish_block(struct whs_posting_list *list, struct whs_posting_block *block)
{
    atomic_store_explicit(&list->head, (uintptr_t)block + 1, memory_order_release);
}

static void
retire_block(struct whs_postings *postings, struct whs_posting_block *block)
{
    whs_posting_memory_retire(&postings->memory, block, measure_block(block->cap));
}

/* Leaves the empty places behind. False: no memory, nothing has changed. */
static bool
copy_block(struct whs_postings *postings, struct whs_posting_list *list,
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
reserve_place(struct whs_postings *postings, struct whs_posting_list *list)
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
    uint32_t number = whs_posting_lists_reserve(&postings->lists);

    if (number == 0 || !whs_posting_words_reserve(&postings->words))
        return WHS_NO_MEMORY;
    struct whs_posting_list *list = whs_posting_lists_use(&postings->lists, number);
    list->identity = key.identity;
    list->hash = key.hash;
    atomic_store_explicit(&list->head, (uintptr_t)sub, memory_order_relaxed);
    store_text(list, sub);
    whs_posting_words_insert(&postings->words, key.hash, number);
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
    struct whs_posting_list *list = list_of(postings, place.list);
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
    struct whs_posting_list *list = list_of(postings, number);
    struct whs_posting_block *block = load_block(list);

    whs_posting_words_erase(&postings->words, list->hash, number);
    if (block != NULL)
        retire_block(postings, block);
    whs_posting_lists_retire(&postings->lists, number);
    whs_posting_words_shrink(&postings->words);
}

/* One member left needs no block; a block is copied when half of it is empty. */
static void
tidy_block(struct whs_postings *postings, struct whs_posting_list *list,
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
    struct whs_posting_list *list = list_of(postings, place.list);
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
    postings->memory.epoch = epoch;
    postings->moved = moved;
    postings->ctx = ctx;
    bool lists = whs_posting_lists_init(&postings->lists, &postings->memory);
    bool words =
        whs_posting_words_init(&postings->words, &postings->lists, &postings->memory);
    if (lists && words)
        return postings;
    whs_postings_destroy(postings);
    return NULL;
}

static void
destroy_list(struct whs_posting_list *list)
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
    const struct whs_posting_table *table =
        atomic_load_explicit(&postings->words.table, memory_order_relaxed);

    for (size_t i = 0; table != NULL && i <= table->mask; i++) {
        uint32_t number = (uint32_t)whs_posting_words_at(table, i);
        if (number != 0 && number != WHS_POSTING_NUMBER_NONE)
            destroy_list(list_of(postings, number));
    }
    whs_posting_words_fini(&postings->words);
    whs_posting_lists_fini(&postings->lists);
    whs_free(postings);
}

/* --- Readers. --- */

static void
read_members(const struct whs_posting_list *list, size_t key,
             struct whs_posting_view *view)
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

static const struct whs_posting_list *
check_list(const struct whs_postings *postings, uint32_t number,
           const struct whs_posting_key *keys, size_t key, whs_postings_same same,
           const void *ctx)
{
    const struct whs_posting_list *list =
        whs_posting_lists_read(&postings->lists, number);

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
    const struct whs_posting_table *table =
        atomic_load_explicit(&postings->words.table, memory_order_acquire);
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(&table->words[keys[i].hash & table->mask]);
    for (size_t i = 0; i < count; i++) {
        for (size_t at = keys[i].hash;; at++) {
            uint64_t word = whs_posting_words_at(table, at);
            if (word == 0)
                break;
            if (!whs_posting_word_fits(word, keys[i].hash))
                continue;
            const struct whs_posting_list *list =
                check_list(postings, (uint32_t)word, keys, i, same, ctx);
            if (list != NULL) {
                read_members(list, i, &out[found++]);
                break;
            }
        }
    }
    return found;
}
