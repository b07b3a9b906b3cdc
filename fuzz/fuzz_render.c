/* SPDX-License-Identifier: MIT
 *
 * The body of a notification. Its lines are the resource, the path, the brand code and
 * the open id, where "-" is none; the rest is the data.
 *
 *   the body is JSON, and its parts are the inputs
 *   the data stands in it byte for byte, at its end
 *   it is no longer than it was said to be
 */
#include <stdlib.h>

#include "fuzz.h"
#include "json.h"
#include "payload.h"

#define NOTIFICATION "msg_0123456789abcdef0123456789abcdef"

/* NULL: the object does not have it. */
static const struct whs_json *
find(const struct whs_json *object, const char *key)
{
    const struct whs_json *each = whs_json_first(object);
    while (each && !whs_slice_equal(whs_json_key(each), whs_slice_of(key)))
        each = whs_json_next(each);
    return each;
}

static void
check_part(const struct whs_json *object, const char *key, struct whs_slice wanted)
{
    const struct whs_json *part = find(object, key);
    if (wanted.ptr)
        FUZZ_CHECK(part && whs_slice_equal(whs_json_string(part), wanted));
    else
        FUZZ_CHECK(!part);
}

static void
check_body(struct whs_slice body, const struct whs_event *event,
           const struct whs_subscriber *sub)
{
    struct whs_json *document;
    FUZZ_CHECK(body.len <= whs_payload_bytes(event, 0, sub));
    FUZZ_CHECK(whs_json_check(body, WHS_JSON_DEPTH_MAX + 1, NULL) == WHS_OK);
    if (event->data.ptr)
        FUZZ_CHECK(memcmp(body.ptr + body.len - 1 - event->data.len, event->data.ptr,
                          event->data.len) == 0);
    /* The data may be what only the loose reader takes. */
    if (whs_json_parse(body, &document, NULL) != WHS_OK)
        return;
    check_part(document, "id", WHS_SLICE(NOTIFICATION));
    check_part(document, "resource", sub->subscription->resource);
    check_part(document, "resourcePath", event->paths[0]);
    check_part(document, "brandCode", sub->subscription->brand_code);
    check_part(document, "openId", event->open_id);
    FUZZ_CHECK(!find(document, "data") == !event->data.ptr);
    whs_json_free(document);
}

static struct whs_slice
read_text(struct whs_slice *input)
{
    struct whs_slice line = fuzz_line(input);
    return whs_slice_equal(line, WHS_SLICE("-")) ? (struct whs_slice){0} : line;
}

/* What the callers of the renderer have seen to. */
static bool
is_fit(struct whs_slice text)
{
    return whs_slice_is_utf8(text) && (text.len == 0 || !memchr(text.ptr, 0, text.len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct whs_slice input = {(const char *)data, size};
    struct whs_subscription subscription = {.resource = fuzz_line(&input)};
    struct whs_subscriber sub = {.subscription = &subscription};
    struct whs_slice path = fuzz_line(&input);
    subscription.brand_code = read_text(&input);
    struct whs_event from = {.action = WHS_ACTION_UPDATE,
                             .published_at_ms = INT64_C(1795564800007),
                             .path_count = 1,
                             .open_id = read_text(&input)};
    if (input.len > 0)
        from.data = input;
    if (!is_fit(subscription.resource) || !is_fit(path) ||
        !is_fit(subscription.brand_code) || !is_fit(from.open_id) ||
        (from.data.ptr &&
         whs_json_check(from.data, WHS_JSON_DEPTH_MAX, NULL) != WHS_OK))
        return 0;
    struct whs_buf body = {0};
    struct whs_event *event = whs_event_create(&from, &path);
    whs_uuid_format(sub.id, sub.id_text);
    whs_payload_render(&body, event, 0, &sub, NOTIFICATION);
    FUZZ_CHECK(!body.failed);
    check_body(whs_buf_slice(&body), event, &sub);
    whs_buf_fini(&body);
    whs_event_unref(event);
    return 0;
}
