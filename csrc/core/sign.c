/* SPDX-License-Identifier: MIT */
#include "sign.h"

#include <string.h>

#include "crypto.h"
#include "text.h"

#define VERSION "v1,"
#define BASE64_CHARS 44 /* of 32 bytes, with padding */
#define HEX_CHARS 64
/* More signatures in one header are noise: a rotation has WHS_KEYS_MAX. */
#define SIGNATURES_MAX 100
/* Longer ids are nobody's: ours have 36 characters. */
#define ID_BYTES_MAX 256

static bool
compute_standard(struct whs_slice key, struct whs_slice id, struct whs_slice timestamp,
                 struct whs_slice body, uint8_t out[WHS_SHA256_BYTES])
{
    const struct whs_slice parts[] = {id, WHS_SLICE("."), timestamp, WHS_SLICE("."),
                                      body};
    return whs_hmac_sha256(key, parts, sizeof(parts) / sizeof(parts[0]), out);
}

enum whs_status
whs_sign_request(const struct whs_keys *keys, enum whs_encoding encoding,
                 struct whs_slice id, int64_t timestamp_s, struct whs_slice body,
                 struct whs_signatures *out)
{
    out->integrity[0] = out->standard[0] = '\0';
    if (keys->len == 0)
        return WHS_OK;
    uint8_t mac[WHS_SHA256_BYTES];
    if (!whs_hmac_sha256(keys->items[0], &body, 1, mac))
        return WHS_SYSTEM;
    if (encoding == WHS_ENCODING_BASE64)
        whs_base64_encode(mac, sizeof(mac), out->integrity);
    else
        whs_hex_encode(mac, sizeof(mac), out->integrity);
    char number[WHS_DECIMAL_SIZE];
    struct whs_slice timestamp = {number, whs_decimal_write(timestamp_s, number)};
    char *at = out->standard;
    for (size_t i = 0; i < keys->len; i++) {
        if (!compute_standard(keys->items[i], id, timestamp, body, mac)) {
            out->integrity[0] = out->standard[0] = '\0';
            return WHS_SYSTEM;
        }
        if (i > 0)
            *at++ = ' ';
        memcpy(at, VERSION, 3);
        whs_base64_encode(mac, sizeof(mac), at + 3);
        at += 3 + BASE64_CHARS;
    }
    return WHS_OK;
}

static int
read_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
decode_hex(struct whs_slice text, uint8_t out[WHS_SHA256_BYTES])
{
    for (size_t i = 0; i < WHS_SHA256_BYTES; i++) {
        int high = read_hex_digit(text.ptr[2 * i]),
            low = read_hex_digit(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool
decode_mac(struct whs_slice text, uint8_t out[WHS_SHA256_BYTES])
{
    size_t len = 0;
    if (text.len == HEX_CHARS)
        return decode_hex(text, out);
    return text.len <= BASE64_CHARS &&
           whs_base64_decode(text, out, WHS_SHA256_BYTES, &len) &&
           len == WHS_SHA256_BYTES;
}

enum whs_status
whs_verify_integrity(const struct whs_keys *keys, struct whs_slice given,
                     struct whs_slice body)
{
    uint8_t claimed[WHS_SHA256_BYTES], mac[WHS_SHA256_BYTES];
    if (!decode_mac(given, claimed))
        return WHS_UNVERIFIED;
    bool good = false;
    for (size_t i = 0; i < keys->len; i++)
        good |= whs_hmac_sha256(keys->items[i], &body, 1, mac) &&
                whs_equal_constant_time(mac, claimed, sizeof(mac));
    return good ? WHS_OK : WHS_UNVERIFIED;
}

/* Digits only: no sign, space, fraction or exponent. */
static bool
read_timestamp(struct whs_slice text, int64_t *out)
{
    if (text.len == 0 || text.len > 18)
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (text.ptr[i] - '0');
    }
    *out = value;
    return true;
}

static bool
is_clean_id(struct whs_slice id)
{
    if (id.len == 0 || id.len > ID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++)
        if (id.ptr[i] == '.' || (unsigned char)id.ptr[i] <= 0x20 || id.ptr[i] == 0x7f)
            return false;
    return true;
}

/* Takes the next word of a list separated by spaces; false at its end. */
static bool
take_word(struct whs_slice *list, struct whs_slice *word)
{
    while (list->len > 0 && list->ptr[0] == ' ')
        list->ptr++, list->len--;
    if (list->len == 0)
        return false;
    const char *end = memchr(list->ptr, ' ', list->len);
    word->ptr = list->ptr;
    word->len = end ? (size_t)(end - list->ptr) : list->len;
    list->ptr += word->len;
    list->len -= word->len;
    return true;
}

static bool
any_matches(struct whs_slice signatures, const uint8_t (*macs)[WHS_SHA256_BYTES],
            size_t mac_count)
{
    struct whs_slice word;
    bool good = false;
    for (int n = 0; n < SIGNATURES_MAX && take_word(&signatures, &word); n++) {
        uint8_t claimed[WHS_SHA256_BYTES];
        size_t len = 0;
        if (word.len <= 3 || memcmp(word.ptr, VERSION, 3) != 0)
            continue;
        struct whs_slice text = {word.ptr + 3, word.len - 3};
        if (!whs_base64_decode(text, claimed, sizeof(claimed), &len) ||
            len != sizeof(claimed))
            continue;
        for (size_t i = 0; i < mac_count; i++)
            good |= whs_equal_constant_time(macs[i], claimed, sizeof(claimed));
    }
    return good;
}

enum whs_status
whs_verify_standard(const struct whs_keys *keys, struct whs_slice id,
                    struct whs_slice timestamp, struct whs_slice signatures,
                    struct whs_slice body, int64_t now_s, int64_t tolerance_s,
                    struct whs_error *err)
{
    int64_t sent_s;
    if (!is_clean_id(id))
        return whs_error_set(err, WHS_UNVERIFIED, "webhook-id is missing or malformed");
    if (!read_timestamp(timestamp, &sent_s))
        return whs_error_set(err, WHS_UNVERIFIED,
                             "webhook-timestamp is no whole number");
    if (sent_s < now_s - tolerance_s)
        return whs_error_set(err, WHS_UNVERIFIED, "webhook-timestamp is too old");
    if (sent_s > now_s + tolerance_s)
        return whs_error_set(err, WHS_UNVERIFIED, "webhook-timestamp is too new");
    uint8_t macs[WHS_KEYS_MAX][WHS_SHA256_BYTES];
    size_t made = 0;
    for (size_t i = 0; i < keys->len; i++)
        if (compute_standard(keys->items[i], id, timestamp, body, macs[made]))
            made++;
    if (!any_matches(signatures, (const uint8_t(*)[WHS_SHA256_BYTES])macs, made))
        return whs_error_set(err, WHS_UNVERIFIED, "webhook-signature does not verify");
    return WHS_OK;
}
