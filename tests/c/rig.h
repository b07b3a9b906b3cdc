/* SPDX-License-Identifier: MIT
 *
 * An engine on a fake clock and a fake transport, turned by hand.
 */
#ifndef RIG_H
#define RIG_H

#include "engine.h"
#include "fake_clock.h"
#include "fake_transport.h"
#include "world.h"

struct rig {
    struct fake_clock clock;
    struct fake_random random;
    struct whs_catalog *catalog;
    struct fake_transport *transport; /* the engine's */
    struct whs_engine *engine;
    struct whs_report *taken; /* what rig_take gave and rig_settle gives back */
};

/* `tweak` may change the default config; NULL: leaves it. No jitter, so that delays are
 * the schedule's, and nothing reserved, so that one subscription has its origin. */
void rig_init(struct rig *rig, void (*tweak)(struct whs_engine_config *config));
/* Destroys the engine; everything taken and not settled too. */
void rig_fini(struct rig *rig);

void rig_put(struct rig *rig, struct world_sub wanted);
/* Pushes an event of this tenant; returns the matches. */
size_t rig_push(struct rig *rig, int64_t seq, const char *tenant);
enum whs_status rig_push_due(struct rig *rig, int64_t event_seq, const char *tenant,
                             int64_t subscription_seq, int attempts);
void rig_turn(struct rig *rig);
void rig_turns(struct rig *rig, int count);
/* Moves the clock, then turns. */
void rig_pass(struct rig *rig, int64_t ms);

/* Everything reported since; settles what was taken before. NULL: nothing. */
struct whs_report *rig_take(struct rig *rig);
void rig_settle(struct rig *rig);
/* Takes, and expects exactly one report with one delivery. */
const struct whs_reported *rig_take_one(struct rig *rig);
struct whs_engine_stats rig_stats(struct rig *rig);
/* The n-th request that was started, from 0; must be there. */
const struct fake_request *rig_request(struct rig *rig, size_t n);

#endif
