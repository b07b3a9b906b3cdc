/* SPDX-License-Identifier: MIT
 *
 * payload: the body byte for byte, and never longer than it was said to be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "fake_clock.h"
#include "json.h"
#include "payload.h"

#define NOTIFICATION "msg_0123456789abcdef0123456789abcdef"

static struct whs_subscription subscription;
static struct whs_subscriber sub;

static void
set_subscription(const char *resource, const char *brand_code)
{
    static const uint8_t id[WHS_UUID_BYTES] = {0xab};
    subscription = (struct whs_subscription){.resource = whs_slice_of(resource),
                                             .brand_code = whs_slice_of(brand_code)};
    sub = (struct whs_subscriber){.subscription = &subscription};
    memcpy(sub.id, id, sizeof(id));
    whs_uuid_format(sub.id, sub.id_text);
}

static struct whs_event *
make_event(const char *const *paths, size_t count, const char *open_id,
           struct whs_slice data)
{
    struct whs_slice slices[WHS_EVENT_PATHS_MAX];
    for (size_t i = 0; i < count; i++)
        slices[i] = whs_slice_of(paths[i]);
    struct whs_event from = {.action = WHS_ACTION_UPDATE,
                             .published_at_ms = FAKE_CLOCK_START_MS + 7,
                             .open_id = whs_slice_of(open_id),
                             .data = data,
                             .path_count = count};
    struct whs_event *event = whs_event_create(&from, slices);
    assert_non_null(event);
    return event;
}

static const char *const one_path[] = {"tenant/a/sidedrawer/s"};

static void
assert_renders(const struct whs_event *event, uint8_t path, const char *expected)
{
    struct whs_buf buf = {0};
    whs_payload_render(&buf, event, path, &sub, NOTIFICATION);
    whs_buf_append_char(&buf, '\0');
    assert_false(buf.failed);
    assert_string_equal(buf.ptr, expected);
    whs_buf_fini(&buf);
}

static void
absent_fields_are_left_out(void **state)
{
    (void)state;
    set_subscription("tenant/a/sidedrawer", NULL);
    struct whs_event *event = make_event(one_path, 1, NULL, (struct whs_slice){0});
    assert_renders(event, 0,
                   "{\"id\":\"" NOTIFICATION "\","
                   "\"subscriptionId\":\"ab000000-0000-0000-0000-000000000000\","
                   "\"resource\":\"tenant/a/sidedrawer\","
                   "\"resourcePath\":\"tenant/a/sidedrawer/s\","
                   "\"modificationType\":\"update\","
                   "\"rawTime\":\"2026-01-01T00:00:00.007Z\"}");
    whs_event_unref(event);
}

static void
present_fields_stand_in_their_order(void **state)
{
    (void)state;
    static const char *const paths[] = {"tenant/a/sidedrawer/s", "tenant/a/\"b\"/\\c"};
    set_subscription("tenant/a/sidedrawer", "br\xc3\xa4nd\n");
    struct whs_event *event =
        make_event(paths, 2, "auth0|1", WHS_SLICE(" { \"a\" : 1.0e0 } "));
    assert_renders(event, 1,
                   "{\"id\":\"" NOTIFICATION "\","
                   "\"subscriptionId\":\"ab000000-0000-0000-0000-000000000000\","
                   "\"resource\":\"tenant/a/sidedrawer\","
                   "\"resourcePath\":\"tenant/a/\\\"b\\\"/\\\\c\","
                   "\"modificationType\":\"update\","
                   "\"rawTime\":\"2026-01-01T00:00:00.007Z\","
                   "\"brandCode\":\"br\xc3\xa4nd\\n\","
                   "\"openId\":\"auth0|1\","
                   "\"data\": { \"a\" : 1.0e0 } }");
    whs_event_unref(event);
}

static void
an_empty_text_is_there_and_empty(void **state)
{
    (void)state;
    set_subscription("r", "");
    struct whs_event *event = make_event(one_path, 1, "", WHS_SLICE("\"\""));
    struct whs_buf buf = {0};
    whs_payload_render(&buf, event, 0, &sub, NOTIFICATION);
    whs_buf_append_char(&buf, '\0');
    assert_non_null(
        strstr(buf.ptr, "\"brandCode\":\"\",\"openId\":\"\",\"data\":\"\"}"));
    whs_buf_fini(&buf);
    whs_event_unref(event);
}

/* What a strict reader of documents would refuse travels unchanged. */
static void
data_goes_out_byte_for_byte(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "null",
        "{}",
        "[]",
        "{\"a\":1,\"a\":2}",
        "\"\\u0000 \\ud800 \\/\"",
        "[1e999,-0,99999999999999999999,1.10]",
        "{ \"k\" :\t[ true ,\r\nfalse ] }",
        "\"\xf0\x9f\x98\x80\x7f\"",
    };
    set_subscription("r", NULL);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct whs_event *event = make_event(one_path, 1, NULL, whs_slice_of(texts[i]));
        struct whs_buf buf = {0};
        whs_payload_render(&buf, event, 0, &sub, NOTIFICATION);
        size_t len = strlen(texts[i]);
        assert_int_equal(whs_json_check(whs_buf_slice(&buf), WHS_JSON_DEPTH_MAX, NULL),
                         WHS_OK);
        assert_memory_equal(buf.ptr + buf.len - 1 - len, texts[i], len);
        whs_buf_fini(&buf);
        whs_event_unref(event);
    }
}

