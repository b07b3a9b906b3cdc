/* SPDX-License-Identifier: MIT
 *
 * seal: a secret opens in its own row, by its own key, unchanged, and in no other way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto.h"
#include "failing_alloc.h"
#include "fake_clock.h"
#include "seal.h"
#include "watching_alloc.h"

#define SECRET_A WHS_SLICE("0123456789abcdef0123456789ABCDEF")
#define SECRET_B WHS_SLICE("another secret of 32 and more bytes")
#define TEXT WHS_SLICE("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

static const struct whs_seal_place HERE = {"subscription #1", 1};

static struct whs_keyring *
make_keyring(size_t count, const struct whs_keyring_secret *secrets)
{
    struct whs_keyring *keyring;
    struct whs_error err = {0};
    if (whs_keyring_create(secrets, count, &keyring, &err) != WHS_OK)
        fail_msg("%s", err.message);
    return keyring;
}

static struct whs_keyring *
one_key(uint32_t id, struct whs_slice bytes)
{
    return make_keyring(1, &(struct whs_keyring_secret){id, bytes});
}

struct sealed {
    uint8_t bytes[WHS_SEALED_BYTES_MAX];
    size_t len;
};

static struct whs_slice
slice(const struct sealed *sealed)
{
    return (struct whs_slice){(const char *)sealed->bytes, sealed->len};
}

static struct sealed
seal_text(const struct whs_keyring *keyring, const struct whs_seal_place *place,
          struct whs_slice text, uint64_t seed)
{
    struct sealed sealed = {0};
    struct fake_random fake = {seed};
    struct whs_random random = fake_random_random(&fake);
    assert_int_equal(
        whs_secret_seal(keyring, place, text, &random, sealed.bytes, &sealed.len),
        WHS_OK);
    return sealed;
}

/* What opening answers; what it gave is TEXT, or nothing at all. */
static enum whs_status
open_text(const struct whs_keyring *keyring, const struct whs_seal_place *place,
          struct whs_slice sealed, struct whs_error *err)
{
    uint8_t out[WHS_KEY_BYTES_MAX];
    size_t len = 99;
    enum whs_status status = whs_secret_open(keyring, place, sealed, out, &len, err);
    assert_int_equal(len, status == WHS_OK ? TEXT.len : 0);
    if (status == WHS_OK)
        assert_memory_equal(out, TEXT.ptr, len);
    return status;
}

static void
a_secret_of_any_length_is_opened_as_it_was(void **state)
{
    (void)state;
    struct whs_keyring *keyring = one_key(7, SECRET_A);
    char text[WHS_KEY_BYTES_MAX + 1];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 37);
    for (size_t size = 1; size <= WHS_KEY_BYTES_MAX; size++) {
        struct whs_slice given = {text, size};
        struct sealed sealed = seal_text(keyring, &HERE, given, size);
        uint8_t out[WHS_KEY_BYTES_MAX];
        size_t len;
        assert_int_equal(sealed.len, size + WHS_SEAL_OVERHEAD);
        assert_int_equal(
            whs_secret_open(keyring, &HERE, slice(&sealed), out, &len, NULL), WHS_OK);
        assert_int_equal(len, size);
        assert_memory_equal(out, text, size);
    }
    uint8_t out[WHS_SEALED_BYTES_MAX];
    size_t len = 9;
    struct whs_slice none = {text, 0}, long_one = {text, sizeof(text)};
    assert_int_equal(
        whs_secret_seal(keyring, &HERE, none, &whs_random_system, out, &len),
        WHS_INVALID);
    assert_int_equal(
        whs_secret_seal(keyring, &HERE, long_one, &whs_random_system, out, &len),
        WHS_INVALID);
    assert_int_equal(len, 0);
    whs_keyring_destroy(keyring);
}

