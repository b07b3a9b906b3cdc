/* SPDX-License-Identifier: MIT */
#include "subscriber.h"

#include <assert.h>

#include "alloc.h"

static void
free_keys(struct whs_keys *keys)
{
    for (size_t i = 0; i < keys->len; i++)
        whs_free_wiped((char *)keys->items[i].ptr, keys->items[i].len);
    keys->len = 0;
}

static bool
copy_keys(struct whs_keys *to, const struct whs_keys *from)
{
    assert(from->len <= WHS_KEYS_MAX);
    for (size_t i = 0; i < from->len; i++) {
        char *copy = whs_alloc(from->items[i].len);
        if (copy == NULL) {
            free_keys(to);
            return false;
        }
        memcpy(copy, from->items[i].ptr, from->items[i].len);
        to->items[to->len++] = (struct whs_slice){copy, from->items[i].len};
    }
    return true;
}

static bool
copy_origin(struct whs_subscriber *sub, struct whs_slice origin)
{
    if (origin.ptr == NULL)
        return true;
    sub->own_origin = whs_alloc(origin.len + 1);
    if (sub->own_origin == NULL)
        return false;
    memcpy(sub->own_origin, origin.ptr, origin.len);
    sub->origin = (struct whs_slice){sub->own_origin, origin.len};
    return true;
}

struct whs_subscriber *
whs_subscriber_create(int64_t seq, const uint8_t id[WHS_UUID_BYTES],
                      struct whs_slice origin, int64_t origin_seq,
                      int64_t created_revision, int64_t failing_since_ms,
                      struct whs_subscription *subscription,
                      const struct whs_keys *keys)
{
    struct whs_subscriber *sub = whs_calloc(1, sizeof(*sub));

    if (sub == NULL)
        return NULL;
    sub->origin = subscription->origin;
    if (!copy_origin(sub, origin) || !copy_keys(&sub->keys, keys)) {
        whs_free(sub->own_origin);
        whs_free(sub);
        return NULL;
    }
    atomic_init(&sub->refs, 1);
    sub->seq = seq;
    memcpy(sub->id, id, WHS_UUID_BYTES);
    whs_uuid_format(id, sub->id_text);
    sub->origin_seq = origin_seq;
    sub->created_revision = created_revision;
    sub->failing_since_ms = failing_since_ms;
    sub->subscription = whs_subscription_ref(subscription);
    return sub;
}

struct whs_subscriber *
whs_subscriber_ref(struct whs_subscriber *sub)
{
    atomic_fetch_add_explicit(&sub->refs, 1, memory_order_relaxed);
    return sub;
}

/* Release, so that whoever drops the last reference sees what all others did before
 * they dropped theirs. */
void
whs_subscriber_unref(struct whs_subscriber *sub)
{
    if (sub == NULL ||
        atomic_fetch_sub_explicit(&sub->refs, 1, memory_order_acq_rel) != 1)
        return;
    whs_subscription_unref(sub->subscription);
    free_keys(&sub->keys);
    whs_free(sub->own_origin);
    whs_free(sub);
}
