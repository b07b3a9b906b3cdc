/* SPDX-License-Identifier: MIT
 *
 * The few primitives we take from OpenSSL, without its headers. Any thread.
 */
#ifndef WHS_CRYPTO_H
#define WHS_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"
#include "status.h"

#define WHS_SHA256_BYTES 32
#define WHS_AES_KEY_BYTES 32
#define WHS_GCM_NONCE_BYTES 12
#define WHS_GCM_TAG_BYTES 16

bool whs_sha256(struct whs_slice data, uint8_t out[WHS_SHA256_BYTES]);

/* HMAC-SHA256 over the concatenation of `parts`. */
bool whs_hmac_sha256(struct whs_slice key, const struct whs_slice *parts,
                     size_t part_count, uint8_t out[WHS_SHA256_BYTES]);

/* HKDF-SHA256 (RFC 5869); `len` is at most 255 times 32. */
bool whs_hkdf_sha256(struct whs_slice secret, struct whs_slice salt,
                     struct whs_slice info, uint8_t *out, size_t len);

/* AES-256-GCM (NIST SP 800-38D). `out` holds as many bytes as `text`; `beside` is
 * authenticated and not encrypted. */
bool whs_gcm_seal(const uint8_t key[WHS_AES_KEY_BYTES],
                  const uint8_t nonce[WHS_GCM_NONCE_BYTES], struct whs_slice beside,
                  struct whs_slice text, uint8_t *out, uint8_t tag[WHS_GCM_TAG_BYTES]);
/* WHS_UNVERIFIED, and `out` wiped, when a single bit of all that is another one. */
WHS_CHECK enum whs_status whs_gcm_open(const uint8_t key[WHS_AES_KEY_BYTES],
                                       const uint8_t nonce[WHS_GCM_NONCE_BYTES],
                                       struct whs_slice beside, struct whs_slice text,
                                       const uint8_t tag[WHS_GCM_TAG_BYTES],
                                       uint8_t *out);

/* Constant time in the bytes; the length is no secret. */
bool whs_equal_constant_time(const void *a, const void *b, size_t len);
void whs_wipe(void *ptr, size_t len);

/* Standard alphabet with padding. `out` holds 4 * ((len + 2) / 3) + 1. */
void whs_base64_encode(const uint8_t *bytes, size_t len, char *out);
/* Standard alphabet, padding optional, nothing else. False: not base64, or longer than
 * `cap`. */
bool whs_base64_decode(struct whs_slice text, uint8_t *out, size_t cap, size_t *len);
/* Lower case; `out` holds 2 * len + 1. */
void whs_hex_encode(const uint8_t *bytes, size_t len, char *out);

/* "OpenSSL 3.0.13 …". Static. */
const char *whs_crypto_library_version(void);

#endif
