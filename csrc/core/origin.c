/* SPDX-License-Identifier: MIT */
#include "origin.h"

#include <string.h>

#include "alloc.h"

/* Kept without work, the oldest goes first: a dead one is remembered while nothing is
 * sent to it. */
#define IDLE_MAX 4096

bool
whs_origins_init(struct whs_origins *origins, size_t in_flight_max, size_t reserved,
                 const struct whs_random *random)
{
    *origins = (struct whs_origins){
        .in_flight_max = in_flight_max,
        .shared_max = reserved < in_flight_max ? in_flight_max - reserved : 0,
    };
    origins->key.k0 = random->next(random->ctx);
    origins->key.k1 = random->next(random->ctx);
    whs_link_init(&origins->ready);
    whs_link_init(&origins->idle);
    return whs_table_init(&origins->table);
}

static void
free_origin(struct whs_origins *origins, struct whs_origin *origin)
{
    if (whs_breaker_blocked_until(&origin->breaker) != 0)
        origins->blocked--;
    whs_timer_clear(&origins->reopening, &origin->reopening);
    whs_list_remove(&origin->ring);
    whs_list_remove(&origin->idle);
    origins->idle_count--;
    whs_table_remove(&origins->table, &origin->entry);
    whs_free(origin);
}

static struct whs_origin *
create_origin(struct whs_origins *origins, struct whs_slice name, uint64_t hash)
{
    struct whs_origin *origin = whs_calloc(1, sizeof(*origin) + name.len);
    if (!origin)
        return NULL;
    char *text = (char *)(origin + 1);
    if (name.len)
        memcpy(text, name.ptr, name.len);
    origin->name = (struct whs_slice){text, name.len};
    origin->paced_ms = origins->mono_ms;
    whs_link_init(&origin->ring);
    whs_link_init(&origin->fresh);
    whs_link_init(&origin->lanes);
    whs_link_init(&origin->idle);
    whs_table_add(&origins->table, &origin->entry, hash);
    return origin;
}

static struct whs_origin *
find_origin(const struct whs_origins *origins, struct whs_slice name, uint64_t hash)
{
    struct whs_entry *entry = whs_table_chain(&origins->table, hash);
    for (; entry; entry = entry->next) {
        struct whs_origin *each = WHS_HOLDER(entry, struct whs_origin, entry);
        if (entry->hash == hash && whs_slice_equal(each->name, name))
            return each;
    }
    return NULL;
}

struct whs_origin *
whs_origin_open(struct whs_origins *origins, struct whs_slice name)
{
    uint64_t hash = whs_hash_bytes(&origins->key, name);
    struct whs_origin *origin = find_origin(origins, name, hash);
    if (!origin)
        origin = create_origin(origins, name, hash);
    if (!origin)
        return NULL;
    if (!whs_link_is_alone(&origin->idle)) {
        whs_list_remove(&origin->idle);
        origins->idle_count--;
    }
    origin->refs++;
    return origin;
}

void
whs_origin_close(struct whs_origins *origins, struct whs_origin *origin)
{
    if (--origin->refs > 0)
        return;
    whs_list_append(&origins->idle, &origin->idle);
    origins->idle_count++;
    if (origins->idle_count > IDLE_MAX)
        free_origin(origins, WHS_HOLDER(whs_list_first(&origins->idle),
                                        struct whs_origin, idle));
}

void
whs_origin_place(struct whs_origins *origins, struct whs_origin *origin)
{
    bool fresh = !whs_link_is_alone(&origin->fresh);
    bool wants = fresh || !whs_link_is_alone(&origin->lanes);
    bool blocked = whs_origin_is_blocked(origin, origins->mono_ms);
    size_t most = fresh ? origins->in_flight_max : origins->shared_max;
    bool starts =
        wants && !blocked && !origin->breaker.probing && origin->in_flight < most;

    if (wants && blocked)
        whs_timer_set(&origins->reopening, &origin->reopening,
                      whs_breaker_blocked_until(&origin->breaker));
    else
        whs_timer_clear(&origins->reopening, &origin->reopening);
    if (!starts)
        whs_list_remove(&origin->ring);
    else if (whs_link_is_alone(&origin->ring))
        whs_list_append(&origins->ready, &origin->ring);
}

struct whs_link *
whs_origin_front(const struct whs_origin *origin)
{
    struct whs_link *fresh = whs_list_first(&origin->fresh);
    return fresh ? fresh : whs_list_first(&origin->lanes);
}

enum whs_breaker_news
whs_origin_record(struct whs_origins *origins, struct whs_origin *origin,
                  bool connection_failed, int failures_max, int64_t open_ms)
{
    bool was_open = whs_breaker_blocked_until(&origin->breaker) != 0;
    enum whs_breaker_news news = whs_breaker_record(
        &origin->breaker, connection_failed, failures_max, open_ms, origins->mono_ms);
    bool is_open = whs_breaker_blocked_until(&origin->breaker) != 0;
    if (is_open && !was_open)
        origins->blocked++;
    else if (was_open && !is_open)
        origins->blocked--;
    whs_origin_place(origins, origin);
    return news;
}

void
whs_origin_reopen(struct whs_origins *origins, struct whs_slice name)
{
    struct whs_origin *origin =
        find_origin(origins, name, whs_hash_bytes(&origins->key, name));
    if (!origin)
        return;
    if (whs_breaker_blocked_until(&origin->breaker) != 0)
        origins->blocked--;
    origin->breaker = (struct whs_breaker){0};
    whs_origin_place(origins, origin);
}

void
whs_origin_forgo(struct whs_origins *origins, struct whs_origin *origin)
{
    origin->breaker.probing = false;
    whs_origin_place(origins, origin);
}

void
whs_origins_fini(struct whs_origins *origins)
{
    struct whs_link *link;
    while (origins->idle.next && (link = whs_list_first(&origins->idle)))
        free_origin(origins, WHS_HOLDER(link, struct whs_origin, idle));
    whs_table_fini(&origins->table);
}
