/* SPDX-License-Identifier: MIT */
#include "fanout.h"

#include "alloc.h"
#include "payload.h"

#ifdef WHS_SABOTAGE_expand_at_publish
static bool
render_now(struct whs_fanout *fanout)
{
    for (size_t i = 0; i < fanout->count; i++) {
        const struct whs_delivery *dlv = &fanout->deliveries[i];
        char id[WHS_NOTIFICATION_ID_SIZE];
        whs_notification_id(fanout->event->id, dlv->sub->id, id);
        whs_payload_render(&fanout->bodies, fanout->event, dlv->path, dlv->sub, id);
    }
    fanout->bytes += fanout->bodies.cap;
    return !fanout->bodies.failed;
}
#endif

static void
free_fanout(struct whs_fanout *fanout)
{
#ifdef WHS_SABOTAGE_expand_at_publish
    whs_buf_fini(&fanout->bodies);
#endif
    whs_event_unref(fanout->event);
    whs_free(fanout);
}

struct whs_fanout *
whs_fanout_create(struct whs_event *event, const struct whs_match *matches,
                  size_t count)
{
    size_t bytes = sizeof(struct whs_fanout) + count * sizeof(struct whs_delivery);
    struct whs_fanout *fanout = whs_calloc(1, bytes);
    if (!fanout)
        return NULL;
    fanout->item.fanout = fanout;
    fanout->event = whs_event_ref(event);
    fanout->bytes = bytes + whs_event_bytes(event);
    fanout->count = count;
    fanout->undropped = count;
    for (size_t i = 0; i < count; i++) {
        struct whs_delivery *dlv = &fanout->deliveries[i];
        dlv->fanout = fanout;
        dlv->sub = matches[i].sub;
        dlv->path = matches[i].path;
    }
#ifdef WHS_SABOTAGE_expand_at_publish
    if (!render_now(fanout)) {
        free_fanout(fanout);
        return NULL;
    }
#endif
    return fanout;
}

size_t
whs_delivery_drop(struct whs_delivery *dlv)
{
    struct whs_fanout *fanout = dlv->fanout;
    whs_subscriber_unref(dlv->sub);
    dlv->sub = NULL;
    if (--fanout->undropped > 0)
        return 0;
    size_t bytes = fanout->bytes;
    free_fanout(fanout);
    return bytes;
}

void
whs_fanout_destroy(struct whs_fanout *fanout)
{
    for (size_t i = fanout->linked, count = fanout->count; i < count; i++)
        whs_delivery_drop(&fanout->deliveries[i]);
}
