/* SPDX-License-Identifier: MIT
 *
 * How long does it take to find who hears a path, and what does knowing it cost?
 *
 *   match SUBSCRIPTIONS [PASSES]
 *
 * One tenant has 100 subscriptions and 70 drawers. Most subscriptions are below one
 * drawer, some name a record, a few hear a whole tenant; a third ask for one action. A
 * path is that of a random entity, so that about 0.4 subscriptions hear it. Passes with
 * and without a hub (10,000 subscriptions of one resource) alternate. Times are CPU
 * time of the one thread, medians of the passes; prints one JSON object.
 */
#include "matcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "handmade.h"
#include "sidedrawer.h"

#define SUBSCRIPTIONS_PER_TENANT 100
#define DRAWERS_PER_TENANT 70
#define RECORDS_PER_DRAWER 20
#define HUB_SUBSCRIPTIONS 10000
#define PATHS (1 << 17)
#define PATH_SIZE 120
#define PASSES_DEFAULT 9
#define PASSES_MAX 99

/* --- Chance that is the same in every run. --- */

static uint64_t
next_random(void *ctx)
{
    uint64_t *state = ctx;
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static unsigned
pick(uint64_t *state, uint64_t count)
{
    return (unsigned)(next_random(state) % count);
}

/* --- A world. --- */

struct world {
    uint64_t state;
    unsigned tenants;
    struct whs_matcher *matcher;
    char (*paths)[PATH_SIZE];
    enum whs_action actions[PATHS];
};

/* Out of 100 subscriptions and of 100 paths. Numbers are given in this order: tenant,
 * drawer, record, and whatever the last parameter is. */
struct share {
    unsigned of_hundred;
    const char *format;
};

#define TENANT "tenant/t-%06u"
#define DRAWER TENANT "/sidedrawer/5f3c9a7e%06u"
#define RECORD DRAWER "/record/5f3c9b12%06u"

static const struct share resources[] = {
    {33, DRAWER "/record"},
    {12, DRAWER "/inbox"},
    {10, DRAWER "/network"},
    {8, DRAWER "/plan-request"},
    {15, RECORD},
    {10, RECORD "/files"},
    {8, RECORD "/network"},
    {1, TENANT "/sidedrawer"},
    {1, TENANT "/sidedrawer/{sidedrawerId}/inbox"},
    {2, TENANT "/sidedrawer/{sidedrawerId}/plan-request/{planRequestId}"},
};

static const struct share entities[] = {
    {5, DRAWER},
    {40, RECORD},
    {20, RECORD "/files/f%06u"},
    {10, RECORD "/network/n%06u"},
    {10, DRAWER "/inbox/i%06u"},
    {5, DRAWER "/network/n%06u"},
    {10, DRAWER "/plan-request/p%06u"},
};

static const char *
pick_format(struct world *world, const struct share *shares)
{
    unsigned at = pick(&world->state, 100);
    while (at >= shares->of_hundred)
        at -= shares++->of_hundred;
    return shares->format;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void
write_path(struct world *world, const struct share *shares, char out[PATH_SIZE])
{
    const char *format = pick_format(world, shares);
    snprintf(out, PATH_SIZE, format, pick(&world->state, world->tenants),
             pick(&world->state, DRAWERS_PER_TENANT),
             pick(&world->state, RECORDS_PER_DRAWER), pick(&world->state, 100));
}
#pragma GCC diagnostic pop

static void
put(struct world *world, int64_t seq, const char *resource, enum whs_action action)
{
    struct whs_error err;
    /* The matcher keeps the last reference until the process ends. */
    struct whs_subscriber *sub = handmade_subscriber(seq, resource, action, 0);
    if (whs_matcher_put(world->matcher, sub, &err) != WHS_OK) {
        fprintf(stderr, "%s: %s\n", resource, err.message);
        exit(1);
    }
}

static void
fill(struct world *world, unsigned subscriptions)
{
    char resource[PATH_SIZE];
    for (unsigned seq = 1; seq <= subscriptions; seq++) {
        unsigned at = pick(&world->state, 9);
        enum whs_action action =
            at < 3 ? (enum whs_action)(WHS_ACTION_CREATE + (int)at) : WHS_ACTION_ANY;
        write_path(world, resources, resource);
        put(world, seq, resource, action);
    }
}

static void
make_paths(struct world *world)
{
    world->paths = malloc(sizeof(*world->paths) * PATHS);
    if (!world->paths)
        abort();
    for (unsigned i = 0; i < PATHS; i++) {
        write_path(world, entities, world->paths[i]);
        world->actions[i] =
            pick(&world->state, 4) ? WHS_ACTION_UPDATE : WHS_ACTION_CREATE;
    }
}

/* --- Measuring. --- */

static double
cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* ns per match; *hits is what one match found, on average. */
static double
pass(struct world *world, double *hits)
{
    struct whs_matches matches = {0};
    struct whs_error err;
    size_t found = 0;
    double began = cpu_ns();
    for (size_t i = 0; i < PATHS; i++) {
        struct whs_slice path = whs_slice_of(world->paths[i]);
        if (whs_matcher_match(world->matcher, &path, 1, world->actions[i], INT64_MAX,
                              &matches, &err) != WHS_OK) {
            fprintf(stderr, "%s: %s\n", world->paths[i], err.message);
            exit(1);
        }
        found += matches.len;
        whs_matches_reset(&matches);
    }
    double ns = (cpu_ns() - began) / PATHS;
    whs_matches_fini(&matches);
    *hits = (double)found / PATHS;
    return ns;
}

static int
compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double
median(double *values, unsigned count)
{
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
}

/* Nobody's path leads to it: it is there to be in the way. */
static void
toggle_hub(struct world *world, bool on)
{
    for (int64_t seq = 1; seq <= HUB_SUBSCRIPTIONS; seq++) {
        int64_t hub_seq = INT64_C(1) << 40 | seq;
        if (on)
            put(world, hub_seq, "tenant/hub/sidedrawer/hub/record", WHS_ACTION_ANY);
        else if (whs_matcher_remove(world->matcher, hub_seq) != WHS_OK)
            abort();
    }
}

static void
measure(struct world *world, unsigned subscriptions, unsigned passes)
{
    double without[PASSES_MAX], with[PASSES_MAX], hits;
    size_t bytes = whs_matcher_bytes(world->matcher);
    pass(world, &hits);
    for (unsigned i = 0; i < passes; i++) {
        without[i] = pass(world, &hits);
        toggle_hub(world, true);
        with[i] = pass(world, &hits);
        toggle_hub(world, false);
    }
    double ns = median(without, passes), hub_ns = median(with, passes);
    printf("{\"subscriptions\": %u, \"ns\": %.1f, \"hits\": %.2f, "
           "\"bytes_per_subscription\": %.1f, \"hub_ns\": %.1f, \"hub_ratio\": %.3f}\n",
           subscriptions, ns, hits, (double)bytes / subscriptions, hub_ns, hub_ns / ns);
}

int
main(int argc, char **argv)
{
    static struct world world = {.state = 42};
    unsigned subscriptions = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    unsigned passes = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : PASSES_DEFAULT;
    if (subscriptions < SUBSCRIPTIONS_PER_TENANT || passes < 1 || passes > PASSES_MAX) {
        fprintf(stderr, "usage: match SUBSCRIPTIONS [PASSES]\n");
        return 2;
    }
    struct whs_random random = {next_random, &world.state};
    world.tenants = subscriptions / SUBSCRIPTIONS_PER_TENANT;
    if (whs_matcher_create(sidedrawer_catalog(), &random, &world.matcher) != WHS_OK)
        abort();
    fill(&world, subscriptions);
    make_paths(&world);
    measure(&world, subscriptions, passes);
    return 0;
}
