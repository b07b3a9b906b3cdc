/* SPDX-License-Identifier: MIT
 *
 * Numbers of events as one Python object: a sequence of (seq,), as a store binds them,
 * each made when it is looked at. With the GIL held.
 */
#ifndef WHS_BINDING_SEQS_H
#define WHS_BINDING_SEQS_H

#include "state.h"

/* Immutable once it is given away: any thread may read it. */
struct seqs_object {
    PyObject_HEAD int64_t *items;
    Py_ssize_t count;
};

/* Empty, with room for so many in `items`. NULL with an exception set. */
struct seqs_object *seqs_new(struct state *state, size_t room);

#endif
