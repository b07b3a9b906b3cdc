/* SPDX-License-Identifier: MIT
 *
 * Many lives of an engine, each by its seed: `simulate --seeds 200`, or one of them
 * with all that happens in it: `simulate --seed 17`. The same seed is the same life.
 */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 400
/* One life in so many is led twice, and must be the same. */
#define TWICE_EVERY 20

void
sim_fail(const struct sim *sim, const char *format, ...)
{
    va_list args;
    printf("seed %llu, step %d: ", (unsigned long long)sim->seed, sim->step);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\nmake simulate SEED=%llu shows how it comes to that.\n",
           (unsigned long long)sim->seed);
    exit(1);
}

/* FNV-1a. */
static uint64_t
mix(uint64_t hash, uint64_t value)
{
    for (int i = 0; i < 8; i++, value >>= 8)
        hash = (hash ^ (value & 255)) * UINT64_C(0x100000001b3);
    return hash;
}

void
sim_note(struct sim *sim, const char *what, int64_t a, int64_t b, int64_t c)
{
    sim->trace =
        mix(mix(mix(mix(sim->trace, (uint64_t)what[0]), (uint64_t)a), (uint64_t)b),
            (uint64_t)c);
    if (sim->loud)
        printf("%4d %10lld ms  %-8s %lld %lld %lld\n", sim->step,
               (long long)sim->clock.mono_ms, what, (long long)a, (long long)b,
               (long long)c);
}

uint64_t
sim_below(struct sim *sim, uint64_t below)
{
    return fake_random_below(&sim->chance, below);
}

int
sim_origin(const struct sim *sim, struct whs_slice name)
{
    for (int i = 0; i < ORIGINS_MAX; i++)
        if (whs_slice_equal(whs_slice_of(sim->origins[i].name), name))
            return i;
    sim_fail(sim, "an attempt goes to %.*s", (int)name.len, name.ptr);
}

/* Most lives end well; some are cut off in the middle. */
static uint64_t
lead_life(struct sim *sim, uint64_t seed)
{
    struct figures figures = sim->figures;
    bool loud = sim->loud;
    memset(sim, 0, sizeof(*sim));
    sim->figures = figures;
    sim->loud = loud;
    sim->seed = seed;
    steps_begin(sim);
    for (sim->step = 0; sim->step < STEPS; sim->step++)
        steps_do_one(sim);
    if (!sim_one_in(sim, 4))
        steps_drain(sim);
    steps_close(sim);
    return sim->trace;
}

static uint64_t
lead_lives(struct sim *sim, uint64_t seeds)
{
    uint64_t all = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        uint64_t trace = lead_life(sim, seed);
        if (seed % TWICE_EVERY == 0 && lead_life(sim, seed) != trace)
            sim_fail(sim, "a second life by the same seed is another one");
        all = mix(all, trace);
    }
    return all;
}

static void
print_figures(const struct figures *figures)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"attempts", figures->attempts},     {"delivered", figures->delivered},
        {"to be retried", figures->retried}, {"dead", figures->dead},
        {"spilled", figures->spilled},       {"expired", figures->expired},
        {"cancelled", figures->cancelled},   {"in halved batches", figures->halved},
        {"probes", figures->probes},         {"pushes refused", figures->full},
        {"starts undone", figures->undone},  {"closed", figures->closes},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        printf("  %-18s %12llu\n", rows[i].name, (unsigned long long)rows[i].value);
}

int
main(int argc, char **argv)
{
    bool one = argc == 3 && strcmp(argv[1], "--seed") == 0;
    if (!one && !(argc == 3 && strcmp(argv[1], "--seeds") == 0)) {
        fprintf(stderr, "usage: simulate --seeds N | --seed N\n");
        return 2;
    }
    uint64_t number = strtoull(argv[2], NULL, 10);
    struct sim *sim = calloc(1, sizeof(*sim));
    if (!sim)
        return 2;
    sim->loud = one;
    uint64_t trace = one ? lead_life(sim, number) : lead_lives(sim, number);
    printf("%s %llu: every rule was kept, trace %016llx\n", one ? "seed" : "seeds",
           (unsigned long long)number, (unsigned long long)trace);
    print_figures(&sim->figures);
    free(sim);
    return 0;
}
