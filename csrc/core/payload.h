/* SPDX-License-Identifier: MIT
 *
 * What does the body look like?
 *
 *   {"id":…,"subscriptionId":…,"resource":…,"resourcePath":…,"modificationType":…,
 *    "rawTime":…,"brandCode":…,"openId":…,"data":<the publisher's bytes unchanged>}
 *
 * brandCode, openId and data are left out when absent. A batch is a JSON array of
 * those. Pure; any thread.
 */
#ifndef WHS_PAYLOAD_H
#define WHS_PAYLOAD_H

#include "buf.h"
#include "event.h"
#include "subscriber.h"

/* Appends one notification; `id` is its notification id, `path` an index of the event's
 * paths. */
void whs_payload_render(struct whs_buf *buf, const struct whs_event *event,
                        uint8_t path, const struct whs_subscriber *sub, const char *id);

/* A batch is begin, then render with next between, then end. */
void whs_payload_begin_batch(struct whs_buf *buf);
void whs_payload_next(struct whs_buf *buf);
void whs_payload_end_batch(struct whs_buf *buf);

/* An upper bound of what render would append: lets a batch stop before its limit. */
size_t whs_payload_bytes(const struct whs_event *event, uint8_t path,
                         const struct whs_subscriber *sub);

#endif
