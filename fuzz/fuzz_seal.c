/* SPDX-License-Identifier: MIT
 *
 * A secret in the database. The lines are the keyring's secret, its id, whose secret it
 * is, its number, the bit that is changed and the length that it is cut to; the rest is
 * the secret, and once more what somebody has written in its place.
 *
 *   what is sealed opens as it was, in its own row, by its own key
 *   what was changed or cut, or lies in another row, opens as nothing; as does what
 * another key, or one with another id, has sealed
 *   whatever opens is what we would seal
 */
#include <stdlib.h>

#include "fuzz.h"
#include "seal.h"

#define HEAD_BYTES 5
#define NONCE_BYTES 12
/* In front of the line, so that any text makes a secret that a keyring takes. */
#define SALT "0123456789abcdef0123456789ABCDEF"

struct sealed {
    uint8_t bytes[WHS_SEALED_BYTES_MAX];
    size_t len;
};

struct setting {
    struct whs_slice secret;
    uint32_t id;
    struct whs_seal_place place;
    int64_t bit, cut;
};

static struct whs_slice
as_slice(const struct sealed *sealed)
{
    return (struct whs_slice){(const char *)sealed->bytes, sealed->len};
}

/* Whatever is said of a secret that does not open, it comes with nothing. The copy is
 * exactly as long as it is: a sanitizer sees who reads beyond. */
static enum whs_status
open_copy(const struct whs_keyring *keyring, const struct whs_seal_place *place,
          struct whs_slice sealed, struct sealed *opened)
{
    struct whs_error err = {0};
    char *copy = fuzz_copy(sealed, false);
    enum whs_status status =
        whs_secret_open(keyring, place, (struct whs_slice){copy, sealed.len},
                        opened->bytes, &opened->len, &err);
    free(copy);
    if (status != WHS_OK)
        FUZZ_CHECK(opened->len == 0 && err.status == status && err.message[0]);
    return status;
}

static bool
opens(const struct whs_keyring *keyring, const struct whs_seal_place *place,
      struct whs_slice sealed)
{
    struct sealed opened;
    return open_copy(keyring, place, sealed, &opened) == WHS_OK;
}

static struct whs_keyring *
make_keyring(uint32_t id, struct whs_slice line, char first)
{
    char bytes[WHS_KEYRING_SECRET_BYTES_MAX] = SALT;
    size_t salt = sizeof(SALT) - 1,
           len = line.len < sizeof(bytes) - salt ? line.len : sizeof(bytes) - salt;
    struct whs_keyring *keyring;
    bytes[0] = first;
    if (len > 0)
        memcpy(bytes + salt, line.ptr, len);
    FUZZ_CHECK(whs_keyring_create(&(struct whs_keyring_secret){id, {bytes, salt + len}},
                                  1, &keyring, NULL) == WHS_OK);
    return keyring;
}

/* --- What we seal --- */

static void
check_changed(const struct whs_keyring *keyring, const struct setting *setting,
              struct sealed sealed)
{
    size_t bit = (size_t)setting->bit % (8 * sealed.len);
    size_t cut = (size_t)setting->cut % sealed.len;
    struct whs_slice whole = as_slice(&sealed);
    struct sealed opened;
    FUZZ_CHECK(!opens(keyring, &setting->place, (struct whs_slice){whole.ptr, cut}));
    sealed.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    /* This one bit says that it is not sealed: then it is what lies there, as it is. */
    if (open_copy(keyring, &setting->place, whole, &opened) == WHS_OK)
        FUZZ_CHECK(bit == 0 && opened.len == sealed.len - 1 &&
                   memcmp(opened.bytes, sealed.bytes + 1, opened.len) == 0);
}

static void
check_elsewhere(const struct whs_keyring *keyring, const struct setting *setting,
                const struct sealed *sealed)
{
    struct whs_seal_place other = setting->place;
    struct whs_keyring *renumbered = make_keyring(
        setting->id == UINT32_MAX ? 1 : setting->id + 1, setting->secret, SALT[0]);
    struct whs_keyring *another = make_keyring(setting->id, setting->secret, '!');
    other.n ^= 1u << setting->bit % 32;
    FUZZ_CHECK(!opens(keyring, &other, as_slice(sealed)));
    other = setting->place;
    other.subscription_id[setting->bit / 8 % WHS_UUID_BYTES] ^=
        (uint8_t)(1 << setting->bit % 8);
    FUZZ_CHECK(!opens(keyring, &other, as_slice(sealed)));
    FUZZ_CHECK(!opens(renumbered, &setting->place, as_slice(sealed)));
    FUZZ_CHECK(!opens(another, &setting->place, as_slice(sealed)));
    FUZZ_CHECK(!whs_secret_is_current(renumbered, as_slice(sealed)));
    whs_keyring_destroy(another);
    whs_keyring_destroy(renumbered);
}

