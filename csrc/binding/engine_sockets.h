/* SPDX-License-Identifier: MIT
 *
 * Methods of Engine for whoever sends events to sockets. With the GIL held.
 */
#ifndef WHS_BINDING_ENGINE_SOCKETS_H
#define WHS_BINDING_ENGINE_SOCKETS_H

#include "types.h"

/* What Engine.take_events answers. NULL with an exception set. */
PyObject *events_object(const struct whs_host_request *requests);
PyObject *engine_answer_event(PyObject *self, PyObject *args);
PyObject *engine_wake_events(PyObject *self, PyObject *ignored);
PyObject *engine_reopen(PyObject *self, PyObject *origin);

#endif
