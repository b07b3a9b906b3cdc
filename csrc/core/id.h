/* SPDX-License-Identifier: MIT
 *
 * Ids. An event's id is a UUIDv7 (RFC 9562), made where it is published. Every other id
 * on the wire is a function of ids, so that a retry, a restart or another machine makes
 * the same one. None holds a '.', which Standard Webhooks signs as a separator.
 */
#ifndef WHS_ID_H
#define WHS_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "slice.h"

#define WHS_UUID_BYTES 16
#define WHS_UUID_TEXT_SIZE 37 /* with its zero */
/* "msg_" or "bat_", 32 hex digits, zero. */
#define WHS_NOTIFICATION_ID_SIZE 37

void whs_uuid7(int64_t wall_ms, const struct whs_random *random,
               uint8_t out[WHS_UUID_BYTES]);
void whs_uuid_format(const uint8_t uuid[WHS_UUID_BYTES], char out[WHS_UUID_TEXT_SIZE]);
bool whs_uuid_parse(struct whs_slice text, uint8_t out[WHS_UUID_BYTES]);

/* The notification of one event for one subscription: the first 16 bytes of
 * SHA-256(event id ‖ subscription id), hex, behind "msg_". */
void whs_notification_id(const uint8_t event_id[WHS_UUID_BYTES],
                         const uint8_t subscription_id[WHS_UUID_BYTES],
                         char out[WHS_NOTIFICATION_ID_SIZE]);

/* A batch: SHA-256 over its notification ids in order, behind "bat_". `ids` are
 * `count` arrays one behind the other. */
void whs_batch_id(const char (*ids)[WHS_NOTIFICATION_ID_SIZE], size_t count,
                  char out[WHS_NOTIFICATION_ID_SIZE]);

/* W3C Trace Context: the trace of an event has the event's id, the span above all that
 * happens to it the id's last 8 bytes, which are never 0. Marked as sampled. */
#define WHS_TRACEPARENT_SIZE 56
void whs_traceparent(const uint8_t event_id[WHS_UUID_BYTES],
                     char out[WHS_TRACEPARENT_SIZE]);

#endif