static void
check_ours(const struct whs_keyring *keyring, const struct setting *setting,
           struct whs_slice secret)
{
    struct sealed sealed, opened;
    enum whs_status status =
        whs_secret_seal(keyring, &setting->place, secret, &whs_random_system,
                        sealed.bytes, &sealed.len);
    if (secret.len == 0 || secret.len > WHS_KEY_BYTES_MAX) {
        FUZZ_CHECK(status == WHS_INVALID && sealed.len == 0);
        return;
    }
    FUZZ_CHECK(status == WHS_OK && sealed.len == secret.len + WHS_SEAL_OVERHEAD);
    FUZZ_CHECK(open_copy(keyring, &setting->place, as_slice(&sealed), &opened) ==
               WHS_OK);
    FUZZ_CHECK(opened.len == secret.len &&
               memcmp(opened.bytes, secret.ptr, secret.len) == 0);
    FUZZ_CHECK(whs_secret_is_current(keyring, as_slice(&sealed)));
    check_changed(keyring, setting, sealed);
    check_elsewhere(keyring, setting, &sealed);
}

/* --- What lies there --- */

static uint64_t
draw_from(void *ctx)
{
    uint64_t drawn;
    uint8_t **left = ctx;
    memcpy(&drawn, *left, sizeof(drawn));
    *left += sizeof(drawn);
    return drawn;
}

/* The nonce that lies there is drawn again: then all the rest must be the same. */
static void
check_theirs(const struct whs_keyring *keyring, const struct setting *setting,
             struct whs_slice lies)
{
    struct sealed opened, again;
    uint8_t nonce[2 * sizeof(uint64_t)] = {0}, *left = nonce;
    struct whs_random random = {draw_from, &left};
    if (open_copy(keyring, &setting->place, lies, &opened) != WHS_OK)
        return;
    struct whs_slice secret = as_slice(&opened);
    if (lies.ptr[0] == WHS_SEAL_PLAIN) {
        FUZZ_CHECK(secret.len > 0 && secret.len == lies.len - 1 &&
                   memcmp(secret.ptr, lies.ptr + 1, secret.len) == 0);
        FUZZ_CHECK(!whs_secret_is_current(keyring, lies));
        return;
    }
    memcpy(nonce, lies.ptr + HEAD_BYTES, NONCE_BYTES);
    FUZZ_CHECK(whs_secret_seal(keyring, &setting->place, secret, &random, again.bytes,
                               &again.len) == WHS_OK);
    FUZZ_CHECK(whs_slice_equal(as_slice(&again), lies));
    FUZZ_CHECK(whs_secret_is_current(keyring, lies));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct whs_slice input = {(const char *)data, size}, whose;
    struct setting setting = {.secret = fuzz_line(&input)};
    setting.id = (uint32_t)fuzz_number(fuzz_line(&input), 1, UINT32_MAX);
    whose = fuzz_line(&input);
    if (whose.len > 0)
        memcpy(setting.place.subscription_id, whose.ptr,
               whose.len < WHS_UUID_BYTES ? whose.len : WHS_UUID_BYTES);
    setting.place.n = (uint32_t)fuzz_number(fuzz_line(&input), 0, UINT32_MAX);
    setting.bit = fuzz_number(fuzz_line(&input), 0, INT32_MAX);
    setting.cut = fuzz_number(fuzz_line(&input), 0, INT32_MAX);
    struct whs_keyring *keyring = make_keyring(setting.id, setting.secret, SALT[0]);
    char *copy = fuzz_copy(input, false);
    check_ours(keyring, &setting, (struct whs_slice){copy, input.len});
    check_theirs(keyring, &setting, (struct whs_slice){copy, input.len});
    whs_keyring_destroy(keyring);
    free(copy);
    return 0;
}
