/* SPDX-License-Identifier: MIT
 *
 * An engine's settings, from the flat mapping in which Python's Config gives them. With
 * the GIL held.
 */
#ifndef WHS_BINDING_ENGINE_OPTIONS_H
#define WHS_BINDING_ENGINE_OPTIONS_H

#include "engine_config.h"
#include "state.h"
#include "transport_curl.h"
#include "transport_host.h"

struct engine_options {
    struct whs_engine_config engine;
    struct whs_curl_config curl;
    struct whs_host_config host;
    PyObject *ca_file, *ca_dir; /* bytes of the path; new references, or NULL */
    PyObject *ca_pem;           /* bytes; a new reference, or NULL */
};

/* False with ConfigurationError set, which names every key that is unknown or wrong.
 * engine_options_fini always. */
bool engine_options_read(struct state *state, PyObject *mapping,
                         struct engine_options *out);
void engine_options_fini(struct engine_options *options);
/* The certificates that the options name. NULL with an exception set. */
struct whs_trust *engine_options_trust(struct state *state,
                                       const struct engine_options *options);

#endif
