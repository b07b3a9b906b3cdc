/* SPDX-License-Identifier: MIT
 *
 * Python's words for a request that is no attempt, and its answer as a tuple. With the
 * GIL held.
 */
#ifndef WHS_BINDING_ENGINE_ASK_H
#define WHS_BINDING_ENGINE_ASK_H

#include "ask.h"
#include "state.h"
#include "url.h"

struct question {
    struct whs_url url; /* owned */
    PyObject *headers;  /* a tuple, which keeps the texts of the request; owned */
    struct whs_request request;
};

/* From the arguments of Engine.ask, which must outlive it. False with an exception set.
 * question_fini always. */
bool question_read(struct state *state, PyObject *args, PyObject *kwargs,
                   struct question *out);
void question_fini(struct question *question);
/* What Engine.ask answers. NULL with an exception set. */
PyObject *answer_object(const struct whs_ask *ask);
/* Adds check_url. */
bool asking_setup(PyObject *module);

#endif
