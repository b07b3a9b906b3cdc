/* SPDX-License-Identifier: MIT
 *
 * Events and subscribers as a test of the engine wants them: whole enough to be
 * rendered, signed and sent.
 */
#ifndef WORLD_H
#define WORLD_H

#include "event.h"
#include "subscriber.h"

/* Everything but `seq` may be left out. */
struct world_sub {
    int64_t seq;
    const char *tenant; /* "t1"; it hears that tenant's drawers */
    const char *origin; /* "https://host-SEQ.test:443"; the URL is below it */
    const char *event;  /* of a socket, which has no URL; NULL: it is POSTed */
    const char *key;    /* NULL: not signed */
    int max_retries;    /* plus 1, so that 0 is the policy's */
    int64_t expires_at_ms;
    int64_t failing_since_ms;
    int64_t created_revision;
    struct whs_batching batching;
    uint32_t rate_micros;
    const struct whs_header *headers;
    size_t header_count;
};

/* Returns owned. Aborts without memory. */
struct whs_subscriber *world_subscriber(const struct world_sub *wanted);

/* An update of "tenant/TENANT/sidedrawer/sSEQ" with `data` (may be NULL). Returns
 * owned.
 */
struct whs_event *world_event(int64_t seq, const char *tenant, const char *data);

#endif
