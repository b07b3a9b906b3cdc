/* SPDX-License-Identifier: MIT
 *
 * sign: the vectors of Standard Webhooks and of GitHub, and what is no signature.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sign.h"
#include "subscription.h"

/* V1 of the reference implementations. */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID WHS_SLICE("msg_p5jXN8AQM9LWM0D4loKWxJek")
#define TIME "1614265330"
#define TIME_S INT64_C(1614265330)
#define BODY WHS_SLICE("{\"test\": 2432232314}")
#define GOOD "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define BAD "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="

struct ring {
    unsigned char bytes[WHS_KEYS_MAX][WHS_KEY_BYTES_MAX];
    struct whs_keys keys;
};

static void
add_key(struct ring *ring, const char *text)
{
    size_t n = ring->keys.len++, len = 0;
    assert_int_equal(whs_key_decode(whs_slice_of(text), ring->bytes[n], &len, NULL),
                     WHS_OK);
    ring->keys.items[n] = (struct whs_slice){(const char *)ring->bytes[n], len};
}

static struct ring *
make_ring(const char *text)
{
    static struct ring ring;
    ring.keys.len = 0;
    add_key(&ring, text);
    return &ring;
}

static bool
verifies(const struct ring *ring, const char *signatures)
{
    return whs_verify_standard(&ring->keys, ID, WHS_SLICE(TIME),
                               whs_slice_of(signatures), BODY, TIME_S, WHS_TOLERANCE_S,
                               NULL) == WHS_OK;
}

static void
it_signs_as_the_reference_does(void **state)
{
    (void)state;
    static const struct {
        const char *secret, *id, *body, *signature;
        int64_t timestamp_s;
    } rows[] = {
        {SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", "{\"test\": 2432232314}", GOOD,
         TIME_S},
        {"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
         "{\"email\":\"test@example.com\",\"username\":\"test_user\"}",
         "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=", 1649367553},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct whs_signatures made;
        struct ring *ring = make_ring(rows[i].secret);
        assert_int_equal(whs_sign_request(&ring->keys, WHS_ENCODING_HEX,
                                          whs_slice_of(rows[i].id), rows[i].timestamp_s,
                                          whs_slice_of(rows[i].body), &made),
                         WHS_OK);
        assert_string_equal(made.standard, rows[i].signature);
    }
}

static void
padding_of_a_secret_may_be_missing(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
         "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS="},
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr",
         "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr=="},
    };
    for (size_t i = 0; i < 2; i++) {
        struct whs_signatures bare, padded;
        assert_int_equal(whs_sign_request(&make_ring(pairs[i][0])->keys,
                                          WHS_ENCODING_HEX, ID, TIME_S, BODY, &bare),
                         WHS_OK);
        assert_int_equal(whs_sign_request(&make_ring(pairs[i][1])->keys,
                                          WHS_ENCODING_HEX, ID, TIME_S, BODY, &padded),
                         WHS_OK);
        assert_string_equal(bare.standard, padded.standard);
    }
}

static void
the_integrity_hash_is_an_hmac_of_the_body(void **state)
{
    (void)state;
    struct ring *ring = make_ring("It's a Secret to Everybody");
    struct whs_slice body = WHS_SLICE("Hello, World!");
    struct whs_signatures made;
    assert_int_equal(
        whs_sign_request(&ring->keys, WHS_ENCODING_HEX, ID, TIME_S, body, &made),
        WHS_OK);
    assert_string_equal(
        made.integrity,
        "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    assert_int_equal(
        whs_verify_integrity(&ring->keys, whs_slice_of(made.integrity), body), WHS_OK);
    assert_int_equal(
        whs_verify_integrity(
            &ring->keys,
            WHS_SLICE(
                "757107EA0EB2509FC211221CCE984B8A37570b6d7586c22c46f4379c8b043e17"),
            body),
        WHS_OK);
    assert_int_equal(
        whs_sign_request(&ring->keys, WHS_ENCODING_BASE64, ID, TIME_S, body, &made),
        WHS_OK);
    assert_string_equal(made.integrity, "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc=");
    assert_int_equal(
        whs_verify_integrity(&ring->keys, whs_slice_of(made.integrity), body), WHS_OK);
    made.integrity[strlen(made.integrity) - 1] = '\0';
    assert_int_equal(
        whs_verify_integrity(&ring->keys, whs_slice_of(made.integrity), body), WHS_OK);
}

