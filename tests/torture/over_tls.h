/* SPDX-License-Identifier: MIT
 *
 * The core's own transport to an endpoint on loopback.
 */
#ifndef OVER_TLS_H
#define OVER_TLS_H

#include "transport.h"

struct over_tls {
    char ca_pem[16384];
    size_t ca_len;
};

/* Exits when the file cannot be read. */
void over_tls_init(struct over_tls *over_tls, const char *ca_file);
/* `ctx` is a struct over_tls. NULL: it failed, by `status`. */
struct whs_transport *over_tls_make(const void *ctx, enum whs_status *status);

#endif
