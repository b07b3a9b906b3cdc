/* SPDX-License-Identifier: MIT
 *
 * id: what is made once, and what is always made again the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_clock.h"
#include "id.h"

static void
a_uuid7_has_its_time_version_and_variant(void **state)
{
    (void)state;
    struct fake_random random = {1};
    struct whs_random source = fake_random_random(&random);
    static const int64_t times_ms[] = {0, 1, FAKE_CLOCK_START_MS,
                                       INT64_C(0xffffffffffff)};
    for (size_t i = 0; i < sizeof(times_ms) / sizeof(times_ms[0]); i++) {
        uint8_t id[WHS_UUID_BYTES];
        int64_t time_ms = 0;
        whs_uuid7(times_ms[i], &source, id);
        for (int byte = 0; byte < 6; byte++)
            time_ms = time_ms << 8 | id[byte];
        assert_true(time_ms == times_ms[i]);
        assert_int_equal(id[6] >> 4, 7);
        assert_int_equal(id[8] >> 6, 2);
    }
}

static void
later_uuids_sort_later_and_those_of_one_moment_differ(void **state)
{
    (void)state;
    struct fake_random random = {2};
    struct whs_random source = fake_random_random(&random);
    uint8_t last[WHS_UUID_BYTES] = {0}, id[WHS_UUID_BYTES], twin[WHS_UUID_BYTES];
    for (int64_t ms = 0; ms < 1000; ms++) {
        whs_uuid7(FAKE_CLOCK_START_MS + ms, &source, id);
        whs_uuid7(FAKE_CLOCK_START_MS + ms, &source, twin);
        assert_true(memcmp(last, id, sizeof(id)) < 0);
        assert_memory_not_equal(id, twin, sizeof(id));
        memcpy(last, id, sizeof(id));
    }
}

static void
a_uuid_is_written_and_read_back(void **state)
{
    (void)state;
    struct fake_random random = {3};
    struct whs_random source = fake_random_random(&random);
    for (int i = 0; i < 1000; i++) {
        uint8_t id[WHS_UUID_BYTES], back[WHS_UUID_BYTES];
        char text[WHS_UUID_TEXT_SIZE];
        whs_uuid7(FAKE_CLOCK_START_MS, &source, id);
        whs_uuid_format(id, text);
        assert_true(whs_uuid_parse(whs_slice_of(text), back));
        assert_memory_equal(id, back, sizeof(id));
    }
    static const uint8_t id[WHS_UUID_BYTES] = {0x01, 0x9b, 0x76, 0xda, 0xa8, 0x00,
                                               0x7f, 0xff, 0x80, 0x12, 0x34, 0x56,
                                               0x78, 0x9a, 0xbc, 0xde};
    uint8_t back[WHS_UUID_BYTES];
    char text[WHS_UUID_TEXT_SIZE];
    whs_uuid_format(id, text);
    assert_string_equal(text, "019b76da-a800-7fff-8012-3456789abcde");
    assert_true(
        whs_uuid_parse(WHS_SLICE("019B76DA-A800-7FFF-8012-3456789ABCDE"), back));
    assert_memory_equal(id, back, sizeof(id));
}

static void
what_is_no_uuid_is_not_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "019b76da-a800-7fff-8012-3456789abcd",
        "019b76da-a800-7fff-8012-3456789abcdef",
        "019b76daa800-7fff-8012-3456789abcdef-",
        "019b76da-a800-7fff-8012-3456789abcdg",
        "019b76da_a800_7fff_8012_3456789abcde",
        "{19b76da-a800-7fff-8012-3456789abcd}",
        "019b76da-a800-7fff-8012-3456789abc e",
        "-19b76da-a800-7fff-8012-3456789abcde",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint8_t id[WHS_UUID_BYTES];
        assert_false(whs_uuid_parse(whs_slice_of(texts[i]), id));
    }
}

static const uint8_t event[WHS_UUID_BYTES] = {1}, sub[WHS_UUID_BYTES] = {2};

static void
a_notifications_id_depends_on_event_and_subscription_alone(void **state)
{
    (void)state;
    char id[WHS_NOTIFICATION_ID_SIZE], again[WHS_NOTIFICATION_ID_SIZE],
        swapped[WHS_NOTIFICATION_ID_SIZE];
    whs_notification_id(event, sub, id);
    whs_notification_id(event, sub, again);
    whs_notification_id(sub, event, swapped);
    assert_string_equal(id, again);
    assert_string_not_equal(id, swapped);
    /* By another implementation of SHA-256. */
    assert_string_equal(id, "msg_e351f32bf7c347d287d57187497bec3d");
    assert_null(strchr(id, '.'));
}

