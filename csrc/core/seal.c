/* SPDX-License-Identifier: MIT */
#include "seal.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alloc.h"
#include "crypto.h"

#define ID_BYTES 4
#define HEAD_BYTES (1 + ID_BYTES)
#define PURPOSE "webhooksub integrity key"
/* Purpose, head; and whose it is with its number. */
#define BESIDE_BYTES (sizeof(PURPOSE) - 1 + HEAD_BYTES + WHS_UUID_BYTES + ID_BYTES)

_Static_assert(WHS_SEAL_OVERHEAD ==
                   HEAD_BYTES + WHS_GCM_NONCE_BYTES + WHS_GCM_TAG_BYTES,
               "the overhead is that of the format");

struct key {
    uint32_t id;
    uint8_t bytes[WHS_AES_KEY_BYTES];
};

/* Lies alone in whole pages within `block`: advice to the kernel is for pages. */
struct whs_keyring {
    void *block;
    size_t page_bytes;
    size_t count;
    struct key keys[WHS_KEYRING_KEYS_MAX];
};

static void
write_u32(uint8_t out[ID_BYTES], uint32_t value)
{
    for (int i = 0; i < ID_BYTES; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t
read_u32(const uint8_t bytes[ID_BYTES])
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
           (uint32_t)bytes[2] << 8 | bytes[3];
}

static void
write_head(uint8_t out[HEAD_BYTES], uint32_t id)
{
    out[0] = WHS_SEAL_AES_GCM;
    write_u32(out + 1, id);
}

/* --- The keyring --- */

static bool
is_one_byte_repeated(struct whs_slice bytes)
{
    return memcmp(bytes.ptr, bytes.ptr + 1, bytes.len - 1) == 0;
}

static enum whs_status
check_secret(const struct whs_keyring_secret *secrets, size_t index,
             struct whs_error *err)
{
    const struct whs_keyring_secret *secret = &secrets[index];
    if (secret->id == 0)
        return whs_error_set(err, WHS_CONFIGURATION, "a key's id is more than 0");
    for (size_t i = 0; i < index; i++)
        if (secrets[i].id == secret->id)
            return whs_error_set(err, WHS_CONFIGURATION, "key %u is there twice",
                                 secret->id);
    if (secret->bytes.len < WHS_KEYRING_SECRET_BYTES_MIN ||
        secret->bytes.len > WHS_KEYRING_SECRET_BYTES_MAX)
        return whs_error_set(err, WHS_CONFIGURATION, "key %u must have %d to %d bytes",
                             secret->id, WHS_KEYRING_SECRET_BYTES_MIN,
                             WHS_KEYRING_SECRET_BYTES_MAX);
    if (is_one_byte_repeated(secret->bytes))
        return whs_error_set(err, WHS_CONFIGURATION,
                             "key %u is one byte over and over: it must be random",
                             secret->id);
    return WHS_OK;
}

static struct whs_keyring *
allocate(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (sizeof(struct whs_keyring) + page - 1) / page * page;
    void *block = whs_calloc(1, bytes + page);
    if (!block)
        return NULL;
    uintptr_t aligned = ((uintptr_t)block + page - 1) / page * page;
    struct whs_keyring *keyring = (struct whs_keyring *)aligned;
    keyring->block = block;
    keyring->page_bytes = bytes;
#ifdef MADV_DONTDUMP
    /* Refused at worst: then a dump holds them, and nothing else is wrong. */
    (void)madvise(keyring, bytes, MADV_DONTDUMP);
#endif
    return keyring;
}

/* One key for each id, so that an id given to two secrets opens nothing by accident. */
static bool
derive(const struct whs_keyring_secret *secret, struct key *out)
{
    uint8_t info[sizeof(PURPOSE) - 1 + HEAD_BYTES];
    memcpy(info, PURPOSE, sizeof(PURPOSE) - 1);
    write_head(info + sizeof(PURPOSE) - 1, secret->id);
    out->id = secret->id;
    return whs_hkdf_sha256(secret->bytes, WHS_SLICE(""),
                           (struct whs_slice){(const char *)info, sizeof(info)},
                           out->bytes, sizeof(out->bytes));
}

enum whs_status
whs_keyring_create(const struct whs_keyring_secret *secrets, size_t count,
                   struct whs_keyring **out, struct whs_error *err)
{
    *out = NULL;
    if (count > WHS_KEYRING_KEYS_MAX)
        return whs_error_set(err, WHS_CONFIGURATION, "a keyring has at most %d keys",
                             WHS_KEYRING_KEYS_MAX);
    for (size_t i = 0; i < count; i++) {
        enum whs_status status = check_secret(secrets, i, err);
        if (status != WHS_OK)
            return status;
    }
    struct whs_keyring *keyring = allocate();
    if (!keyring)
        return whs_error_set(err, WHS_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++, keyring->count++)
        if (!derive(&secrets[i], &keyring->keys[i])) {
            whs_keyring_destroy(keyring);
            return whs_error_set(err, WHS_SYSTEM, "HKDF failed");
        }
    *out = keyring;
    return WHS_OK;
}

void
whs_keyring_destroy(struct whs_keyring *keyring)
{
    if (!keyring)
        return;
    void *block = keyring->block;
    size_t bytes = keyring->page_bytes;
    whs_wipe(keyring->keys, sizeof(keyring->keys));
#ifdef MADV_DODUMP
    (void)madvise(keyring, bytes, MADV_DODUMP);
#endif
    (void)bytes;
    whs_free(block);
}

size_t
whs_keyring_count(const struct whs_keyring *keyring)
{
    return keyring->count;
}

uint32_t
whs_keyring_id(const struct whs_keyring *keyring, size_t index)
{
    return keyring->keys[index].id;
}

static const struct key *
find_key(const struct whs_keyring *keyring, uint32_t id)
{
    for (size_t i = 0; i < keyring->count; i++)
        if (keyring->keys[i].id == id)
            return &keyring->keys[i];
    return NULL;
}

/* --- A secret --- */

/* Text of every length stands at fixed places: nothing can be read two ways. */
static struct whs_slice
write_beside(uint8_t out[BESIDE_BYTES], uint32_t id, const struct whs_seal_place *place)
{
    uint8_t *at = out;
    memcpy(at, PURPOSE, sizeof(PURPOSE) - 1);
    at += sizeof(PURPOSE) - 1;
    write_head(at, id);
    at += HEAD_BYTES;
    memset(at, 0, WHS_UUID_BYTES + ID_BYTES);
#ifdef WHS_SABOTAGE_no_row_binding
    (void)place;
#else
    memcpy(at, place->subscription_id, WHS_UUID_BYTES);
    write_u32(at + WHS_UUID_BYTES, place->n);
#endif
    return (struct whs_slice){(const char *)out, BESIDE_BYTES};
}

static void
draw_nonce(const struct whs_random *random, uint8_t out[WHS_GCM_NONCE_BYTES])
{
    uint64_t drawn[2] = {random->next(random->ctx), random->next(random->ctx)};
    memcpy(out, drawn, WHS_GCM_NONCE_BYTES);
}

enum whs_status
whs_secret_seal(const struct whs_keyring *keyring, const struct whs_seal_place *place,
                struct whs_slice secret, const struct whs_random *random,
                uint8_t out[WHS_SEALED_BYTES_MAX], size_t *out_len)
{
    uint8_t beside[BESIDE_BYTES];
    *out_len = 0;
    if (secret.len == 0 || secret.len > WHS_KEY_BYTES_MAX)
        return WHS_INVALID;
    if (keyring->count == 0) {
        out[0] = WHS_SEAL_PLAIN;
        memcpy(out + 1, secret.ptr, secret.len);
        *out_len = 1 + secret.len;
        return WHS_OK;
    }
    const struct key *key = &keyring->keys[0];
    uint8_t *nonce = out + HEAD_BYTES, *text = nonce + WHS_GCM_NONCE_BYTES;
    write_head(out, key->id);
    draw_nonce(random, nonce);
    if (!whs_gcm_seal(key->bytes, nonce, write_beside(beside, key->id, place), secret,
                      text, text + secret.len))
        return WHS_SYSTEM;
    *out_len = WHS_SEAL_OVERHEAD + secret.len;
    return WHS_OK;
}

static enum whs_status
open_plain(struct whs_slice sealed, uint8_t out[WHS_KEY_BYTES_MAX], size_t *out_len,
           struct whs_error *err)
{
    size_t len = sealed.len - 1;
    if (len == 0 || len > WHS_KEY_BYTES_MAX)
        return whs_error_set(err, WHS_INVALID, "it has no bytes, or too many");
    memcpy(out, sealed.ptr + 1, len);
    *out_len = len;
    return WHS_OK;
}

enum whs_status
whs_secret_open(const struct whs_keyring *keyring, const struct whs_seal_place *place,
                struct whs_slice sealed, uint8_t out[WHS_KEY_BYTES_MAX],
                size_t *out_len, struct whs_error *err)
{
    uint8_t beside[BESIDE_BYTES];
    const uint8_t *bytes = (const uint8_t *)sealed.ptr;
    *out_len = 0;
    if (sealed.len > 0 && bytes[0] == WHS_SEAL_PLAIN)
        return open_plain(sealed, out, out_len, err);
    if (sealed.len <= WHS_SEAL_OVERHEAD || sealed.len > WHS_SEALED_BYTES_MAX ||
        bytes[0] != WHS_SEAL_AES_GCM)
        return whs_error_set(err, WHS_INVALID, "its format is unknown, or it is cut");
    uint32_t id = read_u32(bytes + 1);
    const struct key *key = find_key(keyring, id);
    if (!key)
        return whs_error_set(err, WHS_NOT_FOUND,
                             keyring->count == 0
                                 ? "it is sealed by key %u, and no keyring was given"
                                 : "it is sealed by key %u, which the keyring lacks",
                             id);
    size_t len = sealed.len - WHS_SEAL_OVERHEAD;
    const uint8_t *nonce = bytes + HEAD_BYTES, *text = nonce + WHS_GCM_NONCE_BYTES;
    enum whs_status status =
        whs_gcm_open(key->bytes, nonce, write_beside(beside, id, place),
                     (struct whs_slice){(const char *)text, len}, text + len, out);
    if (status == WHS_UNVERIFIED)
        return whs_error_set(err, status,
                             "it was changed, belongs to another row, or key %u is "
                             "another one than when it was sealed",
                             id);
    if (status != WHS_OK)
        return whs_error_set(err, status, "AES-256-GCM failed");
    *out_len = len;
    return WHS_OK;
}

bool
whs_secret_is_current(const struct whs_keyring *keyring, struct whs_slice sealed)
{
    uint8_t head[HEAD_BYTES];
    if (keyring->count == 0)
        return sealed.len > 0 && sealed.ptr[0] == WHS_SEAL_PLAIN;
    write_head(head, keyring->keys[0].id);
    return sealed.len > HEAD_BYTES && memcmp(sealed.ptr, head, HEAD_BYTES) == 0;
}
