/* SPDX-License-Identifier: MIT
 *
 * One easy handle with all that libcurl points into while it runs. It serves one
 * exchange after the other, and its options are set once: see
 * transport_curl_options.h. Engine thread.
 */
#ifndef WHS_TRANSPORT_CURL_TRANSFER_H
#define WHS_TRANSPORT_CURL_TRANSFER_H

#include <curl/curl.h>

#include "head.h"
#include "list.h"
#include "transport_curl.h"
#include "transport_curl_loop.h"
#include "transport_curl_names.h"
#include "transport_curl_resolve.h"

struct whs_curl_transfer {
    const struct whs_curl_config *config; /* this and the next four: borrowed */
    struct whs_curl_loop *loop;
    struct whs_curl_resolves *resolves;
    struct whs_curl_names *names;
    /* The transport's list of those whose head has decided, in that order. */
    struct whs_link *bodies;
    /* Among those that wait to be added, or in `bodies`, or in no list. */
    struct whs_link link;
    struct whs_link whole; /* among those that are added, in that order */
    struct whs_curl_transfer *next_idle;
    struct whs_exchange *exchange; /* NULL: idle */
    CURL *easy;
    CURLU *url;
    struct whs_buf url_text; /* that `url` was parsed from */
    struct whs_buf lines;    /* the header lines, each with its zero */
    struct curl_slist nodes[WHS_REQUEST_HEADERS_MAX + 1];
    /* What the handle is set to, so that it need not be set again. */
    enum whs_method method;
    bool fresh_connection;
    bool reuse_forbidden;
    /* What has become of the exchange so far. */
    struct whs_head head;
    int64_t began_ms;
    int64_t until_ms;      /* once it is added: no longer */
    int64_t body_until_ms; /* once the head has decided */
    int64_t read_bytes;
    int requests;   /* that libcurl was about to send */
    bool added;     /* to the multi */
    bool resolving; /* holds a place among the lookups */
    bool opened;    /* a socket, for a connection of its own */
    bool found;     /* its name is known, or a connection was kept */
    int lookup_fd;  /* while it does: a copy of what it is told by, or negative */
    bool blocked;
    bool late; /* its lease was over before it left */
    bool resend_refused;
    bool local_failure;
    char address[WHS_ADDRESS_SIZE];
    /* Of whatever it carried: the last address that the guard let through. */
    char allowed[WHS_ADDRESS_SIZE];
};

/* Sets an option of `easy`; an error is returned from the function that it stands in.
 */
#define WHS_CURL_SET(easy, option, value)                                              \
    do {                                                                               \
        CURLcode code_ = curl_easy_setopt((easy), (option), (value));                  \
        if (code_ != CURLE_OK)                                                         \
            return code_;                                                              \
    } while (0)

/* NULL: no memory. */
struct whs_curl_transfer *whs_curl_transfer_create(const struct whs_curl_config *config,
                                                   struct whs_curl_loop *loop,
                                                   struct whs_curl_resolves *resolves,
                                                   struct whs_curl_names *names,
                                                   struct whs_link *bodies);
void whs_curl_transfer_destroy(struct whs_curl_transfer *transfer);

/* Puts the request into libcurl's words. Failing leaves the transfer idle. */
CURLcode whs_curl_transfer_begin(struct whs_curl_transfer *transfer,
                                 struct whs_exchange *exchange);
/* Its name is known, or a connection was kept: it needs no lookup any more. */
void whs_curl_transfer_note_found(struct whs_curl_transfer *transfer, int64_t now_ms);
/* Its lookup has ended, found or not. */
void whs_curl_transfer_end_resolving(struct whs_curl_transfer *transfer);
/* It is given up, and its lookup perhaps not at its end. */
void whs_curl_transfer_abandon_resolving(struct whs_curl_transfer *transfer);

#endif
