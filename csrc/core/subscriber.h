/* SPDX-License-Identifier: MIT
 *
 * A live subscription as the engine knows it: the value that its owner wrote, its
 * identity in the store, and the keys that sign for it. Immutable; a change makes a new
 * one with the same seq. Shared by reference count: any thread.
 */
#ifndef WHS_SUBSCRIBER_H
#define WHS_SUBSCRIBER_H

#include <stdatomic.h>
#include <stdint.h>

#include "id.h"
#include "sign.h"
#include "subscription.h"

struct whs_subscriber {
    /* What a match reads stands first, in one cache line. */
    atomic_int refs;
    int64_t seq;                      /* primary key in the store */
    int64_t created_revision;         /* events of an older revision are not heard */
    uint8_t id[WHS_UUID_BYTES];       /* the webhook subscription's public id */
    char id_text[WHS_UUID_TEXT_SIZE]; /* the same, as it is written */
    int64_t origin_seq;               /* the store's key of its origin; 0: none */
    int64_t failing_since_ms;         /* wall clock; 0 when the last attempt was good */
    struct whs_subscription *subscription; /* referenced */
    struct whs_slice origin;               /* where its deliveries go */
    char *own_origin;     /* the bytes of that, unless they are the URL's; owned */
    struct whs_keys keys; /* owned copy, newest first; wiped */
};

/* Refers to `subscription`, copies `keys` and `origin`, whose absence means the URL's.
 * NULL: no memory. */
struct whs_subscriber *whs_subscriber_create(
    int64_t seq, const uint8_t id[WHS_UUID_BYTES], struct whs_slice origin,
    int64_t origin_seq, int64_t created_revision, int64_t failing_since_ms,
    struct whs_subscription *subscription, const struct whs_keys *keys);
struct whs_subscriber *whs_subscriber_ref(struct whs_subscriber *sub);
void whs_subscriber_unref(struct whs_subscriber *sub);

#endif
