/* SPDX-License-Identifier: MIT
 *
 * May a byte go to this address? One table, asked when a socket is opened and again
 * when a kept connection is used. IPv4 by a list of what is denied, IPv6 by the one
 * range that is allowed, less its exceptions. Pure; any thread.
 */
#ifndef WHS_GUARD_H
#define WHS_GUARD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "slice.h"
#include "status.h"

#define WHS_GUARD_ALLOW_MAX 64
#define WHS_GUARD_DENY_MAX 64
#define WHS_GUARD_NAT64_MAX 4

struct whs_cidr {
    uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint8_t prefix;      /* of the 128 bits */
};

struct whs_guard {
    struct whs_cidr allow[WHS_GUARD_ALLOW_MAX]; /* opens exactly what it names */
    size_t allow_count;
    struct whs_cidr deny[WHS_GUARD_DENY_MAX]; /* closed, whatever opens them */
    size_t deny_count;
    /* Behind these the operator's network reaches IPv4: an address in one is judged as
     * the IPv4 address that it holds. */
    struct whs_cidr nat64[WHS_GUARD_NAT64_MAX];
    size_t nat64_count;
    bool dev; /* opens exactly 127.0.0.0/8 and ::1 */
};

/* "10.1.2.0/24", "fd00::/8", "10.1.2.3". */
WHS_CHECK enum whs_status whs_cidr_parse(struct whs_slice text, struct whs_cidr *out,
                                         struct whs_error *err);

/* A prefix of RFC 6052 section 2.2, "64:ff9b::/96": of 32, 40, 48, 56, 64 or 96 bits.
 */
WHS_CHECK enum whs_status whs_nat64_parse(struct whs_slice text, struct whs_cidr *out,
                                          struct whs_error *err);

/* Anything but AF_INET and AF_INET6 is refused. */
bool whs_guard_allows(const struct whs_guard *guard, const struct sockaddr *address);
/* The text that libcurl gives in its prereq callback. */
bool whs_guard_allows_text(const struct whs_guard *guard, const char *ip);

#endif
