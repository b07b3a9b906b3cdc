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

bool whs_sha256(struct whs_slice data, uint8_t out[WHS_SHA256_BYTES]);

/* HMAC-SHA256 over the concatenation of `parts`. */
bool whs_hmac_sha256(struct whs_slice key, const struct whs_slice *parts,
                     size_t part_count, uint8_t out[WHS_SHA256_BYTES]);

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
