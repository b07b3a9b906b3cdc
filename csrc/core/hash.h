/* SPDX-License-Identifier: MIT
 *
 * A keyed hash for tables whose keys strangers choose: without the key nobody can find
 * ids that fall into one place. SipHash-1-3 (Aumasson and Bernstein, with the rounds
 * that Python and Rust use for their tables). Pure; any thread.
 */
#ifndef WHS_HASH_H
#define WHS_HASH_H

#include <stdint.h>

#include "slice.h"

struct whs_hash_key {
    uint64_t k0;
    uint64_t k1;
};

uint64_t whs_hash_bytes(const struct whs_hash_key *key, struct whs_slice bytes);

#endif