static void
a_batch_is_an_array(void **state)
{
    (void)state;
    struct whs_buf buf = {0};
    struct whs_json *document;
    set_subscription("r", NULL);
    struct whs_event *event = make_event(one_path, 1, NULL, WHS_SLICE("{\"n\":1}"));
    whs_payload_begin_batch(&buf);
    for (int i = 0; i < 3; i++) {
        if (i > 0)
            whs_payload_next(&buf);
        whs_payload_render(&buf, event, 0, &sub, NOTIFICATION);
    }
    whs_payload_end_batch(&buf);
    assert_int_equal(whs_json_parse(whs_buf_slice(&buf), &document, NULL), WHS_OK);
    assert_int_equal(whs_json_type(document), WHS_JSON_ARRAY);
    int count = 0;
    for (const struct whs_json *each = whs_json_first(document); each;
         each = whs_json_next(each)) {
        assert_int_equal(whs_json_type(each), WHS_JSON_OBJECT);
        count++;
    }
    assert_int_equal(count, 3);
    whs_json_free(document);
    whs_buf_fini(&buf);
    whs_event_unref(event);
}

/* Of characters that are escaped in every way, or not at all. */
static const char *
make_text(struct fake_random *random, char *text, size_t cap)
{
    static const char *const pieces[] = {"a",    "\"",       "\\",   "\n", "\x01",
                                         "\x1f", "\xc3\xa9", "\x7f", "/"};
    text[0] = '\0';
    size_t wanted = (size_t)fake_random_below(random, cap / 2 - 2);
    while (strlen(text) < wanted)
        strcat(text, pieces[fake_random_below(random, 9)]);
    return text;
}

static void
nothing_is_longer_than_it_was_said_to_be(void **state)
{
    (void)state;
    struct fake_random random = {11};
    for (int round = 0; round < 500; round++) {
        char texts[4][128];
        for (int i = 0; i < 4; i++)
            make_text(&random, texts[i], sizeof(texts[i]));
        const char *paths[] = {texts[0]};
        bool bare = fake_random_below(&random, 4) == 0;
        set_subscription(texts[1], bare ? NULL : texts[2]);
        struct whs_event *event =
            make_event(paths, 1, bare ? NULL : texts[3], WHS_SLICE("{\"n\":[1,2,3]}"));
        event->action = WHS_ACTION_CREATE;
        struct whs_buf buf = {0};
        struct whs_json *document;
        whs_payload_render(&buf, event, 0, &sub, NOTIFICATION);
        assert_true(buf.len <= whs_payload_bytes(event, 0, &sub));
        assert_int_equal(whs_json_parse(whs_buf_slice(&buf), &document, NULL), WHS_OK);
        const struct whs_json *node = whs_json_first(document);
        while (!whs_slice_equal(whs_json_key(node), WHS_SLICE("resourcePath")))
            node = whs_json_next(node);
        assert_true(whs_slice_equal(whs_json_string(node), whs_slice_of(texts[0])));
        whs_json_free(document);
        whs_buf_fini(&buf);
        whs_event_unref(event);
    }
}

static void
without_memory_the_buffer_says_so(void **state)
{
    (void)state;
    set_subscription("r", "b");
    struct whs_event *event = make_event(one_path, 1, "o", WHS_SLICE("{}"));
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_buf buf = {0};
        whs_payload_render(&buf, event, 0, &sub, NOTIFICATION);
        assert_int_equal(buf.failed, failing_alloc_happened());
        whs_buf_fini(&buf);
        failing_alloc_end();
    }
    whs_event_unref(event);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_fields_are_left_out),
        cmocka_unit_test(present_fields_stand_in_their_order),
        cmocka_unit_test(an_empty_text_is_there_and_empty),
        cmocka_unit_test(data_goes_out_byte_for_byte),
        cmocka_unit_test(a_batch_is_an_array),
        cmocka_unit_test(nothing_is_longer_than_it_was_said_to_be),
        cmocka_unit_test(without_memory_the_buffer_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
