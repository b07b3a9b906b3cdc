/* SPDX-License-Identifier: MIT */
#include "matcher.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "alloc.h"
#include "epoch.h"
#include "event.h"
#include "plan.h"
#include "postings.h"
#include "probe.h"
#include "seqmap.h"

/* Probes that are made and looked up together: enough to keep the memory busy, few
 * enough for the stack. */
#define PROBES_AT_ONCE 32
/* A hub's members are asked for so many places ahead. */
#define PREFETCH_AHEAD 8
#define FIRST_MATCHES 16

struct whs_matcher {
    struct whs_catalog *catalog;
    struct whs_probe_secret secret;
    struct whs_epoch epoch;
    struct whs_plans plans;
    struct whs_postings *postings;
    /* Odd while a subscriber moves from one list to another; grows with everything that
     * is added. Tells a reader that it may have met one subscriber in two lists. */
    _Atomic uint64_t changes;
    atomic_size_t count;
    /* Held by writers, for the rest and for changing all of the above. */
    pthread_mutex_t mutex;
    struct whs_seqmap seqs;
};

/* --- Life. --- */

static void
note_move(void *ctx, const struct whs_subscriber *sub, uint32_t place)
{
    struct whs_matcher *matcher = ctx;

    whs_seqmap_find(&matcher->seqs, sub->seq)->place.place = place;
}

enum whs_status
whs_matcher_create(struct whs_catalog *catalog, const struct whs_random *random,
                   struct whs_matcher **out)
{
    struct whs_matcher *matcher = whs_calloc(1, sizeof(*matcher));

    *out = NULL;
    if (matcher == NULL)
        return WHS_NO_MEMORY;
    whs_probe_secret_init(&matcher->secret, random);
    whs_epoch_init(&matcher->epoch);
    matcher->postings = whs_postings_create(&matcher->epoch, note_move, matcher);
    if (matcher->postings == NULL ||
        !whs_plans_init(&matcher->plans, catalog, &matcher->secret, &matcher->epoch))
        goto fail;
    if (pthread_mutex_init(&matcher->mutex, NULL) != 0)
        goto fail;
    matcher->catalog = whs_catalog_ref(catalog);
    *out = matcher;
    return WHS_OK;
fail:
    whs_plans_fini(&matcher->plans);
    whs_postings_destroy(matcher->postings);
    whs_free(matcher);
    return WHS_NO_MEMORY;
}

void
whs_matcher_destroy(struct whs_matcher *matcher)
{
    if (matcher == NULL)
        return;
    whs_epoch_fini(&matcher->epoch);
    whs_seqmap_fini(&matcher->seqs);
    whs_plans_fini(&matcher->plans);
    whs_postings_destroy(matcher->postings);
    pthread_mutex_destroy(&matcher->mutex);
    whs_catalog_unref(matcher->catalog);
    whs_free(matcher);
}

/* --- Writing. --- */

/* What a subscription is filed under. */
struct filing {
    struct whs_shape shape;
    struct whs_posting_key key;
};

static enum whs_status
file_subscriber(const struct whs_matcher *matcher, const struct whs_subscriber *sub,
                struct filing *out, struct whs_error *err)
{
    struct whs_resource resource;
    struct whs_probe probe;
    uint64_t hashes[WHS_PARAMETERS_MAX] = {0};

    enum whs_status status = whs_catalog_resolve(
        matcher->catalog, sub->subscription->resource, &resource, err);
    if (status != WHS_OK)
        return status;
    assert(sub->subscription->action >= WHS_ACTION_CREATE &&
           sub->subscription->action <= WHS_ACTION_ANY);
    out->shape = (struct whs_shape){resource.row, resource.bound,
                                    (uint8_t)sub->subscription->action};
    whs_probe_init(&probe, &matcher->secret,
                   whs_catalog_row_pattern(matcher->catalog, resource.row), out->shape,
                   NULL);
    for (uint8_t i = 0; i < WHS_PARAMETERS_MAX; i++)
        if ((resource.bound >> i & 1) != 0)
            hashes[i] = whs_hash_bytes(&matcher->secret.value_key, resource.values[i]);
    whs_probe_keys(&probe, 1, &matcher->secret, resource.values, hashes, &out->key);
    return WHS_OK;
}

