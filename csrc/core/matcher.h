/* SPDX-License-Identifier: MIT
 *
 * Which subscriptions hear this path?
 *
 * A subscriber stands in exactly one posting list: the one of its key
 * (row, bound parameters and their values, action). An entity path has few possible
 * keys: the rows that cover it, times the shapes (bound mask, action) of such a row
 * that have any subscriber at all. Each is one keyed hash; all are prefetched together.
 *
 * Readers take no lock, whatever the writer does. Writers exclude each other. What a
 * reader may still see is freed only when every reader of that time has left.
 */
#ifndef WHS_MATCHER_H
#define WHS_MATCHER_H

#include <stddef.h>
#include <stdint.h>

#include "action.h"
#include "catalog.h"
#include "clock.h"
#include "slice.h"
#include "status.h"
#include "subscriber.h"

struct whs_matcher;

/* Refers to `catalog`; `random` keys the hash. */
WHS_CHECK enum whs_status whs_matcher_create(struct whs_catalog *catalog,
                                             const struct whs_random *random,
                                             struct whs_matcher **out);
/* No reader may be inside. Drops every subscriber. */
void whs_matcher_destroy(struct whs_matcher *matcher);

/* Adds, or replaces the one with the same seq. Takes its own reference. Any thread.
 * WHS_UNKNOWN_RESOURCE when today's catalog no longer knows the resource. */
WHS_CHECK enum whs_status whs_matcher_put(struct whs_matcher *matcher,
                                          struct whs_subscriber *sub,
                                          struct whs_error *err);
/* WHS_NOT_FOUND is no error to a caller that only wants it gone. */
enum whs_status whs_matcher_remove(struct whs_matcher *matcher, int64_t seq);
/* The live one with this seq, referenced for the caller; NULL when there is none. Any
 * thread. */
struct whs_subscriber *whs_matcher_find(struct whs_matcher *matcher, int64_t seq);
size_t whs_matcher_count(const struct whs_matcher *matcher);
/* Bytes held for matching, without the subscribers themselves. */
size_t whs_matcher_bytes(const struct whs_matcher *matcher);

struct whs_match {
    struct whs_subscriber *sub; /* referenced for the receiver of the matches */
    uint8_t path;               /* first of the event's paths that it covers */
};

struct whs_matches {
    struct whs_match *items;
    size_t len;
    size_t cap;
};

/* {0} is valid. Fini drops the references too. */
void whs_matches_fini(struct whs_matches *matches);
/* Drops the references, keeps the memory. */
void whs_matches_reset(struct whs_matches *matches);

/* Appends each subscriber once that hears any of the paths, was created at or before
 * `revision`, and asks for `action`. All paths must share one root (WHS_INVALID). Any
 * thread, no lock. */
WHS_CHECK enum whs_status whs_matcher_match(struct whs_matcher *matcher,
                                            const struct whs_slice *paths,
                                            size_t path_count, enum whs_action action,
                                            int64_t revision, struct whs_matches *out,
                                            struct whs_error *err);

#endif
