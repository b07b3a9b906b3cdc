/* SPDX-License-Identifier: MIT */
#include "crypto.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <pthread.h>
#include <string.h>

/* SHA-256's block: the width to which an HMAC key is padded (RFC 2104). */
#define BLOCK_BYTES 64

static const EVP_MD *sha256;
static const EVP_CIPHER *aes_gcm;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static pthread_key_t hashing_key;

/* What a thread hashes with. Contexts cost as much to make as a notification costs to
 * hash, and what comes next is mostly signed by the same key: what a key is padded to
 * (RFC 2104) is hashed once, until another one comes. */
struct hashing {
    EVP_MD_CTX *work;
    EVP_MD_CTX *inner, *outer; /* behind the padded `block`, when `keyed` */
    bool keyed;
    uint8_t block[BLOCK_BYTES];
};

static void
free_hashing(void *ptr)
{
    struct hashing *hashing = ptr;
    EVP_MD_CTX_free(hashing->work);
    EVP_MD_CTX_free(hashing->inner);
    EVP_MD_CTX_free(hashing->outer);
    OPENSSL_clear_free(hashing, sizeof(*hashing));
}

static void
fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    aes_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    pthread_key_create(&hashing_key, free_hashing);
}

static struct hashing *
create_hashing(void)
{
    struct hashing *hashing = OPENSSL_zalloc(sizeof(*hashing));
    if (!hashing)
        return NULL;
    hashing->work = EVP_MD_CTX_new();
    hashing->inner = EVP_MD_CTX_new();
    hashing->outer = EVP_MD_CTX_new();
    if (hashing->work && hashing->inner && hashing->outer &&
        pthread_setspecific(hashing_key, hashing) == 0)
        return hashing;
    free_hashing(hashing);
    return NULL;
}

/* NULL: no memory, or an OpenSSL without SHA-256. */
static struct hashing *
get_hashing(void)
{
    pthread_once(&fetched, fetch);
    struct hashing *hashing = pthread_getspecific(hashing_key);
    if (!hashing)
        hashing = create_hashing();
    return sha256 ? hashing : NULL;
}

bool
whs_sha256(struct whs_slice data, uint8_t out[WHS_SHA256_BYTES])
{
    struct hashing *hashing = get_hashing();
    return hashing && EVP_DigestInit_ex2(hashing->work, sha256, NULL) &&
           EVP_DigestUpdate(hashing->work, data.ptr, data.len) &&
           EVP_DigestFinal_ex(hashing->work, out, NULL);
}

static bool
begin_with(EVP_MD_CTX *context, const uint8_t block[BLOCK_BYTES], uint8_t padding)
{
    uint8_t padded[BLOCK_BYTES];
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        padded[i] = block[i] ^ padding;
    bool begun = EVP_DigestInit_ex2(context, sha256, NULL) &&
                 EVP_DigestUpdate(context, padded, BLOCK_BYTES);
    whs_wipe(padded, sizeof(padded));
    return begun;
}

static bool
set_key(struct hashing *hashing, struct whs_slice key)
{
    uint8_t block[BLOCK_BYTES] = {0};
    if (key.len > BLOCK_BYTES && !whs_sha256(key, block))
        return false;
    if (key.len > 0 && key.len <= BLOCK_BYTES)
        memcpy(block, key.ptr, key.len);
    if (!hashing->keyed ||
        !whs_equal_constant_time(block, hashing->block, BLOCK_BYTES)) {
        hashing->keyed = begin_with(hashing->inner, block, 0x36) &&
                         begin_with(hashing->outer, block, 0x5c);
        memcpy(hashing->block, block, BLOCK_BYTES);
    }
    whs_wipe(block, sizeof(block));
    return hashing->keyed;
}

/* RFC 2104 on the plain digest: OpenSSL 3's EVP_MAC looks its parameters up anew with
 * each other key. */
bool
whs_hmac_sha256(struct whs_slice key, const struct whs_slice *parts, size_t part_count,
                uint8_t out[WHS_SHA256_BYTES])
{
    uint8_t inner[WHS_SHA256_BYTES];
    struct hashing *hashing = get_hashing();
    if (!hashing || !set_key(hashing, key) ||
        !EVP_MD_CTX_copy_ex(hashing->work, hashing->inner))
        return false;
    for (size_t i = 0; i < part_count; i++)
        if (!EVP_DigestUpdate(hashing->work, parts[i].ptr, parts[i].len))
            return false;
    return EVP_DigestFinal_ex(hashing->work, inner, NULL) &&
           EVP_MD_CTX_copy_ex(hashing->work, hashing->outer) &&
           EVP_DigestUpdate(hashing->work, inner, sizeof(inner)) &&
           EVP_DigestFinal_ex(hashing->work, out, NULL);
}

static OSSL_PARAM
octets(const char *name, struct whs_slice bytes)
{
    return OSSL_PARAM_construct_octet_string(name, (void *)bytes.ptr, bytes.len);
}

