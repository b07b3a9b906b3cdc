/* SPDX-License-Identifier: MIT
 *
 * One way in which a subscription may have named what an event is about: a row of the
 * catalog, which of its parameters are bound, and the action asked for.
 *
 *   row        tenant/{tenantId}/sidedrawer/{sidedrawerId}/record      bound {tenantId}
 *   resource   tenant/acme/sidedrawer/{sidedrawerId}/record
 *              ·······      ···········································  gaps
 *
 * With values it becomes the key of a posting list. Two keys with equal identities have
 * texts of equal length with equal gaps at equal places, so comparing the values is
 * comparing the texts.
 *
 * Each value is hashed once (hash.h) whatever the number of probes; a key's hash is a
 * sum of products of those hashes with secret multipliers, folded. Without the secret
 * nobody can choose ids that meet. A secret of zeros makes every hash zero: a test uses
 * that to see that nothing but comparing decides.
 */
#ifndef WHS_PROBE_H
#define WHS_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "action.h"
#include "catalog.h"
#include "clock.h"
#include "hash.h"
#include "postings.h"
#include "slice.h"

__extension__ typedef unsigned __int128 whs_wide;

struct whs_probe_secret {
    struct whs_hash_key value_key;
    uint64_t multipliers[WHS_PARAMETERS_MAX];
    uint64_t shape_multiplier;
};

void whs_probe_secret_init(struct whs_probe_secret *secret,
                           const struct whs_random *random);

/* What a row's subscriptions may differ in, besides their values. */
struct whs_shape {
    uint16_t row;
    uint16_t bound;
    uint8_t action; /* enum whs_action */
};

struct whs_probe {
    whs_wide seed;
    uint64_t identity; /* of the shape and of the length of all gaps */
    uint8_t count;     /* bound parameters */
    uint8_t parameters[WHS_PARAMETERS_MAX]; /* their numbers in the row */
    uint8_t values[WHS_PARAMETERS_MAX];     /* where the values stand for them */
    uint16_t gaps[WHS_PARAMETERS_MAX];      /* bytes of text before each value */
};

/* `values` says where row parameter i has its value; NULL: at i. */
void whs_probe_init(struct whs_probe *probe, const struct whs_probe_secret *secret,
                    const struct whs_pattern *row, struct whs_shape shape,
                    const uint8_t *values);

struct whs_shape whs_probe_shape(uint64_t identity);

/* `hashes` are those of `values`. */
void whs_probe_keys(const struct whs_probe *probes, size_t count,
                    const struct whs_probe_secret *secret,
                    const struct whs_slice *values, const uint64_t *hashes,
                    struct whs_posting_key *out);

/* Does a text of the probe's identity, its values included, hold these values? */
bool whs_probe_same(const struct whs_probe *probe, const struct whs_slice *values,
                    const char *text);

#endif
