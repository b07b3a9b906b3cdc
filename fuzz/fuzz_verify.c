/* SPDX-License-Identifier: MIT
 *
 * Signing, and verifying what somebody sends. The lines are the key, the id, the
 * timestamp, the signatures and the integrityHash as they came; the rest is the body.
 * Now is what the timestamp says.
 *
 *   what we sign verifies, by either scheme and encoding, and no longer when a bit of
 * the body is another what verifies holds the signature that we would make
 */
#include <stdio.h>
#include <stdlib.h>

#include "crypto.h"
#include "fuzz.h"
#include "sign.h"
#include "subscription.h"

struct message {
    struct whs_keys keys;
    struct whs_slice id, timestamp, signatures, integrity, body;
    int64_t now_s;
};

static bool
verifies(const struct message *message)
{
    return whs_verify_standard(&message->keys, message->id, message->timestamp,
                               message->signatures, message->body, message->now_s,
                               WHS_TOLERANCE_S, NULL) == WHS_OK;
}

static void
check_ours(const struct message *given, enum whs_encoding encoding)
{
    struct whs_signatures made;
    struct message message = *given;
    char timestamp[24];
    FUZZ_CHECK(whs_sign_request(&given->keys, encoding, given->id, given->now_s,
                                given->body, &made) == WHS_OK);
    snprintf(timestamp, sizeof(timestamp), "%lld", (long long)given->now_s);
    message.timestamp = whs_slice_of(timestamp);
    message.signatures = whs_slice_of(made.standard);
    message.integrity = whs_slice_of(made.integrity);
    FUZZ_CHECK(verifies(&message));
    FUZZ_CHECK(whs_verify_integrity(&message.keys, message.integrity, message.body) ==
               WHS_OK);
    if (message.body.len == 0)
        return;
    char *other = fuzz_copy(message.body, false);
    other[message.body.len / 2] ^= 1;
    message.body.ptr = other;
    FUZZ_CHECK(!verifies(&message));
    FUZZ_CHECK(whs_verify_integrity(&message.keys, message.integrity, message.body) ==
               WHS_UNVERIFIED);
    free(other);
}

/* What came from outside: when it verifies, it holds what we make of the same parts. */
static void
check_theirs(const struct message *given)
{
    struct whs_signatures made;
    if (!verifies(given))
        return;
    FUZZ_CHECK(whs_sign_request(&given->keys, WHS_ENCODING_HEX, given->id, given->now_s,
                                given->body, &made) == WHS_OK);
    /* Its padding may have been left out, and the last two bits in front of that mean
     * nothing. A number with zeros before it is another text than ours. */
    FUZZ_CHECK(given->timestamp.ptr[0] == '0' ||
               memmem(given->signatures.ptr, given->signatures.len, made.standard,
                      strcspn(made.standard, "=") - 1));
}

static bool
is_clean_id(struct whs_slice id)
{
    for (size_t i = 0; i < id.len; i++)
        if (id.ptr[i] == '.' || (unsigned char)id.ptr[i] <= 0x20 || id.ptr[i] == 0x7f)
            return false;
    return id.len > 0 && id.len <= 256;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct whs_slice input = {(const char *)data, size}, key = fuzz_line(&input);
    unsigned char bytes[WHS_KEY_BYTES_MAX];
    struct message message = {.id = fuzz_line(&input), .timestamp = fuzz_line(&input)};
    size_t len = 0;
    message.signatures = fuzz_line(&input);
    message.integrity = fuzz_line(&input);
    message.now_s = fuzz_number(message.timestamp, 0, INT64_C(999999999999999999));
    if (whs_key_decode(key, bytes, &len, NULL) != WHS_OK)
        return 0;
    FUZZ_CHECK(len > 0 && len <= WHS_KEY_BYTES_MAX);
    message.keys = (struct whs_keys){{{(const char *)bytes, len}}, 1};
    char *body = fuzz_copy(input, false);
    message.body = (struct whs_slice){body, input.len};
    if (is_clean_id(message.id)) {
        check_ours(&message, WHS_ENCODING_HEX);
        check_ours(&message, WHS_ENCODING_BASE64);
    }
    check_theirs(&message);
    if (whs_verify_integrity(&message.keys, message.integrity, message.body) == WHS_OK)
        FUZZ_CHECK(message.integrity.len >= 43);
    free(body);
    return 0;
}
