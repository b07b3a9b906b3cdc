/* SPDX-License-Identifier: MIT
 *
 * One simulated life of an engine, by one seed: what it was asked for, and what it must
 * be in by now. The engine is the real one, on a fake clock and a fake transport;
 * everything here is kept beside it, from what it was told and what it sent.
 *
 *   steps.c  does something at random     watch.c  sees each attempt start and end
 *   judge.c  may this attempt start?      books.c  does every report add up?
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attempt.h"
#include "engine.h"
#include "fake_clock.h"
#include "fake_transport.h"
#include "sidedrawer.h"
#include "world.h"

#define SUBS_MAX 12
#define ORIGINS_MAX 5
#define TENANTS_MAX 3
#define EVENTS_MAX 1500
#define FLIGHTS_MAX 64

/* Where a delivery is. */
enum standing {
    NOWHERE, /* never asked for */
    QUEUED,  /* the engine's, not started */
    STARTED,
    ENDED,   /* answered or cancelled: this turn reports it, or halves its batch */
    TOLD,    /* reported WAITING, not settled */
    WAITING, /* a row in the store */
    OVER,    /* reported for good */
};

struct delivery {
    enum standing standing;
    int attempts;
    bool claimed_row;
    bool halves;    /* ENDED: its batch may be halved in place of a report */
    int64_t due_ms; /* WAITING: monotonic */
    int64_t queued_at_ms;
    bool leaves; /* QUEUED: its subscription was paused, or its origin blocked */
};

struct event {
    const char *tenant;
    size_t left; /* of its fan-out, not reported */
};

struct sub {
    struct world_sub value;
    bool known;
    bool live;
    bool cancelled; /* unsubscribed: never comes back */
    bool expired;   /* its date had come, some time */
    /* Was changed, or its origin blocked, and nothing has started since: it stands
     * behind the others, or what it has leaves. */
    bool changed;
    size_t queued;
    int life; /* one more with each pause: what was in flight then counts no longer */
    size_t in_flight; /* of this life */
    double tokens;    /* of its rate */
    int64_t filled_ms;
    /* Attempts of others that started while it could have: */
    int passed_by[SUBS_MAX];           /* at its origin, by subscription */
    int passed_elsewhere[ORIGINS_MAX]; /* by origin */
};

struct origin {
    const char *name;
    int mood; /* how it answers: watch.c */
    size_t in_flight;
    int failures; /* of connections, in a row */
    bool probing;
    int64_t blocked_until_ms; /* monotonic; 0: closed */
};

struct flight {
    struct whs_exchange *exchange; /* NULL: free */
    int sub;
    int life;
    int origin;
    bool probe;
};

struct sim {
    uint64_t seed;
    bool loud; /* says what it does */
    int step;
    uint64_t trace; /* hash of everything that happened */
    struct fake_clock clock;
    struct fake_random chance; /* the world's */
    struct fake_random random; /* the engine's */
    struct whs_engine_config config;
    struct whs_catalog *catalog;
    struct fake_transport *fake;
    struct whs_engine *engine;

    struct sub subs[SUBS_MAX];
    struct origin origins[ORIGINS_MAX];
    struct flight flights[FLIGHTS_MAX];
    struct event events[EVENTS_MAX + 1]; /* by seq, from 1 */
    struct delivery deliveries[EVENTS_MAX + 1][SUBS_MAX];
    int event_count;
    size_t queued;
    size_t in_flight;
    int idle_polls;
    int64_t lease_until_ms;
    bool closing;
    bool outage; /* the store settles nothing */
    /* Taken and not settled, in order. */
    struct whs_report *unsettled;
    struct whs_report **unsettled_last;
    size_t slots_unsettled;
    size_t loose_unsettled; /* deliveries in reports without a slot */

    /* What it came to, over all seeds. */
    struct figures {
        uint64_t attempts, delivered, retried, dead, spilled, expired, cancelled;
        uint64_t halved, probes, full, undone, closes;
    } figures;
};

/* Ends the program with exit code 1: `seed` breaks a promise. */
void sim_fail(const struct sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));
/* Adds to the trace. */
void sim_note(struct sim *sim, const char *what, int64_t a, int64_t b, int64_t c);
uint64_t sim_below(struct sim *sim, uint64_t below);
static inline bool
sim_one_in(struct sim *sim, uint64_t n)
{
    return sim_below(sim, n) == 0;
}

static inline struct delivery *
sim_delivery(struct sim *sim, int64_t event_seq, int64_t sub_seq)
{
    return &sim->deliveries[event_seq][sub_seq - 1];
}
int sim_origin(const struct sim *sim, struct whs_slice name);

/* --- watch.c --- */

/* Owned by whoever takes it. */
struct whs_transport *watch_create(struct sim *sim);
#define MOODS 9

/* --- judge.c --- */

/* Is about to be sent. */
void judge_start(struct sim *sim, const struct whs_attempt *attempt);
/* Is sent: whom did it pass? */
void judge_fairness(struct sim *sim, const struct whs_attempt *attempt);

/* --- books.c --- */

void books_queued(struct sim *sim, int64_t event_seq, int64_t sub_seq, int attempts,
                  bool claimed_row);
/* `sent` false: the transport refused it, and it has ended. */
void books_started(struct sim *sim, struct whs_attempt *attempt, bool sent);
/* `answered` false: cancelled. */
void books_ended(struct sim *sim, struct whs_attempt *attempt, bool answered);
/* Takes what was reported and checks that everything adds up. */
void books_check(struct sim *sim);
/* The store commits the oldest `count` reports. */
void books_settle(struct sim *sim, size_t count);
/* What is queued for it leaves, as far as it has not started. */
void books_leave(struct sim *sim, struct sub *sub);
/* It is gone: that too, and what is in flight for it counts no longer. */
void books_end_life(struct sim *sim, struct sub *sub);
/* Others' starts no longer count against it. */
void books_forget_passing(struct sub *sub);

/* --- steps.c --- */

void steps_begin(struct sim *sim);
void steps_do_one(struct sim *sim);
/* All endpoints and the store are well: everything must end by itself. */
void steps_drain(struct sim *sim);
void steps_close(struct sim *sim);

#endif