static void
every_bit_of_both_ids_counts(void **state)
{
    (void)state;
    char id[WHS_NOTIFICATION_ID_SIZE], other[WHS_NOTIFICATION_ID_SIZE];
    whs_notification_id(event, sub, id);
    for (int bit = 0; bit < 8 * WHS_UUID_BYTES; bit++) {
        uint8_t changed[WHS_UUID_BYTES];
        memcpy(changed, event, sizeof(changed));
        changed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        whs_notification_id(changed, sub, other);
        assert_string_not_equal(id, other);
        memcpy(changed, sub, sizeof(changed));
        changed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        whs_notification_id(event, changed, other);
        assert_string_not_equal(id, other);
    }
}

static void
a_batchs_id_depends_on_its_members_and_their_order(void **state)
{
    (void)state;
    char members[3][WHS_NOTIFICATION_ID_SIZE], id[WHS_NOTIFICATION_ID_SIZE],
        other[WHS_NOTIFICATION_ID_SIZE], swap[WHS_NOTIFICATION_ID_SIZE];
    for (uint8_t i = 0; i < 3; i++) {
        uint8_t each[WHS_UUID_BYTES] = {i};
        whs_notification_id(each, sub, members[i]);
    }
    const char(*ids)[WHS_NOTIFICATION_ID_SIZE] =
        (const char(*)[WHS_NOTIFICATION_ID_SIZE])members;
    whs_batch_id(ids, 3, id);
    whs_batch_id(ids, 3, other);
    assert_string_equal(id, other);
    assert_int_equal(strncmp(id, "bat_", 4), 0);
    assert_int_equal(strlen(id), WHS_NOTIFICATION_ID_SIZE - 1);
    whs_batch_id(ids, 2, other);
    assert_string_not_equal(id, other);
    memcpy(swap, members[0], sizeof(swap));
    memcpy(members[0], members[1], sizeof(swap));
    memcpy(members[1], swap, sizeof(swap));
    whs_batch_id(ids, 3, other);
    assert_string_not_equal(id, other);
}

static void
an_events_trace_has_the_events_id(void **state)
{
    (void)state;
    uint8_t id[WHS_UUID_BYTES];
    char text[WHS_TRACEPARENT_SIZE];
    assert_true(whs_uuid_parse(WHS_SLICE("01a2116a-b419-7cdf-933f-eebda918d9fd"), id));
    whs_traceparent(id, text);
    assert_string_equal(text,
                        "00-01a2116ab4197cdf933feebda918d9fd-933feebda918d9fd-01");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uuid7_has_its_time_version_and_variant),
        cmocka_unit_test(later_uuids_sort_later_and_those_of_one_moment_differ),
        cmocka_unit_test(a_uuid_is_written_and_read_back),
        cmocka_unit_test(what_is_no_uuid_is_not_read),
        cmocka_unit_test(a_notifications_id_depends_on_event_and_subscription_alone),
        cmocka_unit_test(every_bit_of_both_ids_counts),
        cmocka_unit_test(a_batchs_id_depends_on_its_members_and_their_order),
        cmocka_unit_test(an_events_trace_has_the_events_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
