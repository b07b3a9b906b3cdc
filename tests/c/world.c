/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "fake_clock.h"

#define TEXT_SIZE 4096

/* As whs_subscription_build leaves it: one block, its texts behind it. */
struct block {
    struct whs_subscription subscription;
    size_t used;
    char text[TEXT_SIZE];
};

static struct whs_slice
copy(struct block *block, const char *text)
{
    size_t len = strlen(text) + 1;
    if (block->used + len > TEXT_SIZE)
        abort();
    char *at = block->text + block->used;
    memcpy(at, text, len);
    block->used += len;
    return (struct whs_slice){at, len - 1};
}

static struct whs_slice
join(struct block *block, const char *pattern, const char *word)
{
    char text[256];
    snprintf(text, sizeof(text), pattern, word);
    return copy(block, text);
}

static struct whs_slice
number(struct block *block, const char *pattern, long long seq)
{
    char text[256];
    snprintf(text, sizeof(text), pattern, seq);
    return copy(block, text);
}

static struct whs_subscription *
make_subscription(const struct world_sub *wanted)
{
    struct block *block = whs_calloc(1, sizeof(*block));
    if (!block)
        abort();
    struct whs_subscription *made = &block->subscription;
    atomic_init(&made->refs, 1);
    made->action = WHS_ACTION_ANY;
    made->channel = wanted->event ? WHS_CHANNEL_SOCKET : WHS_CHANNEL_HTTP;
    const char *tenant = wanted->tenant ? wanted->tenant : "t1";
    made->resource = join(block, "tenant/%s/sidedrawer", tenant);
    made->root = join(block, "tenant/%s", tenant);
    made->origin = wanted->origin
                       ? copy(block, wanted->origin)
                       : number(block, "https://host-%lld.test:443", wanted->seq);
    if (wanted->event)
        made->socket_event = copy(block, wanted->event);
    else
        made->url = join(block, "%s/hook", made->origin.ptr);
    made->expires_at_ms = wanted->expires_at_ms ? wanted->expires_at_ms : INT64_MAX;
    made->expires_text = copy(block, "9999-01-01T00:00:00Z");
    made->max_retries = wanted->max_retries - 1;
    made->batching = wanted->batching;
    made->rate_micros = wanted->rate_micros;
    made->headers = wanted->headers;
    made->header_count = wanted->header_count;
    return made;
}

struct whs_subscriber *
world_subscriber(const struct world_sub *wanted)
{
    struct whs_subscription *subscription = make_subscription(wanted);
    struct whs_keys keys = {0};
    uint8_t id[WHS_UUID_BYTES] = {0};
    memcpy(id, &wanted->seq, sizeof(wanted->seq));
    if (wanted->key)
        keys.items[keys.len++] = whs_slice_of(wanted->key);
    struct whs_subscriber *sub = whs_subscriber_create(
        wanted->seq, id, (struct whs_slice){0}, 1000 + wanted->seq,
        wanted->created_revision, wanted->failing_since_ms, subscription, &keys);
    if (!sub)
        abort();
    whs_subscription_unref(subscription);
    return sub;
}

struct whs_event *
world_event(int64_t seq, const char *tenant, const char *data)
{
    char path[256];
    snprintf(path, sizeof(path), "tenant/%s/sidedrawer/s%lld", tenant, (long long)seq);
    struct whs_slice paths[] = {whs_slice_of(path)};
    struct whs_event from = {
        .seq = seq,
        .action = WHS_ACTION_UPDATE,
        .published_at_ms = FAKE_CLOCK_START_MS,
        .revision = 1000,
        .data = whs_slice_of(data),
        .path_count = 1,
    };
    memcpy(from.id, &seq, sizeof(seq));
    struct whs_event *event = whs_event_create(&from, paths);
    if (!event)
        abort();
    return event;
}