static void
other_integrity_hashes_do_not_verify(void **state)
{
    (void)state;
    struct ring *ring = make_ring("It's a Secret to Everybody");
    static const char *const given[] = {
        "",
        "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e18",
        "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e1",
        "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17 ",
        "g57107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhd=x",
        "dXEH6g6yUJ_CESIczphLijdXC211hsIsRvQ3nIsEPhc=",
        "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPh==",
    };
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
        assert_int_equal(whs_verify_integrity(&ring->keys, whs_slice_of(given[i]),
                                              WHS_SLICE("Hello, World!")),
                         WHS_UNVERIFIED);
    struct whs_keys none = {0};
    assert_int_equal(
        whs_verify_integrity(
            &none,
            WHS_SLICE(
                "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
            WHS_SLICE("Hello, World!")),
        WHS_UNVERIFIED);
}

static void
without_a_key_nothing_is_signed(void **state)
{
    (void)state;
    struct whs_keys none = {0};
    struct whs_signatures made;
    memset(&made, 'x', sizeof(made));
    assert_int_equal(whs_sign_request(&none, WHS_ENCODING_HEX, ID, TIME_S, BODY, &made),
                     WHS_OK);
    assert_string_equal(made.standard, "");
    assert_string_equal(made.integrity, "");
}

static void
every_key_of_a_rotation_signs_newest_first(void **state)
{
    (void)state;
    struct ring ring = {0};
    struct whs_signatures made;
    add_key(&ring, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    add_key(&ring, SECRET);
    for (int i = 2; i < WHS_KEYS_MAX; i++)
        add_key(&ring, "another secret of somebody");
    assert_int_equal(
        whs_sign_request(&ring.keys, WHS_ENCODING_HEX, ID, TIME_S, BODY, &made),
        WHS_OK);
    assert_int_equal(strlen(made.standard), WHS_KEYS_MAX * 48 - 1);
    assert_int_equal(strncmp(made.standard + 48, GOOD " ", 48), 0);
    for (size_t i = 0; i < WHS_KEYS_MAX; i++) {
        struct ring one = {.keys = {.items = {ring.keys.items[i]}, .len = 1}};
        assert_true(verifies(&one, made.standard));
    }
    assert_true(verifies(&ring, GOOD));
    assert_int_equal(
        whs_verify_integrity(&ring.keys, whs_slice_of(made.integrity), BODY), WHS_OK);
}

static void
one_good_signature_in_a_list_is_enough(void **state)
{
    (void)state;
    const struct ring *ring = make_ring(SECRET);
    assert_true(verifies(ring, GOOD));
    assert_true(verifies(ring, BAD " v2,"
                                   "Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
                                   " " GOOD " " BAD));
    assert_true(verifies(ring, "  " GOOD "  "));
    assert_true(verifies(ring, "v1 v1, v1a,AAAA " GOOD));
    assert_true(verifies(ring, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE"));
}

static void
no_other_signature_verifies(void **state)
{
    (void)state;
    static const char *const given[] = {
        "",
        " ",
        "v1",
        "v1,",
        "v1, ",
        ",",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA=",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1O",
        "v1,g0hM9SsE-OTPJTGt_tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE==",
        "v1,!!!!",
        "v1,AAAA",
        "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "V1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "v1\t,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=,x",
        BAD,
    };
    const struct ring *ring = make_ring(SECRET);
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
        assert_false(verifies(ring, given[i]));
    struct ring none = {0};
    assert_false(verifies(&none, GOOD));
    assert_int_equal(whs_verify_standard(&ring->keys, ID, WHS_SLICE(TIME),
                                         (struct whs_slice){0}, BODY, TIME_S,
                                         WHS_TOLERANCE_S, NULL),
                     WHS_UNVERIFIED);
}

/* A hundred are tried, so that a header cannot buy more work than that. */
static void
a_flood_of_signatures_costs_little(void **state)
{
    (void)state;
    size_t count = 100000, len = strlen(BAD) + 1;
    char *list = malloc(count * len + sizeof(GOOD));
    assert_non_null(list);
    for (size_t i = 0; i < count; i++)
        memcpy(list + i * len, BAD " ", len);
    memcpy(list + count * len, GOOD, sizeof(GOOD));
    assert_false(verifies(make_ring(SECRET), list));
    memcpy(list + 99 * len, GOOD " ", len);
    assert_true(verifies(make_ring(SECRET), list));
    free(list);
}

static void
each_signed_byte_counts(void **state)
{
    (void)state;
    const struct whs_keys *keys = &make_ring(SECRET)->keys;
    struct whs_slice good = WHS_SLICE(GOOD), time = WHS_SLICE(TIME);
    assert_int_equal(whs_verify_standard(keys,
                                         WHS_SLICE("msg_p5jXN8AQM9LWM0D4loKWxJeK"),
                                         time, good, BODY, TIME_S, 300, NULL),
                     WHS_UNVERIFIED);
    assert_int_equal(whs_verify_standard(keys, ID, WHS_SLICE("1614265331"), good, BODY,
                                         TIME_S, 300, NULL),
                     WHS_UNVERIFIED);
    /* The same number, but not the same bytes. */
    assert_int_equal(whs_verify_standard(keys, ID, WHS_SLICE("01614265330"), good, BODY,
                                         TIME_S, 300, NULL),
                     WHS_UNVERIFIED);
    assert_int_equal(whs_verify_standard(keys, ID, time, good,
                                         WHS_SLICE("{\"test\":2432232314}"), TIME_S,
                                         300, NULL),
                     WHS_UNVERIFIED);
}

static void
a_timestamp_is_near_now_on_both_sides(void **state)
{
    (void)state;
    const struct whs_keys *keys = &make_ring(SECRET)->keys;
    static const struct {
        int64_t now_s;
        enum whs_status status;
    } rows[] = {
        {TIME_S, WHS_OK},
        {TIME_S + 300, WHS_OK},
        {TIME_S - 300, WHS_OK},
        {TIME_S + 301, WHS_UNVERIFIED},
        {TIME_S - 301, WHS_UNVERIFIED},
        {0, WHS_UNVERIFIED},
        {INT64_C(99999999999), WHS_UNVERIFIED},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(whs_verify_standard(keys, ID, WHS_SLICE(TIME), WHS_SLICE(GOOD),
                                             BODY, rows[i].now_s, WHS_TOLERANCE_S,
                                             NULL),
                         rows[i].status);
}

static void
headers_that_are_none_are_named_without_their_value(void **state)
{
    (void)state;
    static const char *const times[] = {
        "",
        "161426533.0",
        "-1614265330",
        "+1614265330",
        " 1614265330",
        "1.6e9",
        "nan",
        "inf",
        "1614265330 ",
        "0x6037BDF2",
        "1e400",
        "\xd9\xa1\xd9\xa6",
        "16142653301614265330",
        "161426533a",
    };
    static const char *const ids[] = {"", "msg.1", ".", "msg 1", "msg\n1", "msg\x7f"};
    const struct whs_keys *keys = &make_ring(SECRET)->keys;
    struct whs_error err;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        assert_int_equal(whs_verify_standard(keys, ID, whs_slice_of(times[i]),
                                             WHS_SLICE(GOOD), BODY, TIME_S, 300, &err),
                         WHS_UNVERIFIED);
        assert_string_equal(err.message, "webhook-timestamp is no whole number");
    }
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        assert_int_equal(whs_verify_standard(keys, whs_slice_of(ids[i]),
                                             WHS_SLICE(TIME), WHS_SLICE(GOOD), BODY,
                                             TIME_S, 300, &err),
                         WHS_UNVERIFIED);
        assert_string_equal(err.message, "webhook-id is missing or malformed");
    }
    assert_int_equal(whs_verify_standard(keys, (struct whs_slice){0},
                                         (struct whs_slice){0}, (struct whs_slice){0},
                                         (struct whs_slice){0}, TIME_S, 300, NULL),
                     WHS_UNVERIFIED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_signs_as_the_reference_does),
        cmocka_unit_test(padding_of_a_secret_may_be_missing),
        cmocka_unit_test(the_integrity_hash_is_an_hmac_of_the_body),
        cmocka_unit_test(other_integrity_hashes_do_not_verify),
        cmocka_unit_test(without_a_key_nothing_is_signed),
        cmocka_unit_test(every_key_of_a_rotation_signs_newest_first),
        cmocka_unit_test(one_good_signature_in_a_list_is_enough),
        cmocka_unit_test(no_other_signature_verifies),
        cmocka_unit_test(a_flood_of_signatures_costs_little),
        cmocka_unit_test(each_signed_byte_counts),
        cmocka_unit_test(a_timestamp_is_near_now_on_both_sides),
        cmocka_unit_test(headers_that_are_none_are_named_without_their_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
