/* SPDX-License-Identifier: MIT
 *
 * What bytes are signed, and how?
 *
 *   integrityHash       HMAC-SHA256(newest key, body), lower-case hex or base64
 *   webhook-signature   "v1," base64(HMAC-SHA256(key, id "." timestamp "." body)), one
 *                       for each key while a secret rotates, newest first
 *                       (Standard Webhooks 1.0.0)
 *
 * Both over the very bytes that are sent. Pure; any thread.
 */
#ifndef WHS_SIGN_H
#define WHS_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"
#include "status.h"

/* Enough for a rotation; a verifier tries them all. */
#define WHS_KEYS_MAX 10
/* "v1," + 44 characters + space, for each key. */
#define WHS_SIGNATURE_SIZE (WHS_KEYS_MAX * 48 + 1)
#define WHS_INTEGRITY_SIZE 65
/* Standard Webhooks: both sides of now. */
#define WHS_TOLERANCE_S 300

enum whs_encoding { WHS_ENCODING_HEX = 1, WHS_ENCODING_BASE64 = 2 };

struct whs_keys {
    struct whs_slice items[WHS_KEYS_MAX]; /* newest first */
    size_t len;
};

struct whs_signatures {
    char integrity[WHS_INTEGRITY_SIZE]; /* "" when there is no key */
    char standard[WHS_SIGNATURE_SIZE];  /* "" when there is no key */
};

WHS_CHECK enum whs_status whs_sign_request(const struct whs_keys *keys,
                                           enum whs_encoding encoding,
                                           struct whs_slice id, int64_t timestamp_s,
                                           struct whs_slice body,
                                           struct whs_signatures *out);

/* WHS_OK or WHS_UNVERIFIED; all keys are always tried. `given` may be hex in either
 * case or base64. */
WHS_CHECK enum whs_status whs_verify_integrity(const struct whs_keys *keys,
                                               struct whs_slice given,
                                               struct whs_slice body);

/* The three headers as they came. `now_s` judges the timestamp to ± tolerance_s.
 * WHS_UNVERIFIED for every malformed input; `err` says which, never a value. */
WHS_CHECK enum whs_status
whs_verify_standard(const struct whs_keys *keys, struct whs_slice id,
                    struct whs_slice timestamp, struct whs_slice signatures,
                    struct whs_slice body, int64_t now_s, int64_t tolerance_s,
                    struct whs_error *err);

#endif
