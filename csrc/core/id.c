/* SPDX-License-Identifier: MIT */
#include "id.h"

#include <stdio.h>
#include <string.h>

#include "crypto.h"

#define ID_BYTES 16

void
whs_uuid7(int64_t wall_ms, const struct whs_random *random, uint8_t out[WHS_UUID_BYTES])
{
    uint64_t high = random->next(random->ctx), low = random->next(random->ctx);
    for (int i = 0; i < 6; i++)
        out[i] = (uint8_t)((uint64_t)wall_ms >> (40 - 8 * i));
    out[6] = (uint8_t)(0x70 | (high & 0x0f));
    out[7] = (uint8_t)(high >> 8);
    memcpy(out + 8, &low, 8);
    out[8] = (uint8_t)(0x80 | (out[8] & 0x3f));
}

void
whs_uuid_format(const uint8_t uuid[WHS_UUID_BYTES], char out[WHS_UUID_TEXT_SIZE])
{
    static const size_t lengths[] = {4, 2, 2, 2, 6};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        whs_hex_encode(uuid, lengths[i], out);
        uuid += lengths[i];
        out += 2 * lengths[i];
        *out++ = '-';
    }
    out[-1] = '\0';
}

static int
read_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
whs_uuid_parse(struct whs_slice text, uint8_t out[WHS_UUID_BYTES])
{
    if (text.len != WHS_UUID_TEXT_SIZE - 1)
        return false;
    size_t made = 0;
    for (size_t i = 0; i < text.len;) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text.ptr[i++] != '-')
                return false;
            continue;
        }
        int high = read_hex_digit(text.ptr[i]), low = read_hex_digit(text.ptr[i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[made++] = (uint8_t)(high << 4 | low);
        i += 2;
    }
    return true;
}

static void
write_digest_id(const char prefix[4], struct whs_slice hashed,
                char out[WHS_NOTIFICATION_ID_SIZE])
{
    uint8_t hash[WHS_SHA256_BYTES] = {0};
#ifdef WHS_SABOTAGE_random_id
    for (size_t i = 0; i < sizeof(hash); i++)
        hash[i] = (uint8_t)whs_random_system.next(NULL);
#else
    whs_sha256(hashed, hash);
#endif
    (void)hashed;
    memcpy(out, prefix, 4);
    whs_hex_encode(hash, ID_BYTES, out + 4);
}

void
whs_notification_id(const uint8_t event_id[WHS_UUID_BYTES],
                    const uint8_t subscription_id[WHS_UUID_BYTES],
                    char out[WHS_NOTIFICATION_ID_SIZE])
{
    char both[2 * WHS_UUID_BYTES];
    memcpy(both, event_id, WHS_UUID_BYTES);
    memcpy(both + WHS_UUID_BYTES, subscription_id, WHS_UUID_BYTES);
    write_digest_id("msg_", (struct whs_slice){both, sizeof(both)}, out);
}

void
whs_batch_id(const char (*ids)[WHS_NOTIFICATION_ID_SIZE], size_t count,
             char out[WHS_NOTIFICATION_ID_SIZE])
{
    struct whs_slice all = {ids[0], count * sizeof(ids[0])};
    write_digest_id("bat_", all, out);
}

void
whs_traceparent(const uint8_t event_id[WHS_UUID_BYTES], char out[WHS_TRACEPARENT_SIZE])
{
    char trace[2 * WHS_UUID_BYTES + 1], span[WHS_UUID_BYTES + 1];
    whs_hex_encode(event_id, WHS_UUID_BYTES, trace);
    whs_hex_encode(event_id + WHS_UUID_BYTES / 2, WHS_UUID_BYTES / 2, span);
    snprintf(out, WHS_TRACEPARENT_SIZE, "00-%s-%s-01", trace, span);
}