static enum whs_status
add_locked(struct whs_matcher *matcher, struct whs_subscriber *sub,
           const struct filing *filing, struct whs_posting_place *place)
{
    enum whs_status status = whs_plans_add(&matcher->plans, filing->shape);

    if (status != WHS_OK)
        return status;
    status = whs_postings_add(matcher->postings, filing->key, sub, place);
    if (status != WHS_OK)
        whs_plans_remove(&matcher->plans, filing->shape);
    return status;
}

static void
remove_locked(struct whs_matcher *matcher, struct whs_posting_place place)
{
    struct whs_shape shape =
        whs_probe_shape(whs_postings_identity(matcher->postings, place.list));

    whs_postings_remove(matcher->postings, place);
    whs_plans_remove(&matcher->plans, shape);
}

/* Both lists hold it for a while: a reader that came too early for the new one still
 * finds it in the old one, because that is left alone until such readers are gone. A
 * reader that finds both drops one. */
static enum whs_status
move_locked(struct whs_matcher *matcher, struct whs_seqmap_entry *entry,
            struct whs_subscriber *sub, const struct filing *filing)
{
    struct whs_posting_place place;

    atomic_fetch_add(&matcher->changes, 1);
    enum whs_status status = add_locked(matcher, sub, filing, &place);
    if (status == WHS_OK) {
        struct whs_posting_place old = entry->place;
        whs_epoch_wait(&matcher->epoch);
        *entry = (struct whs_seqmap_entry){sub, place};
        remove_locked(matcher, old);
    }
    atomic_fetch_add(&matcher->changes, 1);
    return status;
}

static enum whs_status
insert_locked(struct whs_matcher *matcher, struct whs_subscriber *sub,
              const struct filing *filing)
{
    struct whs_posting_place place;

    if (!whs_seqmap_reserve(&matcher->seqs))
        return WHS_NO_MEMORY;
    atomic_fetch_add(&matcher->changes, 2);
    enum whs_status status = add_locked(matcher, sub, filing, &place);
    if (status != WHS_OK)
        return status;
    whs_seqmap_add(&matcher->seqs, (struct whs_seqmap_entry){sub, place});
    atomic_fetch_add_explicit(&matcher->count, 1, memory_order_relaxed);
    return WHS_OK;
}

static enum whs_status
put_locked(struct whs_matcher *matcher, struct whs_subscriber *sub,
           const struct filing *filing)
{
    struct whs_seqmap_entry *entry = whs_seqmap_find(&matcher->seqs, sub->seq);

    if (entry == NULL)
        return insert_locked(matcher, sub, filing);
    if (!whs_postings_fits(matcher->postings, entry->place.list, filing->key, sub))
        return move_locked(matcher, entry, sub, filing);
    entry->sub = sub;
    whs_postings_replace(matcher->postings, entry->place, sub);
    return WHS_OK;
}

enum whs_status
whs_matcher_put(struct whs_matcher *matcher, struct whs_subscriber *sub,
                struct whs_error *err)
{
    struct filing filing;

    enum whs_status status = file_subscriber(matcher, sub, &filing, err);
    if (status != WHS_OK)
        return status;
    whs_subscriber_ref(sub);
    pthread_mutex_lock(&matcher->mutex);
    status = put_locked(matcher, sub, &filing);
    whs_epoch_reclaim(&matcher->epoch);
    pthread_mutex_unlock(&matcher->mutex);
    if (status == WHS_OK)
        return WHS_OK;
    whs_subscriber_unref(sub);
    return whs_error_set(err, status, "%s", whs_status_message(status));
}

enum whs_status
whs_matcher_remove(struct whs_matcher *matcher, int64_t seq)
{
    pthread_mutex_lock(&matcher->mutex);
    struct whs_seqmap_entry *entry = whs_seqmap_find(&matcher->seqs, seq);
    bool known = entry != NULL;
    if (known) {
        struct whs_posting_place place = entry->place;
        whs_seqmap_remove(&matcher->seqs, seq);
        remove_locked(matcher, place);
        atomic_fetch_sub_explicit(&matcher->count, 1, memory_order_relaxed);
        whs_epoch_reclaim(&matcher->epoch);
    }
    pthread_mutex_unlock(&matcher->mutex);
    return known ? WHS_OK : WHS_NOT_FOUND;
}