/* The same bytes by another implementation, in tests/unit/test_keyring.py. */
static void
the_format_is_what_stands_in_the_header(void **state)
{
    (void)state;
    struct whs_keyring *keyring = one_key(0x01020304, SECRET_A);
    struct sealed sealed = seal_text(keyring, &HERE, TEXT, 1);
    struct fake_random fake = {1};
    uint64_t drawn[2] = {fake_random_next(&fake), fake_random_next(&fake)};
    static const uint8_t head[] = {1, 1, 2, 3, 4};
    assert_memory_equal(sealed.bytes, head, sizeof(head));
    assert_memory_equal(sealed.bytes + sizeof(head), drawn, WHS_GCM_NONCE_BYTES);

    uint8_t key[WHS_AES_KEY_BYTES], text[64], tag[WHS_GCM_TAG_BYTES];
    struct whs_slice info = WHS_SLICE("webhooksub integrity key\x01\x01\x02\x03\x04");
    struct whs_slice beside = WHS_SLICE("webhooksub integrity key\x01\x01\x02\x03\x04"
                                        "subscription #1\0\0\0\0\x01");
    assert_true(whs_hkdf_sha256(SECRET_A, WHS_SLICE(""), info, key, sizeof(key)));
    assert_true(whs_gcm_seal(key, sealed.bytes + 5, beside, TEXT, text, tag));
    assert_memory_equal(sealed.bytes + 17, text, TEXT.len);
    assert_memory_equal(sealed.bytes + 17 + TEXT.len, tag, sizeof(tag));
    whs_keyring_destroy(keyring);
}

static void
a_nonce_is_never_the_one_before(void **state)
{
    (void)state;
    struct whs_keyring *keyring = one_key(1, SECRET_A);
    uint8_t first[WHS_SEALED_BYTES_MAX], second[WHS_SEALED_BYTES_MAX];
    size_t len;
    assert_int_equal(
        whs_secret_seal(keyring, &HERE, TEXT, &whs_random_system, first, &len), WHS_OK);
    assert_int_equal(
        whs_secret_seal(keyring, &HERE, TEXT, &whs_random_system, second, &len),
        WHS_OK);
    assert_memory_not_equal(first + 5, second + 5, WHS_GCM_NONCE_BYTES);
    assert_memory_not_equal(first + 17, second + 17, TEXT.len);
    whs_keyring_destroy(keyring);
}