bool
whs_hkdf_sha256(struct whs_slice secret, struct whs_slice salt, struct whs_slice info,
                uint8_t *out, size_t len)
{
    EVP_KDF *hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = hkdf ? EVP_KDF_CTX_new(hkdf) : NULL;
    const OSSL_PARAM given[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
        octets(OSSL_KDF_PARAM_KEY, secret),
        octets(OSSL_KDF_PARAM_SALT, salt),
        octets(OSSL_KDF_PARAM_INFO, info),
        OSSL_PARAM_construct_end(),
    };
    bool fine = context && EVP_KDF_derive(context, out, len, given) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(hkdf);
    if (!fine) {
        whs_wipe(out, len);
        ERR_clear_error();
    }
    return fine;
}

/* What both directions do before the tag; true when all of `text` went through. */
static bool
gcm_pass(EVP_CIPHER_CTX *context, const uint8_t *key, const uint8_t *nonce,
         bool encrypts, struct whs_slice beside, struct whs_slice text, uint8_t *out)
{
    int made = 0;
    pthread_once(&fetched, fetch);
    return context && aes_gcm && beside.len <= INT_MAX && text.len <= INT_MAX &&
           EVP_CipherInit_ex2(context, aes_gcm, key, nonce, encrypts, NULL) &&
           EVP_CipherUpdate(context, NULL, &made, (const uint8_t *)beside.ptr,
                            (int)beside.len) &&
           EVP_CipherUpdate(context, out, &made, (const uint8_t *)text.ptr,
                            (int)text.len) &&
           made == (int)text.len;
}

bool
whs_gcm_seal(const uint8_t key[WHS_AES_KEY_BYTES],
             const uint8_t nonce[WHS_GCM_NONCE_BYTES], struct whs_slice beside,
             struct whs_slice text, uint8_t *out, uint8_t tag[WHS_GCM_TAG_BYTES])
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t rest[WHS_GCM_TAG_BYTES];
    int made = 0;
    bool fine = gcm_pass(context, key, nonce, true, beside, text, out) &&
                EVP_CipherFinal_ex(context, rest, &made) &&
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, WHS_GCM_TAG_BYTES,
                                    tag) == 1;
    EVP_CIPHER_CTX_free(context);
    if (!fine)
        ERR_clear_error();
    return fine;
}

enum whs_status
whs_gcm_open(const uint8_t key[WHS_AES_KEY_BYTES],
             const uint8_t nonce[WHS_GCM_NONCE_BYTES], struct whs_slice beside,
             struct whs_slice text, const uint8_t tag[WHS_GCM_TAG_BYTES], uint8_t *out)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t rest[WHS_GCM_TAG_BYTES];
    int made = 0;
    enum whs_status status = WHS_SYSTEM;
    if (gcm_pass(context, key, nonce, false, beside, text, out) &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, WHS_GCM_TAG_BYTES,
                            (void *)tag) == 1)
        status = EVP_CipherFinal_ex(context, rest, &made) ? WHS_OK : WHS_UNVERIFIED;
    EVP_CIPHER_CTX_free(context);
    if (status != WHS_OK) {
        whs_wipe(out, text.len);
        ERR_clear_error();
    }
    return status;
}

bool
whs_equal_constant_time(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

void
whs_wipe(void *ptr, size_t len)
{
    OPENSSL_cleanse(ptr, len);
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
whs_base64_encode(const uint8_t *bytes, size_t len, char *out)
{
    for (; len >= 3; bytes += 3, len -= 3, out += 4) {
        out[0] = base64_digits[bytes[0] >> 2];
        out[1] = base64_digits[(bytes[0] & 3) << 4 | bytes[1] >> 4];
        out[2] = base64_digits[(bytes[1] & 15) << 2 | bytes[2] >> 6];
        out[3] = base64_digits[bytes[2] & 63];
    }
    if (len > 0) {
        uint8_t second = len > 1 ? bytes[1] : 0;
        out[0] = base64_digits[bytes[0] >> 2];
        out[1] = base64_digits[(bytes[0] & 3) << 4 | second >> 4];
        out[2] = len > 1 ? base64_digits[(second & 15) << 2] : '=';
        out[3] = '=';
        out += 4;
    }
    *out = '\0';
}

static int
read_base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool
whs_base64_decode(struct whs_slice text, uint8_t *out, size_t cap, size_t *len)
{
    size_t padding = 0;
    while (text.len > 0 && padding < 2 && text.ptr[text.len - 1] == '=')
        text.len--, padding++;
    if (text.len % 4 == 1 || (padding > 0 && (text.len + padding) % 4 != 0))
        return false;
    uint32_t bits = 0;
    unsigned held = 0;
    size_t made = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = read_base64_digit(text.ptr[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        if (made == cap)
            return false;
        out[made++] = (uint8_t)(bits >> held);
    }
    *len = made;
    return true;
}

void
whs_hex_encode(const uint8_t *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

const char *
whs_crypto_library_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