struct whs_subscriber *
whs_matcher_find(struct whs_matcher *matcher, int64_t seq)
{
    pthread_mutex_lock(&matcher->mutex);
    struct whs_seqmap_entry *entry = whs_seqmap_find(&matcher->seqs, seq);
    struct whs_subscriber *sub = entry != NULL ? whs_subscriber_ref(entry->sub) : NULL;
    pthread_mutex_unlock(&matcher->mutex);
    return sub;
}

size_t
whs_matcher_count(const struct whs_matcher *matcher)
{
    return atomic_load_explicit(&matcher->count, memory_order_relaxed);
}

size_t
whs_matcher_bytes(const struct whs_matcher *matcher)
{
    /* The lock is no part of what a caller sees as constant. */
    pthread_mutex_t *mutex = (pthread_mutex_t *)&matcher->mutex;

    pthread_mutex_lock(mutex);
    size_t bytes = sizeof(*matcher) + matcher->epoch.limbo_bytes +
                   matcher->plans.bytes + whs_postings_bytes(matcher->postings) +
                   whs_seqmap_bytes(&matcher->seqs);
    pthread_mutex_unlock(mutex);
    return bytes;
}

/* --- Matches. --- */

static void
drop_matches(struct whs_matches *matches, size_t start)
{
    for (size_t i = start; i < matches->len; i++)
        whs_subscriber_unref(matches->items[i].sub);
    matches->len = start;
}

void
whs_matches_fini(struct whs_matches *matches)
{
    drop_matches(matches, 0);
    whs_free(matches->items);
    *matches = (struct whs_matches){0};
}

void
whs_matches_reset(struct whs_matches *matches)
{
    drop_matches(matches, 0);
}

static bool
reserve_matches(struct whs_matches *matches, size_t extra)
{
    if (matches->cap - matches->len >= extra)
        return true;
    size_t cap = matches->cap == 0 ? FIRST_MATCHES : matches->cap * 2;
    while (cap - matches->len < extra)
        cap *= 2;
    struct whs_match *items = whs_resize(matches->items, cap * sizeof(*items));
    if (items == NULL)
        return false;
    matches->items = items;
    matches->cap = cap;
    return true;
}

static int
compare_matches(const void *left, const void *right)
{
    const struct whs_match *a = left, *b = right;

    if (a->sub->seq != b->sub->seq)
        return a->sub->seq < b->sub->seq ? -1 : 1;
    return a->path - b->path;
}

/* Leaves one of each seq, of the earliest path. */
static void
drop_repeats(struct whs_matches *matches, size_t start)
{
    size_t len = start;

    qsort(matches->items + start, matches->len - start, sizeof(*matches->items),
          compare_matches);
    for (size_t i = start; i < matches->len; i++) {
        if (len > start &&
            matches->items[len - 1].sub->seq == matches->items[i].sub->seq)
            whs_subscriber_unref(matches->items[i].sub);
        else
            matches->items[len++] = matches->items[i];
    }
    matches->len = len;
}

/* --- Matching. --- */

struct match_run {
    const struct whs_matcher *matcher;
    enum whs_action action;
    int64_t revision;
    struct whs_matches *out;
    size_t lists; /* that had a member */
    uint8_t path; /* the present one */
    const struct whs_probe *probes;
    struct whs_entity entities[WHS_EVENT_PATHS_MAX];
};

static bool
has_same_text(const void *ctx, size_t key, const char *text)
{
    const struct match_run *run = ctx;

    return whs_probe_same(&run->probes[key], run->entities[run->path].values, text);
}

/* Would the path with this number have met the same list? The list itself may be
 * another by now; its key is not. */
static bool
has_same_key(const struct match_run *run, uint8_t path, const struct whs_probe *probe)
{
    const struct whs_entity *other = &run->entities[path];
    const struct whs_entity *entity = &run->entities[run->path];
    uint16_t covers, row = whs_probe_shape(probe->identity).row;
    const struct whs_cover *cover =
        whs_catalog_covers(run->matcher->catalog, other->entity, &covers);

    for (uint16_t c = 0; c < covers; c++) {
        if (cover[c].row != row ||
            (cover[c].actions & WHS_ACTION_BIT(run->action)) == 0)
            continue;
        uint8_t i = 0;
        while (
            i < probe->count &&
            whs_slice_equal(entity->values[probe->values[i]],
                            other->values[cover[c].parameters[probe->parameters[i]]]))
            i++;
        return i == probe->count;
    }
    return false;
}