static void
no_bit_can_be_changed(void **state)
{
    (void)state;
    struct whs_keyring *keyring = one_key(1, SECRET_A);
    struct sealed sealed = seal_text(keyring, &HERE, TEXT, 1);
    for (size_t bit = 8; bit < 8 * sealed.len; bit++) {
        struct whs_error err;
        sealed.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum whs_status status = open_text(keyring, &HERE, slice(&sealed), &err);
        assert_int_equal(status, bit < 40 ? WHS_NOT_FOUND : WHS_UNVERIFIED);
        assert_null(strstr(err.message, "MfKQ"));
        sealed.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (unsigned format = 2; format < 256; format++) {
        sealed.bytes[0] = (uint8_t)format;
        assert_int_equal(open_text(keyring, &HERE, slice(&sealed), NULL), WHS_INVALID);
    }
    sealed.bytes[0] = WHS_SEAL_AES_GCM;
    assert_int_equal(open_text(keyring, &HERE, slice(&sealed), NULL), WHS_OK);
    whs_keyring_destroy(keyring);
}

static void
what_is_cut_or_lengthened_does_not_open(void **state)
{
    (void)state;
    struct whs_keyring *keyring = one_key(1, SECRET_A);
    struct sealed sealed = seal_text(keyring, &HERE, TEXT, 1);
    for (size_t len = 0; len <= WHS_SEALED_BYTES_MAX + 1; len++) {
        if (len == sealed.len)
            continue;
        char *exact = calloc(1, len + 1);
        memcpy(exact, sealed.bytes, len < sealed.len ? len : sealed.len);
        enum whs_status status =
            open_text(keyring, &HERE, (struct whs_slice){exact, len}, NULL);
        bool whole = len > WHS_SEAL_OVERHEAD && len <= WHS_SEALED_BYTES_MAX;
        assert_int_equal(status, whole ? WHS_UNVERIFIED : WHS_INVALID);
        free(exact);
    }
    whs_keyring_destroy(keyring);
}

static void
a_secret_opens_in_its_own_row_alone(void **state)
{
    (void)state;
    struct whs_keyring *keyring = one_key(1, SECRET_A);
    struct sealed sealed = seal_text(keyring, &HERE, TEXT, 1);
    struct whs_seal_place other = HERE;
    other.n = 2;
    assert_int_equal(open_text(keyring, &other, slice(&sealed), NULL), WHS_UNVERIFIED);
    other.n = 1u << 24 | 1;
    assert_int_equal(open_text(keyring, &other, slice(&sealed), NULL), WHS_UNVERIFIED);
    other = HERE;
    other.subscription_id[15]++;
    assert_int_equal(open_text(keyring, &other, slice(&sealed), NULL), WHS_UNVERIFIED);
    assert_int_equal(open_text(keyring, &HERE, slice(&sealed), NULL), WHS_OK);
    whs_keyring_destroy(keyring);
}

static void
the_first_key_seals_and_all_open(void **state)
{
    (void)state;
    struct whs_keyring *old = one_key(1, SECRET_A);
    struct whs_keyring *both =
        make_keyring(2, (struct whs_keyring_secret[]){{2, SECRET_B}, {1, SECRET_A}});
    struct whs_keyring *new = one_key(2, SECRET_B);
    struct sealed before = seal_text(old, &HERE, TEXT, 1),
                  after = seal_text(both, &HERE, TEXT, 1);
    assert_int_equal(whs_keyring_count(both), 2);
    assert_int_equal(whs_keyring_id(both, 0), 2);
    assert_int_equal(whs_keyring_id(both, 1), 1);
    assert_int_equal(open_text(both, &HERE, slice(&before), NULL), WHS_OK);
    assert_int_equal(open_text(both, &HERE, slice(&after), NULL), WHS_OK);
    assert_int_equal(open_text(new, &HERE, slice(&after), NULL), WHS_OK);
    assert_false(whs_secret_is_current(both, slice(&before)));
    assert_true(whs_secret_is_current(both, slice(&after)));
    struct whs_error err;
    assert_int_equal(open_text(new, &HERE, slice(&before), &err), WHS_NOT_FOUND);
    assert_string_equal(err.message, "it is sealed by key 1, which the keyring lacks");
    whs_keyring_destroy(new);
    whs_keyring_destroy(both);
    whs_keyring_destroy(old);
}

static void
another_key_with_the_same_id_opens_nothing(void **state)
{
    (void)state;
    struct whs_keyring *right = one_key(1, SECRET_A), *wrong = one_key(1, SECRET_B);
    struct sealed sealed = seal_text(right, &HERE, TEXT, 1);
    assert_int_equal(open_text(wrong, &HERE, slice(&sealed), NULL), WHS_UNVERIFIED);
    whs_keyring_destroy(wrong);
    whs_keyring_destroy(right);
}

/* The same secret under two ids makes two keys. */
static void
each_id_has_a_key_of_its_own(void **state)
{
    (void)state;
    struct whs_keyring *first = one_key(1, SECRET_A), *second = one_key(2, SECRET_A);
    struct sealed a = seal_text(first, &HERE, TEXT, 1),
                  b = seal_text(second, &HERE, TEXT, 1);
    assert_memory_not_equal(a.bytes + 17, b.bytes + 17, TEXT.len);
    whs_keyring_destroy(second);
    whs_keyring_destroy(first);
}

static void
without_keys_a_secret_stays_as_it_is_and_every_keyring_reads_it(void **state)
{
    (void)state;
    struct whs_keyring *none = make_keyring(0, NULL), *some = one_key(1, SECRET_A);
    struct sealed plain = seal_text(none, &HERE, TEXT, 1),
                  sealed = seal_text(some, &HERE, TEXT, 1);
    assert_int_equal(plain.len, 1 + TEXT.len);
    assert_int_equal(plain.bytes[0], WHS_SEAL_PLAIN);
    assert_int_equal(open_text(none, &HERE, slice(&plain), NULL), WHS_OK);
    assert_int_equal(open_text(some, &HERE, slice(&plain), NULL), WHS_OK);
    assert_true(whs_secret_is_current(none, slice(&plain)));
    assert_false(whs_secret_is_current(some, slice(&plain)));
    struct whs_error err;
    assert_int_equal(open_text(none, &HERE, slice(&sealed), &err), WHS_NOT_FOUND);
    assert_string_equal(err.message, "it is sealed by key 1, and no keyring was given");
    plain.len = 1;
    assert_int_equal(open_text(none, &HERE, slice(&plain), NULL), WHS_INVALID);
    whs_keyring_destroy(some);
    whs_keyring_destroy(none);
}

static void
a_keyring_of_weak_or_doubtful_secrets_is_refused_without_showing_them(void **state)
{
    (void)state;
    char repeated[WHS_KEYRING_SECRET_BYTES_MAX + 1];
    memset(repeated, 'C', sizeof(repeated));
    const struct {
        struct whs_keyring_secret secrets[2];
        const char *message;
    } rows[] = {
        {{{1, WHS_SLICE("CANARY")}, {2, SECRET_A}}, "key 1 must have 32 to 256 bytes"},
        {{{2, SECRET_A}, {3, {repeated, sizeof(repeated)}}},
         "key 3 must have 32 to 256 bytes"},
        {{{1, {repeated, 32}}, {2, SECRET_A}},
         "key 1 is one byte over and over: it must be random"},
        {{{1, SECRET_A}, {1, SECRET_B}}, "key 1 is there twice"},
        {{{0, SECRET_A}, {1, SECRET_B}}, "a key's id is more than 0"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct whs_keyring *keyring;
        struct whs_error err;
        assert_int_equal(whs_keyring_create(rows[i].secrets, 2, &keyring, &err),
                         WHS_CONFIGURATION);
        assert_null(keyring);
        assert_string_equal(err.message, rows[i].message);
    }
    struct whs_keyring_secret many[WHS_KEYRING_KEYS_MAX + 1];
    for (uint32_t i = 0; i <= WHS_KEYRING_KEYS_MAX; i++)
        many[i] = (struct whs_keyring_secret){i + 1, SECRET_A};
    struct whs_keyring *keyring;
    assert_int_equal(whs_keyring_create(many, WHS_KEYRING_KEYS_MAX + 1, &keyring, NULL),
                     WHS_CONFIGURATION);
    assert_int_equal(whs_keyring_create(many, WHS_KEYRING_KEYS_MAX, &keyring, NULL),
                     WHS_OK);
    whs_keyring_destroy(keyring);
}

static void
the_keys_of_a_keyring_are_wiped_at_its_end(void **state)
{
    (void)state;
    static const char purpose[] = "webhooksub integrity key\x01\0\0\0\x09";
    char key[WHS_AES_KEY_BYTES + 1] = {0};
    assert_true(whs_hkdf_sha256(SECRET_A, WHS_SLICE(""),
                                (struct whs_slice){purpose, sizeof(purpose) - 1},
                                (uint8_t *)key, WHS_AES_KEY_BYTES));
    assert_true(strlen(key) >= 8);
    watching_alloc_begin(key);
    struct whs_keyring *keyring = one_key(9, SECRET_A);
    whs_keyring_destroy(keyring);
    assert_int_equal(watching_alloc_end(), 0);
}

static void
a_keyring_survives_every_allocation_that_fails(void **state)
{
    (void)state;
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_keyring *keyring;
        struct whs_keyring_secret secret = {1, SECRET_A};
        enum whs_status status = whs_keyring_create(&secret, 1, &keyring, NULL);
        assert_int_equal(status, failing_alloc_happened() ? WHS_NO_MEMORY : WHS_OK);
        assert_int_equal(keyring != NULL, status == WHS_OK);
        whs_keyring_destroy(keyring);
        failing_alloc_end();
    }
}

#ifdef __linux__
/* "dd" among the flags of the mapping: not in a core dump. */
static bool
is_left_out_of_dumps(const void *ptr)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[512];
    unsigned long from, to;
    bool inside = false, found = false;
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = from <= (uintptr_t)ptr && (uintptr_t)ptr < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, " dd") != NULL;
    }
    fclose(maps);
    return found;
}

