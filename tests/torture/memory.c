/* SPDX-License-Identifier: MIT
 *
 * The n-th allocation of the core fails, for every n.
 *
 *   memory STEP               over the fake transport
 *   memory STEP ORIGIN CA     over TLS
 *
 * Prints what failed how often, and a line "wrong …" for everything that was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "failing_alloc.h"
#include "fake_clock.h"
#include "fake_transport.h"
#include "over_tls.h"
#include "whole.h"

static struct whs_transport *
make_fake(const void *ctx, enum whs_status *status)
{
    (void)status;
    return &fake_transport_create((struct fake_clock *)(uintptr_t)ctx)->base;
}

int
main(int argc, char **argv)
{
    unsigned step = argc > 1 ? (unsigned)atoi(argv[1]) : 1, failed = 0;
    bool tls = argc == 4;
    struct fake_clock clock;
    struct fake_random random = {42};
    struct over_tls over_tls;
    struct whole whole = {.name = tls ? "allocation over TLS" : "allocation",
                          .origin = tls ? argv[2] : "https://host.test:443",
                          .make_transport = tls ? over_tls_make : make_fake,
                          .ctx = tls ? (void *)&over_tls : (void *)&clock};
    whs_engine_config_default(&whole.config);
    fake_clock_init(&clock);
    if (tls)
        over_tls_init(&over_tls, argv[3]);
    else
        whole.config.clock = fake_clock_clock(&clock);
    whole.config.random = fake_random_random(&random);
    whole_init(&whole);
    bool more = true;
    for (unsigned n = 1; more; n += step) {
        failing_alloc_begin(1); /* one has failed: now it takes any n */
        whs_free(whs_alloc(1));
        failing_alloc_begin(n);
        whole_live(&whole, n);
        more = failing_alloc_happened();
        failing_alloc_end();
        failed += more;
    }
    whole_fini();
    if (argc == 3) /* the defect "leak": to show that it is seen */
        whs_alloc(strlen(argv[2]));
    printf("%s: %u\n", whole.name, failed);
    return whole.wrong ? 1 : 0;
}
