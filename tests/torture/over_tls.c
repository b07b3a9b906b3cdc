/* SPDX-License-Identifier: MIT */
#include "over_tls.h"

#include <stdio.h>
#include <stdlib.h>

#include "transport_curl.h"

void
over_tls_init(struct over_tls *over_tls, const char *ca_file)
{
    FILE *file = fopen(ca_file, "rb");
    over_tls->ca_len =
        file ? fread(over_tls->ca_pem, 1, sizeof(over_tls->ca_pem), file) : 0;
    if (over_tls->ca_len == 0) {
        fprintf(stderr, "%s is unreadable\n", ca_file);
        exit(2);
    }
    fclose(file);
}

struct whs_transport *
over_tls_make(const void *ctx, enum whs_status *status)
{
    const struct over_tls *over_tls = ctx;
    struct whs_curl_config config = whs_curl_config_default;
    struct whs_transport *transport = NULL;
    struct whs_trust *trust;
    config.clock = whs_clock_system;
    config.guard.dev = true;
    *status = whs_trust_create(NULL, NULL,
                               (struct whs_slice){over_tls->ca_pem, over_tls->ca_len},
                               &trust, NULL);
    if (*status != WHS_OK)
        return NULL;
    *status = whs_transport_curl_create(&config, trust, &transport, NULL);
    return *status == WHS_OK ? transport : NULL;
}
