/* SPDX-License-Identifier: MIT
 *
 * The engine's whole life while one call of it fails: made, subscribed to, pushed to,
 * turned until all is reported, settled, closed. What fails is tried once more and must
 * work then; every delivery that was taken in must end in exactly one report.
 */
#ifndef WHOLE_H
#define WHOLE_H

#include <stdbool.h>

#include "engine.h"

/* Makes the engine's transport. NULL: it failed, by `status`. */
typedef struct whs_transport *whole_make_transport(const void *ctx,
                                                   enum whs_status *status);

struct whole {
    const char *name; /* of what fails, for messages */
    struct whs_engine_config config;
    whole_make_transport *make_transport;
    const void *ctx;
    const char *origin; /* of every subscription */
    unsigned wrong;     /* so many things were */
};

/* Before anything fails; aborts without memory. */
void whole_init(struct whole *whole);
void whole_fini(void);
/* One life; `n` is for messages. */
void whole_live(struct whole *whole, unsigned n);
void whole_expect(struct whole *whole, unsigned n, bool good, const char *what);

#endif
