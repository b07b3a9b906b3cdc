/* SPDX-License-Identifier: MIT
 *
 * What is known of an origin's name? When it was last found, or that its last lookup
 * brought nothing. From that follows how many of the places for lookups it may find
 * taken and still take one, so that names that hang leave places to those that are
 * found:
 *
 *   failed      up to a half
 *   never seen  up to three quarters
 *   found       all; reached lately: needs none, its connection is kept
 *
 * A table of fixed size, by hash: an origin may push another out, which is then one
 * never seen. Engine thread.
 */
#ifndef WHS_TRANSPORT_CURL_NAMES_H
#define WHS_TRANSPORT_CURL_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "hash.h"
#include "slice.h"

#define WHS_CURL_NAMES_MAX 4096

/* How far a name can be relied upon to be found at once; in the order in which they
 * take places.
 */
enum whs_curl_standing {
    WHS_CURL_FOUND,
    WHS_CURL_NEVER_SEEN,
    WHS_CURL_FAILED,
};
#define WHS_CURL_STANDINGS 3

struct whs_curl_name {
    uint64_t hash;    /* of its origin; 0: none */
    int64_t found_ms; /* monotonic; negative: its last lookup failed */
};

struct whs_curl_names {
    struct whs_hash_key key;
    struct whs_curl_name *slots; /* WHS_CURL_NAMES_MAX */
};

/* False: no memory; fini is needed all the same. */
bool whs_curl_names_init(struct whs_curl_names *names);
void whs_curl_names_fini(struct whs_curl_names *names);

/* An absent origin is never seen. */
void whs_curl_names_note_found(struct whs_curl_names *names, struct whs_slice origin,
                               int64_t now_ms);
void whs_curl_names_note_failed(struct whs_curl_names *names, struct whs_slice origin);
enum whs_curl_standing whs_curl_names_judge(const struct whs_curl_names *names,
                                            struct whs_slice origin);
/* Found no earlier than `since_ms`. */
bool whs_curl_names_found_since(const struct whs_curl_names *names,
                                struct whs_slice origin, int64_t since_ms);
/* How many of `max` places may be taken when one of them takes another. At least 1. */
unsigned whs_curl_names_share(enum whs_curl_standing standing, unsigned max);

#endif
