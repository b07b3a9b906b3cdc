/* SPDX-License-Identifier: MIT
 *
 * The store's rows as the engine's events. With the GIL held.
 */
#ifndef WHS_BINDING_ENGINE_EVENTS_H
#define WHS_BINDING_ENGINE_EVENTS_H

#include "event.h"
#include "state.h"

/* An event, copied from the tuple that Engine.push takes; the root may follow. NULL
 * with an exception set. `settled` is borrowed from the tuple, and may be NULL when
 * nobody asks. */
struct whs_event *event_from(struct state *state, PyObject *tuple, PyObject **settled);

/* The same from a webhooksub.store.base.NewEvent, without its key: not numbered yet. */
struct whs_event *event_from_new(struct state *state, PyObject *row);

/* Sorted numbers; whs_free. False with an exception set. */
bool seqs_from(PyObject *object, int64_t **out, size_t *count);

#endif
