/* SPDX-License-Identifier: MIT
 *
 * key: the bytes of an integrityKey, and that no refusal shows one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto.h"
#include "subscription.h"
#include "texts.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define TEXT(literal)                                                                  \
    {                                                                                  \
        literal, sizeof(literal) - 1                                                   \
    }

static enum whs_status
decode(struct whs_slice text, unsigned char out[WHS_KEY_BYTES_MAX], size_t *len,
       struct whs_error *err)
{
    struct whs_slice exact = texts_exact(text);
    enum whs_status status = whs_key_decode(exact, out, len, err);
    texts_free(exact);
    return status;
}

static void
a_key_is_its_bytes_unless_it_has_the_prefix(void **state)
{
    (void)state;
    static const struct {
        struct whs_slice text, bytes;
    } rows[] = {
        {TEXT("k"), TEXT("k")},
        {TEXT("abcdef=="), TEXT("abcdef==")},
        {TEXT("h\xc3\xa9 \xf0\x9f\x98\x80"), TEXT("h\xc3\xa9 \xf0\x9f\x98\x80")},
        {TEXT("whsec"), TEXT("whsec")},
        {TEXT("WHSEC_AAAA"), TEXT("WHSEC_AAAA")},
        {TEXT(" whsec_AAAA"), TEXT(" whsec_AAAA")},
        {TEXT("whsec_AAAA"), TEXT("\0\0\0")},
        {TEXT("whsec_AA=="), TEXT("\0")},
        {TEXT("whsec_AA"), TEXT("\0")},
        {TEXT("whsec_+/+/"), TEXT("\xfb\xff\xbf")},
        {TEXT("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
         TEXT("\x31\xf2\x90\xf6\xbf\x06\x29\x8a\xab\x4f\x08\xd4\x3c\x3f\x08\x2c\xf6\x48"
              "\xa3\x62\xda\x2d\xa4\xb0")},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        unsigned char out[WHS_KEY_BYTES_MAX];
        size_t len;
        if (decode(rows[i].text, out, &len, NULL) != WHS_OK ||
            !whs_slice_equal((struct whs_slice){(char *)out, len}, rows[i].bytes))
            fail_msg("%s", rows[i].text.ptr);
    }
}

static void
what_is_no_key_is_refused_without_showing_it(void **state)
{
    (void)state;
    static const struct whs_slice texts[] = {
        TEXT(""),
        TEXT("whsec_"),
        TEXT("whsec_="),
        TEXT("whsec_=="),
        TEXT("whsec_===="),
        TEXT("whsec_C"),
        TEXT("whsec_CANARY!"),
        TEXT("whsec_CANARYCANARY==="),
        TEXT("whsec_CANARY="),
        TEXT("whsec_CAN==ARY"),
        TEXT("whsec_CAN ARY"),
        TEXT("whsec_CANARY\n"),
        TEXT("whsec_-_CANARY"),
        TEXT("whsec_whsec_CANARY"),
        TEXT("CANARY\n"),
        TEXT("CAN\0ARY"),
        TEXT("\tCANARY"),
        TEXT("CANARY\x7f"),
        TEXT("CANARY\xff"),
        TEXT("CANARY\xed\xa0\x80"),
        TEXT("CANARY\xc3"),
    };
    for (size_t i = 0; i < LEN(texts); i++) {
        unsigned char out[WHS_KEY_BYTES_MAX];
        size_t len;
        struct whs_error err;
        if (decode(texts[i], out, &len, &err) != WHS_INVALID)
            fail_msg("%s", texts[i].ptr);
        assert_null(strstr(err.message, "CAN"));
        assert_null(strstr(err.message, "ARY"));
        assert_int_equal(decode(texts[i], out, &len, NULL), WHS_INVALID);
    }
}

static void
a_key_has_1_to_256_bytes_in_both_spellings(void **state)
{
    (void)state;
    unsigned char out[WHS_KEY_BYTES_MAX];
    for (size_t size = 1; size <= WHS_KEY_BYTES_MAX + 2; size++) {
        size_t len = 0;
        bool good = size <= WHS_KEY_BYTES_MAX;
        struct whs_slice plain = texts_repeat('k', size);
        assert_int_equal(decode(plain, out, &len, NULL) == WHS_OK, good);
        if (good)
            assert_int_equal(len, size);
        char encoded[6 + 4 * ((WHS_KEY_BYTES_MAX + 4) / 3) + 1] = "whsec_";
        whs_base64_encode((const uint8_t *)plain.ptr, size, encoded + 6);
        len = 0;
        assert_int_equal(decode(whs_slice_of(encoded), out, &len, NULL) == WHS_OK,
                         good);
        if (good)
            assert_true(whs_slice_equal((struct whs_slice){(char *)out, len}, plain));
        texts_free(plain);
    }
}

/* Every string of bytes, in base64, is those bytes again. */
static void
random_keys_survive_their_encoding(void **state)
{
    (void)state;
    uint64_t seed = 9;
    for (int round = 0; round < 5000; round++) {
        uint8_t bytes[64];
        unsigned char out[WHS_KEY_BYTES_MAX];
        char encoded[6 + 4 * 22 + 1] = "whsec_";
        size_t size = 1 + texts_random(&seed) % sizeof(bytes), len;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)texts_random(&seed);
        whs_base64_encode(bytes, size, encoded + 6);
        assert_int_equal(decode(whs_slice_of(encoded), out, &len, NULL), WHS_OK);
        assert_int_equal(len, size);
        assert_memory_equal(out, bytes, size);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_its_bytes_unless_it_has_the_prefix),
        cmocka_unit_test(what_is_no_key_is_refused_without_showing_it),
        cmocka_unit_test(a_key_has_1_to_256_bytes_in_both_spellings),
        cmocka_unit_test(random_keys_survive_their_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
