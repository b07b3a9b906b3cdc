/* SPDX-License-Identifier: MIT
 *
 * One certificate store for all connections. libcurl alone would parse the CA bundle
 * again for every new connection (16 ms of CPU); the shared store costs that once.
 */
#ifndef WHS_TLS_H
#define WHS_TLS_H

#include "buf.h"
#include "slice.h"
#include "status.h"

struct whs_trust; /* an X509_STORE */

/* `ca_file` (PEM bundle) and `ca_dir` (hashed directory) may be NULL, not both;
 * `extra_pem` is added to them and may be absent. WHS_CONFIGURATION: unreadable, or no
 * certificate in it. */
WHS_CHECK enum whs_status whs_trust_create(const char *ca_file, const char *ca_dir,
                                           struct whs_slice extra_pem,
                                           struct whs_trust **out,
                                           struct whs_error *err);
void whs_trust_destroy(struct whs_trust *trust);
/* To be called from libcurl's SSL_CTX callback with its SSL_CTX. Any thread. */
void whs_trust_install(struct whs_trust *trust, void *ssl_ctx);

/* A throwaway authority for demos and tests, and a certificate for `names` (comma
 * separated DNS names and addresses) signed by it. PEM texts; keys are P-256. */
WHS_CHECK enum whs_status whs_tls_issue(struct whs_slice names, int days,
                                        struct whs_buf *ca_pem,
                                        struct whs_buf *cert_pem,
                                        struct whs_buf *key_pem, struct whs_error *err);

#endif
