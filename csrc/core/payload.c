/* SPDX-License-Identifier: MIT */
#include "payload.h"

#include "date.h"
#include "json.h"

/* Names, quotes and the fixed-size values of one notification. */
#define ENVELOPE_BYTES 300
/* An escaped byte is at most "\u001f". */
#define ESCAPED_MAX 6

#define APPEND(buf, literal) whs_buf_append((buf), (literal), sizeof(literal) - 1)

void
whs_payload_render(struct whs_buf *buf, const struct whs_event *event, uint8_t path,
                   const struct whs_subscriber *sub, const char *id)
{
    const struct whs_subscription *subscription = sub->subscription;
    char time[WHS_DATE_TEXT_SIZE];
    whs_date_format(event->published_at_ms, time);
    APPEND(buf, "{\"id\":\"");
    whs_buf_append(buf, id, WHS_NOTIFICATION_ID_SIZE - 1);
    APPEND(buf, "\",\"subscriptionId\":\"");
    whs_buf_append(buf, sub->id_text, WHS_UUID_TEXT_SIZE - 1);
    APPEND(buf, "\",\"resource\":");
    whs_json_append_string(buf, subscription->resource);
    APPEND(buf, ",\"resourcePath\":");
    whs_json_append_string(buf, event->paths[path]);
    APPEND(buf, ",\"modificationType\":\"");
    whs_buf_append_slice(buf, whs_slice_of(whs_action_name(event->action)));
    APPEND(buf, "\",\"rawTime\":\"");
    whs_buf_append(buf, time, sizeof(time) - 1);
    APPEND(buf, "\"");
    if (subscription->brand_code.ptr) {
        APPEND(buf, ",\"brandCode\":");
        whs_json_append_string(buf, subscription->brand_code);
    }
    if (event->open_id.ptr) {
        APPEND(buf, ",\"openId\":");
        whs_json_append_string(buf, event->open_id);
    }
    if (event->data.ptr) {
        APPEND(buf, ",\"data\":");
        whs_buf_append_slice(buf, event->data);
    }
    APPEND(buf, "}");
}

void
whs_payload_begin_batch(struct whs_buf *buf)
{
    APPEND(buf, "[");
}

void
whs_payload_next(struct whs_buf *buf)
{
    APPEND(buf, ",");
}

void
whs_payload_end_batch(struct whs_buf *buf)
{
    APPEND(buf, "]");
}

size_t
whs_payload_bytes(const struct whs_event *event, uint8_t path,
                  const struct whs_subscriber *sub)
{
    const struct whs_subscription *subscription = sub->subscription;
    size_t escaped = subscription->resource.len + event->paths[path].len +
                     subscription->brand_code.len + event->open_id.len;
    return ENVELOPE_BYTES + ESCAPED_MAX * escaped + event->data.len;
}
