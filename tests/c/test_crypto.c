/* SPDX-License-Identifier: MIT
 *
 * crypto: published vectors, and base64 as strict as it says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto.h"
#include "fake_clock.h"

static void
assert_hex(const uint8_t *bytes, size_t len, const char *expected)
{
    char text[2 * 64 + 1];
    whs_hex_encode(bytes, len, text);
    assert_string_equal(text, expected);
}

/* FIPS 180-4. */
static void
sha256_gives_the_standards_digests(void **state)
{
    (void)state;
    uint8_t digest[WHS_SHA256_BYTES];
    assert_true(whs_sha256(WHS_SLICE(""), digest));
    assert_hex(digest, sizeof(digest),
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_true(whs_sha256(WHS_SLICE("abc"), digest));
    assert_hex(digest, sizeof(digest),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* RFC 4231, cases 1, 2, 6: a short key, a text key, a key longer than a block. */
static void
hmac_gives_the_rfcs_codes(void **state)
{
    (void)state;
    char twenty[20], long_key[131];
    memset(twenty, 0x0b, sizeof(twenty));
    memset(long_key, 0xaa, sizeof(long_key));
    const struct {
        struct whs_slice key, data;
        const char *code;
    } rows[] = {
        {{twenty, sizeof(twenty)},
         WHS_SLICE("Hi There"),
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {WHS_SLICE("Jefe"), WHS_SLICE("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {{long_key, sizeof(long_key)},
         WHS_SLICE("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    };
    /* Each behind each, and behind itself: what one key leaves is not another's. */
    const size_t count = sizeof(rows) / sizeof(rows[0]);
    for (size_t step = 0; step < 2 * count * count; step++) {
        size_t i = step % 2 ? step / 2 % count : step / 2 / count;
        uint8_t mac[WHS_SHA256_BYTES];
        assert_true(whs_hmac_sha256(rows[i].key, &rows[i].data, 1, mac));
        assert_hex(mac, sizeof(mac), rows[i].code);
    }
}

/* RFC 2104: a key is filled up with zeros, and a longer one stands for its hash. */
static void
hmac_tells_keys_apart_by_every_byte_of_their_block(void **state)
{
    (void)state;
    struct whs_slice text = WHS_SLICE("text");
    uint8_t first[WHS_SHA256_BYTES], mac[WHS_SHA256_BYTES];
    char key[64] = {0};
    assert_true(whs_hmac_sha256(WHS_SLICE(""), &text, 1, first));
    for (size_t len = 0; len <= sizeof(key); len++) {
        assert_true(whs_hmac_sha256((struct whs_slice){key, len}, &text, 1, mac));
        assert_memory_equal(mac, first, sizeof(mac));
    }
    for (size_t at = 0; at < sizeof(key); at++) {
        key[at] = 1;
        assert_true(
            whs_hmac_sha256((struct whs_slice){key, sizeof(key)}, &text, 1, mac));
        assert_memory_not_equal(mac, first, sizeof(mac));
        key[at] = 0;
    }
    assert_true(whs_hmac_sha256((struct whs_slice){key, sizeof(key)}, &text, 1, mac));
    assert_memory_equal(mac, first, sizeof(mac));
}

/* Hex of at most 64 bytes. */
static struct whs_slice
unhex(const char *text, uint8_t out[64])
{
    size_t len = strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
        const char digits[] = {text[2 * i], text[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return (struct whs_slice){(const char *)out, len};
}

/* RFC 5869, A.1 and A.3: with a salt and without. */
static void
hkdf_gives_the_rfcs_keys(void **state)
{
    (void)state;
    static const struct {
        const char *salt, *info, *key;
    } rows[] = {
        {"000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
         "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
         "34007208d5b887185865"},
        {"", "",
         "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
         "9d201395faa4b61a96c8"},
    };
    char secret[22];
    memset(secret, 0x0b, sizeof(secret));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t salt[64], info[64], key[42];
        assert_true(whs_hkdf_sha256((struct whs_slice){secret, sizeof(secret)},
                                    unhex(rows[i].salt, salt),
                                    unhex(rows[i].info, info), key, sizeof(key)));
        assert_hex(key, sizeof(key), rows[i].key);
    }
}

/* The cases 13, 14 and 16 of "The Galois/Counter Mode of Operation", which NIST took
 * over: nothing, one block, and a text that is no multiple of one with bytes beside. */
static const struct {
    const char *key, *nonce, *beside, *text, *sealed, *tag;
} gcm_rows[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000",
     "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000",
     "000000000000000000000000", "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

static void
gcm_gives_the_published_texts_and_tags_and_opens_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(gcm_rows) / sizeof(gcm_rows[0]); i++) {
        uint8_t key[64], nonce[64], beside[64], text[64], out[64], tag[64], back[64];
        struct whs_slice plain = unhex(gcm_rows[i].text, text);
        struct whs_slice more = unhex(gcm_rows[i].beside, beside);
        unhex(gcm_rows[i].key, key);
        unhex(gcm_rows[i].nonce, nonce);
        assert_true(whs_gcm_seal(key, nonce, more, plain, out, tag));
        assert_hex(out, plain.len, gcm_rows[i].sealed);
        assert_hex(tag, WHS_GCM_TAG_BYTES, gcm_rows[i].tag);
        struct whs_slice sealed = {(const char *)out, plain.len};
        assert_int_equal(whs_gcm_open(key, nonce, more, sealed, tag, back), WHS_OK);
        assert_memory_equal(back, text, plain.len);
    }
}

static void
gcm_opens_nothing_of_which_a_bit_was_changed(void **state)
{
    (void)state;
    uint8_t key[64], nonce[64], beside[64], text[64], out[64], tag[64], back[64];
    static const uint8_t wiped[64];
    struct whs_slice plain = unhex(gcm_rows[2].text, text);
    struct whs_slice more = unhex(gcm_rows[2].beside, beside);
    unhex(gcm_rows[2].key, key);
    unhex(gcm_rows[2].nonce, nonce);
    assert_true(whs_gcm_seal(key, nonce, more, plain, out, tag));
    struct whs_slice sealed = {(const char *)out, plain.len};
    const struct {
        uint8_t *bytes;
        size_t len;
    } changed[] = {{key, WHS_AES_KEY_BYTES},
                   {nonce, WHS_GCM_NONCE_BYTES},
                   {beside, more.len},
                   {out, plain.len},
                   {tag, WHS_GCM_TAG_BYTES}};
    for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++)
        for (size_t bit = 0; bit < 8 * changed[i].len; bit++) {
            changed[i].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            memset(back, 0xff, sizeof(back));
            assert_int_equal(whs_gcm_open(key, nonce, more, sealed, tag, back),
                             WHS_UNVERIFIED);
            assert_memory_equal(back, wiped, plain.len);
            changed[i].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    assert_int_equal(whs_gcm_open(key, nonce, more, sealed, tag, back), WHS_OK);
}

static void
parts_are_hashed_as_if_joined(void **state)
{
    (void)state;
    const struct whs_slice whole = WHS_SLICE("what do ya want for nothing?");
    uint8_t joined[WHS_SHA256_BYTES], parted[WHS_SHA256_BYTES];
    assert_true(whs_hmac_sha256(WHS_SLICE("Jefe"), &whole, 1, joined));
    for (size_t cut = 0; cut <= whole.len; cut++) {
        const struct whs_slice parts[] = {
            {whole.ptr, cut}, {0}, {whole.ptr + cut, whole.len - cut}};
        assert_true(whs_hmac_sha256(WHS_SLICE("Jefe"), parts, 3, parted));
        assert_memory_equal(joined, parted, sizeof(joined));
    }
}

static void
an_empty_key_is_a_key(void **state)
{
    (void)state;
    uint8_t mac[WHS_SHA256_BYTES];
    assert_true(whs_hmac_sha256((struct whs_slice){0}, NULL, 0, mac));
    assert_hex(mac, sizeof(mac),
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 4648 §10. */
static void
base64_goes_there_and_back(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char text[16];
        uint8_t bytes[16];
        size_t len;
        whs_base64_encode((const uint8_t *)pairs[i][0], strlen(pairs[i][0]), text);
        assert_string_equal(text, pairs[i][1]);
        assert_true(whs_base64_decode(whs_slice_of(text), bytes, sizeof(bytes), &len));
        assert_int_equal(len, strlen(pairs[i][0]));
        assert_memory_equal(bytes, pairs[i][0], len);
    }
}

static void
random_bytes_survive_base64_with_and_without_padding(void **state)
{
    (void)state;
    struct fake_random random = {7};
    for (size_t len = 0; len < 200; len++) {
        uint8_t bytes[200], back[200];
        char text[4 * 67 + 1];
        size_t made;
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)fake_random_next(&random);
        whs_base64_encode(bytes, len, text);
        struct whs_slice given = whs_slice_of(text);
        assert_true(whs_base64_decode(given, back, len, &made));
        assert_int_equal(made, len);
        assert_memory_equal(bytes, back, len);
        while (given.len > 0 && given.ptr[given.len - 1] == '=')
            given.len--;
        assert_true(whs_base64_decode(given, back, len, &made));
        assert_int_equal(made, len);
        if (len > 0)
            assert_false(whs_base64_decode(given, back, len - 1, &made));
    }
}

static void
what_is_no_base64_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "=",
        "==",
        "A",
        "A===",
        "AA=",
        "AAA==",
        "AAAA=",
        "AAAA==",
        "AA=A",
        "AA A",
        "AAA\n",
        " AAAA",
        "AA-_",
        "AAAAA",
        "A=AA",
        "\xc3\xa9"
        "AA",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint8_t bytes[16];
        size_t len;
        if (whs_base64_decode(whs_slice_of(texts[i]), bytes, sizeof(bytes), &len))
            fail_msg("'%s' was taken for base64", texts[i]);
    }
}

static void
equality_looks_at_every_byte(void **state)
{
    (void)state;
    uint8_t a[32] = {0}, b[32] = {0};
    assert_true(whs_equal_constant_time(a, b, sizeof(a)));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] = 1;
        assert_false(whs_equal_constant_time(a, b, sizeof(a)));
        b[i] = 0;
    }
    assert_true(whs_equal_constant_time(a, b, 0));
}

static void
wiping_leaves_zeros(void **state)
{
    (void)state;
    char secret[] = "CANARY";
    static const char zeros[sizeof(secret)];
    whs_wipe(secret, sizeof(secret));
    assert_memory_equal(secret, zeros, sizeof(secret));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_standards_digests),
        cmocka_unit_test(hmac_gives_the_rfcs_codes),
        cmocka_unit_test(hmac_tells_keys_apart_by_every_byte_of_their_block),
        cmocka_unit_test(hkdf_gives_the_rfcs_keys),
        cmocka_unit_test(gcm_gives_the_published_texts_and_tags_and_opens_them),
        cmocka_unit_test(gcm_opens_nothing_of_which_a_bit_was_changed),
        cmocka_unit_test(parts_are_hashed_as_if_joined),
        cmocka_unit_test(an_empty_key_is_a_key),
        cmocka_unit_test(base64_goes_there_and_back),
        cmocka_unit_test(random_bytes_survive_base64_with_and_without_padding),
        cmocka_unit_test(what_is_no_base64_is_refused),
        cmocka_unit_test(equality_looks_at_every_byte),
        cmocka_unit_test(wiping_leaves_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
