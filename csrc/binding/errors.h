/* SPDX-License-Identifier: MIT
 *
 * Which exception for which failure? With the GIL held; all return NULL, for
 * `return raise_…`.
 */
#ifndef WHS_BINDING_ERRORS_H
#define WHS_BINDING_ERRORS_H

#include "fielderror.h"
#include "state.h"
#include "status.h"

/* `field` is named where the status becomes a ValidationError. */
PyObject *raise_status(struct state *state, enum whs_status status, const char *field,
                       const struct whs_error *err);
/* ValidationError with a single mistake. */
PyObject *raise_invalid(struct state *state, const char *field, const char *code,
                        const char *message);
/* ValidationError with all of them; MemoryError when the list is not complete. */
PyObject *raise_field_errors(struct state *state,
                             const struct whs_field_errors *errors);

#endif
