/* SPDX-License-Identifier: MIT
 *
 * How one attempt ended. The codes are stored: append only, never reused.
 */
#ifndef WHS_OUTCOME_H
#define WHS_OUTCOME_H

#include <stdbool.h>

/*  name, code, the word shown */
#define WHS_OUTCOME_MAP(X)                                                             \
    X(SUCCESS, 1, "success")       /* complete final 2xx head */                       \
    X(HTTP_ERROR, 2, "http_error") /* complete final head, other than 2xx 3xx 410 */   \
    X(REDIRECT, 3, "redirect")     /* 3xx: never followed */                           \
    X(GONE, 4, "gone")             /* 410 */                                           \
    X(DNS_ERROR, 5, "dns_error")                                                       \
    X(CONNECT_ERROR, 6, "connect_error")                                               \
    X(CONNECT_TIMEOUT, 7, "connect_timeout")                                           \
    X(TLS_CERTIFICATE, 8, "tls_certificate")                                           \
    X(TLS_HANDSHAKE, 9, "tls_handshake")                                               \
    X(BLOCKED_ADDRESS, 10, "blocked_address") /* the address guard said no */          \
    X(TIMEOUT, 11, "timeout")                 /* request sent, no complete head */     \
    X(UNKNOWN, 12, "unknown") /* connection ended before a head: may have arrived */   \
    X(PROTOCOL_ERROR, 13, "protocol_error")                                            \
    X(RESEND_REFUSED, 14, "resend_refused") /* libcurl was about to POST again */      \
    X(LOCAL_ERROR, 15, "local_error")       /* ours: memory, sockets, render */        \
    X(EXPIRED, 16, "expired")               /* expirationDateTime came first */        \
    X(CANCELLED, 17, "cancelled")           /* unsubscribed */                         \
    X(BACKLOG_FULL, 18, "backlog_full")                                                \
    X(SPILLED, 19, "spilled")   /* not sent: written as a waiting row */               \
    X(DISABLED, 20, "disabled") /* the subscription was disabled meanwhile */          \
    X(NOT_CONNECTED, 21, "not_connected") /* a socket with nobody at it: not tried */

enum whs_outcome {
#define X(name, code, word) WHS_OUTCOME_##name = code,
    WHS_OUTCOME_MAP(X)
#undef X
};

const char *whs_outcome_name(enum whs_outcome outcome);
/* True for what says something about the host, not about the subscription. */
bool whs_outcome_is_connection_failure(enum whs_outcome outcome);
/* True when nothing was sent, and nobody is to blame for it: no attempt was made. */
bool whs_outcome_is_untried(enum whs_outcome outcome);

#endif
