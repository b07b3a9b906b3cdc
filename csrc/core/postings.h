/* SPDX-License-Identifier: MIT
 *
 * Lists of subscribers, found by the hash of what the members of one list have in
 * common.
 *
 *   table    one word a list: 32 bits of its hash, 32 bits of its number
 *   lists    in slabs by number, half a cache line each: identity, text, head
 *   members  one alone stands in the head; more stand in a block that doubles
 *
 * Readers take no lock. A word of the table is written once the list is whole, a
 * block's length once its member is in; a removed member leaves an empty place until
 * the block is copied. Nothing that a reader may see is moved or freed before its epoch
 * has passed. Functions marked writer exclude each other by the caller's lock.
 *
 * A list is found for sure, not by its hash alone: its identity is compared, and then,
 * by the caller, its text.
 */
#ifndef WHS_POSTINGS_H
#define WHS_POSTINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "epoch.h"
#include "status.h"
#include "subscriber.h"

struct whs_postings;
struct whs_posting_block;

/* Tells that a member stands in another place of its list now. */
typedef void (*whs_postings_moved)(void *ctx, const struct whs_subscriber *sub,
                                   uint32_t place);

/* `epoch` is borrowed. NULL: no memory. */
struct whs_postings *whs_postings_create(struct whs_epoch *epoch,
                                         whs_postings_moved moved, void *ctx);
/* No reader may be inside. Drops every member's reference. */
void whs_postings_destroy(struct whs_postings *postings);

/* What a list is searched by. A member's text is its subscription's resource; texts of
 * different length must have different identities. */
struct whs_posting_key {
    uint64_t hash;
    uint64_t identity;
};

/* --- Readers, inside of an epoch. --- */

/* The members of one list as they were found: `one`, or `len` places of which some are
 * empty. */
struct whs_posting_view {
    size_t key; /* index of the key that found it */
    struct whs_subscriber *one;
    const _Atomic(struct whs_subscriber *) *members;
    size_t len;
};

/* Is this the text of the key number `key`? */
typedef bool (*whs_postings_same)(const void *ctx, size_t key, const char *text);

/* Finds the lists of several keys at once, each at most once; answers how many. `out`
 * has room for `count`. */
size_t whs_postings_find(const struct whs_postings *postings,
                         const struct whs_posting_key *keys, size_t count,
                         whs_postings_same same, const void *ctx,
                         struct whs_posting_view *out);

/* --- Writer. --- */

/* Where a member stands. */
struct whs_posting_place {
    uint32_t list;
    uint32_t place;
};

/* Adds to the list of `key` and of the member's text, which is made when there is none.
 * Takes the caller's reference unless it fails; WHS_NO_MEMORY changes nothing. */
WHS_CHECK enum whs_status whs_postings_add(struct whs_postings *postings,
                                           struct whs_posting_key key,
                                           struct whs_subscriber *sub,
                                           struct whs_posting_place *out);
/* Does this list have that key and the member's text? */
bool whs_postings_fits(const struct whs_postings *postings, uint32_t list,
                       struct whs_posting_key key, const struct whs_subscriber *sub);
/* The identity of the key that this list has. */
uint64_t whs_postings_identity(const struct whs_postings *postings, uint32_t list);
/* Puts `sub` (taken) in the place of a member, whose reference is retired. A reader
 * sees one of the two. */
void whs_postings_replace(struct whs_postings *postings, struct whs_posting_place place,
                          struct whs_subscriber *sub);
/* Retires the member's reference. */
void whs_postings_remove(struct whs_postings *postings, struct whs_posting_place place);

size_t whs_postings_bytes(const struct whs_postings *postings);

#endif
