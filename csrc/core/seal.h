/* SPDX-License-Identifier: MIT
 *
 * How does a secret lie in the database?
 *
 *   0 | the secret as it is                      no keyring was given
 *   1 | key id | nonce | ciphertext | tag        4, 12, as many as the secret, 16 bytes
 *
 * Format 1 is AES-256-GCM under a key of its own for each key id, made by HKDF-SHA256
 * from the keyring's secret. Authenticated beside it are the format, the key id and the
 * place of the secret (whose it is, and its number), so that nothing opens in another
 * row, of this database or any other. The first key of a keyring seals, all of them
 * open. The nonce is random: one key may seal 2^32 secrets (NIST SP 800-38D, 8.3).
 */
#ifndef WHS_SEAL_H
#define WHS_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "id.h"
#include "slice.h"
#include "status.h"
#include "subscription.h"

/* Formats are stored: append only. */
enum whs_seal_format { WHS_SEAL_PLAIN = 0, WHS_SEAL_AES_GCM = 1 };

#define WHS_SEAL_OVERHEAD 33
#define WHS_SEALED_BYTES_MAX (WHS_KEY_BYTES_MAX + WHS_SEAL_OVERHEAD)
/* One that seals, one that is on its way in, and old ones whose rows are not yet sealed
 * anew. */
#define WHS_KEYRING_KEYS_MAX 16
/* As strong as what it makes. */
#define WHS_KEYRING_SECRET_BYTES_MIN 32
#define WHS_KEYRING_SECRET_BYTES_MAX 256

struct whs_keyring;

/* What a keyring is made from. `id` is not 0. */
struct whs_keyring_secret {
    uint32_t id;
    struct whs_slice bytes;
};

/* Whose secret it is, and which one. */
struct whs_seal_place {
    uint8_t subscription_id[WHS_UUID_BYTES];
    uint32_t n;
};

/* Returns owned; the secrets are copied to nowhere, the keys made from them are left
 * out of core dumps and wiped at the end. Of no secrets it seals nothing: format 0.
 * WHS_CONFIGURATION for a secret that is too short, too long or one byte over and over,
 * and for an id that is 0 or there twice. */
WHS_CHECK enum whs_status whs_keyring_create(const struct whs_keyring_secret *secrets,
                                             size_t count, struct whs_keyring **out,
                                             struct whs_error *err);
/* NULL is fine. */
void whs_keyring_destroy(struct whs_keyring *keyring);

/* A keyring never changes: any thread from here on. */
size_t whs_keyring_count(const struct whs_keyring *keyring);
uint32_t whs_keyring_id(const struct whs_keyring *keyring, size_t index);

/* WHS_INVALID for a secret of more than WHS_KEY_BYTES_MAX bytes or none. */
WHS_CHECK enum whs_status
whs_secret_seal(const struct whs_keyring *keyring, const struct whs_seal_place *place,
                struct whs_slice secret, const struct whs_random *random,
                uint8_t out[WHS_SEALED_BYTES_MAX], size_t *out_len);
/* WHS_INVALID: no such format, or cut. WHS_NOT_FOUND: the keyring has no such key.
 * WHS_UNVERIFIED: other bytes, another place, or another key with that id. `err` says
 * which, never a byte. */
WHS_CHECK enum whs_status whs_secret_open(const struct whs_keyring *keyring,
                                          const struct whs_seal_place *place,
                                          struct whs_slice sealed,
                                          uint8_t out[WHS_KEY_BYTES_MAX],
                                          size_t *out_len, struct whs_error *err);

/* Whether sealing it anew would change more than its nonce. */
bool whs_secret_is_current(const struct whs_keyring *keyring, struct whs_slice sealed);

#endif