static void
the_keys_of_a_keyring_are_left_out_of_core_dumps(void **state)
{
    (void)state;
    struct whs_keyring *keyring = one_key(1, SECRET_A);
    assert_true(is_left_out_of_dumps(keyring));
    whs_keyring_destroy(keyring);
}
#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_of_any_length_is_opened_as_it_was),
        cmocka_unit_test(the_format_is_what_stands_in_the_header),
        cmocka_unit_test(a_nonce_is_never_the_one_before),
        cmocka_unit_test(no_bit_can_be_changed),
        cmocka_unit_test(what_is_cut_or_lengthened_does_not_open),
        cmocka_unit_test(a_secret_opens_in_its_own_row_alone),
        cmocka_unit_test(the_first_key_seals_and_all_open),
        cmocka_unit_test(another_key_with_the_same_id_opens_nothing),
        cmocka_unit_test(each_id_has_a_key_of_its_own),
        cmocka_unit_test(
            without_keys_a_secret_stays_as_it_is_and_every_keyring_reads_it),
        cmocka_unit_test(
            a_keyring_of_weak_or_doubtful_secrets_is_refused_without_showing_them),
        cmocka_unit_test(the_keys_of_a_keyring_are_wiped_at_its_end),
        cmocka_unit_test(a_keyring_survives_every_allocation_that_fails),
#ifdef __linux__
        cmocka_unit_test(the_keys_of_a_keyring_are_left_out_of_core_dumps),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