static bool
was_met_before(const struct match_run *run, const struct whs_probe *probe)
{
    for (uint8_t path = 0; path < run->path; path++)
        if (has_same_key(run, path, probe))
            return true;
    return false;
}

static void
add_match(struct match_run *run, struct whs_subscriber *sub)
{
#ifndef WHS_SABOTAGE_no_rev
    if (sub->created_revision > run->revision)
        return;
#endif
    run->out->items[run->out->len++] =
        (struct whs_match){whs_subscriber_ref(sub), run->path};
}

static bool
add_matches(struct match_run *run, const struct whs_posting_view *view)
{
    if (!reserve_matches(run->out, view->one ? 1 : view->len))
        return false;
    run->lists++;
    if (view->one != NULL)
        add_match(run, view->one);
    for (size_t i = 0; i < view->len; i++) {
        struct whs_subscriber *sub =
            atomic_load_explicit(&view->members[i], memory_order_acquire);
        if (i + PREFETCH_AHEAD < view->len)
            __builtin_prefetch(atomic_load_explicit(&view->members[i + PREFETCH_AHEAD],
                                                    memory_order_relaxed),
                               1);
        if (sub != NULL)
            add_match(run, sub);
    }
    return true;
}

static bool
match_probes(struct match_run *run, const uint64_t *hashes, size_t count)
{
    const struct whs_slice *values = run->entities[run->path].values;
    struct whs_posting_key keys[PROBES_AT_ONCE];
    struct whs_posting_view views[PROBES_AT_ONCE];

    whs_probe_keys(run->probes, count, &run->matcher->secret, values, hashes, keys);
    size_t found = whs_postings_find(run->matcher->postings, keys, count, has_same_text,
                                     run, views);
    for (size_t i = 0; i < found; i++)
        if (!was_met_before(run, &run->probes[views[i].key]) &&
            !add_matches(run, &views[i]))
            return false;
    return true;
}

static bool
match_path(struct match_run *run)
{
    const struct whs_entity *entity = &run->entities[run->path];
    uint64_t hashes[WHS_PARAMETERS_MAX];
    size_t count;
    uint8_t values;
    const struct whs_probe *probes = whs_plans_find(
        &run->matcher->plans, entity->entity, run->action, &count, &values);

    if (count == 0)
        return true;
    for (uint8_t i = 0; i < values; i++)
        hashes[i] = whs_hash_bytes(&run->matcher->secret.value_key, entity->values[i]);
    for (size_t at = 0; at < count; at += PROBES_AT_ONCE) {
        size_t some = count - at < PROBES_AT_ONCE ? count - at : PROBES_AT_ONCE;
        run->probes = probes + at;
        if (!match_probes(run, hashes, some))
            return false;
    }
    return true;
}

enum whs_status
whs_matcher_match(struct whs_matcher *matcher, const struct whs_slice *paths,
                  size_t path_count, enum whs_action action, int64_t revision,
                  struct whs_matches *out, struct whs_error *err)
{
    struct match_run run;
    size_t start = out->len;
    bool complete = true;

    if (action < WHS_ACTION_CREATE || action > WHS_ACTION_DELETE)
        return whs_error_set(err, WHS_INVALID,
                             "an event is a create, an update or a delete");
    enum whs_status status = whs_catalog_locate_event(matcher->catalog, paths,
                                                      path_count, run.entities, err);
    if (status != WHS_OK)
        return status;
    run.matcher = matcher;
    run.action = action;
    run.revision = revision;
    run.out = out;
    run.lists = 0;
    atomic_uint *entered = whs_epoch_enter(&matcher->epoch);
    uint64_t changes = atomic_load(&matcher->changes);
    for (run.path = 0; complete && run.path < path_count; run.path++)
        complete = match_path(&run);
    bool changed = changes % 2 != 0 || atomic_load(&matcher->changes) != changes;
    whs_epoch_leave(entered);
    if (!complete) {
        drop_matches(out, start);
        return whs_error_set(err, WHS_NO_MEMORY, "%s",
                             whs_status_message(WHS_NO_MEMORY));
    }
    if (changed && run.lists > 1)
        drop_repeats(out, start);
    return WHS_OK;
}
