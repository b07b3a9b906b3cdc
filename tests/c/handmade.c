/* SPDX-License-Identifier: MIT */
#include "handmade.h"

#include <stdio.h>
#include <stdlib.h>

/* Subscription and text in one block, of the C library: a test may be failing the
 * core's allocations. */
struct block {
    struct whs_subscription subscription;
    struct whs_subscriber sub;
    char text[];
};

struct whs_subscriber *
handmade_subscriber(int64_t seq, const char *resource, enum whs_action action,
                    int64_t created_revision)
{
    size_t len = strlen(resource);
    struct block *block = calloc(1, sizeof(*block) + len);

    if (block == NULL)
        abort();
    memcpy(block->text, resource, len);
    block->subscription.resource = (struct whs_slice){block->text, len};
    block->subscription.root = block->subscription.resource;
    block->subscription.action = action;
    atomic_init(&block->subscription.refs, 1);
    block->sub.subscription = &block->subscription;
    block->sub.seq = seq;
    block->sub.created_revision = created_revision;
    atomic_init(&block->sub.refs, 1);
    return &block->sub;
}

int
handmade_refs(const struct whs_subscriber *sub)
{
    return atomic_load(&sub->refs);
}

void
handmade_free(struct whs_subscriber *sub)
{
    if (handmade_refs(sub) != 1 || atomic_load(&sub->subscription->refs) != 1) {
        fprintf(stderr, "seq %lld: somebody kept a reference\n", (long long)sub->seq);
        abort();
    }
    free(sub->subscription);
}
