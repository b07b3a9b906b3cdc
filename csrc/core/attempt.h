/* SPDX-License-Identifier: MIT
 *
 * One POST, or what a socket is sent: what it carries, its bytes, and what is needed to
 * report it. Everything that could fail for memory is taken before it starts, so that
 * its end can always be told.
 */
#ifndef WHS_ATTEMPT_H
#define WHS_ATTEMPT_H

#include "buf.h"
#include "id.h"
#include "list.h"
#include "sign.h"
#include "text.h"
#include "transport.h"
#include "work.h"

struct whs_attempt {
    struct whs_exchange exchange; /* first: the transport gives back this part */
    struct whs_link link;         /* in work.in_flight */
    struct whs_attempt *next_spare;
    struct whs_lane *lane;      /* it stays while attempts of it are in flight */
    struct whs_origin *origin;  /* referenced; the lane may have moved to another */
    struct whs_subscriber *sub; /* referenced; the lane may have got another */
    struct whs_delivery *first; /* linked, `count` of them */
    struct whs_delivery *last;
    size_t count;
    bool batch;
    bool probe;                /* on it hangs what becomes of its origin's breaker */
    int64_t started_at_ms;     /* wall clock */
    struct whs_report *report; /* with room for `count` */
    struct whs_buf body;
    struct whs_buf ids; /* of a batch: notification ids, one behind the other */
    char id[WHS_NOTIFICATION_ID_SIZE];
    char timestamp[WHS_DECIMAL_SIZE];
    char traceparent[WHS_TRACEPARENT_SIZE]; /* "" for none */
    struct whs_signatures signatures;
};

static inline struct whs_attempt *
whs_attempt_of(struct whs_exchange *exchange)
{
    return (struct whs_attempt *)(void *)exchange;
}

/* Takes the next delivery or batch from `lane`, renders and signs it, and counts it as
 * in flight. NULL: no memory; nothing was taken. */
struct whs_attempt *whs_attempt_create(struct whs_work *work, struct whs_lane *lane);
/* Sends it. Anything but WHS_OK: nothing was sent. */
WHS_CHECK enum whs_status whs_attempt_send(struct whs_work *work,
                                           struct whs_attempt *attempt);
/* Undoes create: its deliveries are the lane's first again. */
void whs_attempt_undo(struct whs_work *work, struct whs_attempt *attempt);
/* It has been concluded: its deliveries and its report are somebody else's now. The
 * lane may be gone afterwards. */
void whs_attempt_free(struct whs_work *work, struct whs_attempt *attempt);
void whs_attempt_free_spares(struct whs_work *work);

#endif
