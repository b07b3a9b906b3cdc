/* SPDX-License-Identifier: MIT */
#include "transport_curl_names.h"

#include "alloc.h"
#include "clock.h"

#define FAILED (-1)

bool
whs_curl_names_init(struct whs_curl_names *names)
{
    const struct whs_random *random = &whs_random_system;
    names->key.k0 = random->next(random->ctx);
    names->key.k1 = random->next(random->ctx);
    names->slots = whs_calloc(WHS_CURL_NAMES_MAX, sizeof(*names->slots));
    return names->slots != NULL;
}

void
whs_curl_names_fini(struct whs_curl_names *names)
{
    whs_free(names->slots);
}

static uint64_t
hash_origin(const struct whs_curl_names *names, struct whs_slice origin)
{
    uint64_t hash = whs_hash_bytes(&names->key, origin);
    return hash ? hash : 1;
}

static void
note(struct whs_curl_names *names, struct whs_slice origin, int64_t found_ms)
{
    if (origin.len == 0)
        return;
    uint64_t hash = hash_origin(names, origin);
    names->slots[hash % WHS_CURL_NAMES_MAX] = (struct whs_curl_name){hash, found_ms};
}

void
whs_curl_names_note_found(struct whs_curl_names *names, struct whs_slice origin,
                          int64_t now_ms)
{
    note(names, origin, now_ms);
}

void
whs_curl_names_note_failed(struct whs_curl_names *names, struct whs_slice origin)
{
    note(names, origin, FAILED);
}

/* NULL: never seen. */
static const struct whs_curl_name *
find(const struct whs_curl_names *names, struct whs_slice origin)
{
    if (origin.len == 0)
        return NULL;
    uint64_t hash = hash_origin(names, origin);
    const struct whs_curl_name *name = &names->slots[hash % WHS_CURL_NAMES_MAX];
    return name->hash == hash ? name : NULL;
}

enum whs_curl_standing
whs_curl_names_judge(const struct whs_curl_names *names, struct whs_slice origin)
{
    const struct whs_curl_name *name = find(names, origin);
    if (!name)
        return WHS_CURL_NEVER_SEEN;
    return name->found_ms == FAILED ? WHS_CURL_FAILED : WHS_CURL_FOUND;
}

bool
whs_curl_names_found_since(const struct whs_curl_names *names, struct whs_slice origin,
                           int64_t since_ms)
{
    const struct whs_curl_name *name = find(names, origin);
    return name && name->found_ms != FAILED && name->found_ms >= since_ms;
}

unsigned
whs_curl_names_share(enum whs_curl_standing standing, unsigned max)
{
    switch (standing) {
    case WHS_CURL_FOUND:
        return max;
    case WHS_CURL_NEVER_SEEN:
        return max - max / 4;
    case WHS_CURL_FAILED:
        break;
    }
    return max - max / 2;
}
