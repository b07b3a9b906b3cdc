/* SPDX-License-Identifier: MIT
 *
 * What we learn from the head of an answer, line by line as libcurl hands it over. An
 * answer may have several heads (1xx before the final one); only a complete final head
 * counts, and it counts whatever becomes of the body. Pure but for the clock it is
 * given.
 */
#ifndef WHS_HEAD_H
#define WHS_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "outcome.h"
#include "slice.h"

/* libcurl gives up a little above this; a head of this size is nobody's answer. */
#define WHS_HEAD_BYTES_MAX (256 * 1024)
/* In all heads of one answer. Newer libcurls give up at 5,000, older ones never;
 * nobody's answer has so many. */
#define WHS_HEAD_FIELDS_MAX 1000

struct whs_head {
    int status;     /* of the head being read; 0: its first line was none */
    bool begun;     /* its first line was read, its end was not */
    bool complete;  /* a final head has ended: `status` is the answer's */
    bool refused;   /* no status line, 101, or too long: not HTTP as we speak it */
    bool ambiguous; /* framed in two ways: the connection must not be used again */
    int fields;
    int content_lengths;
    bool transfer_encoding;
    int64_t retry_after_ms; /* the longest that was named; -1: none */
    int64_t bytes;
};

/* {.retry_after_ms = -1} to begin with. False: read no further. Fields behind the body
 * count against the limit too, and say nothing else; a line without its end neither.
 * The clock is only asked when the endpoint says when to come again. */
bool whs_head_read(struct whs_head *head, struct whs_slice line,
                   const struct whs_clock *clock, int64_t retry_after_max_ms);

/* What a complete final head says. */
enum whs_outcome whs_head_outcome(const struct whs_head *head);

#endif
