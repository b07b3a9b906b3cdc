/* SPDX-License-Identifier: MIT
 *
 * Methods of Engine that give it work: events to be matched, deliveries that are due.
 * With the GIL held.
 */
#ifndef WHS_BINDING_ENGINE_PUSH_H
#define WHS_BINDING_ENGINE_PUSH_H

#include "types.h"

PyObject *engine_push(PyObject *self, PyObject *events);
PyObject *engine_push_due(PyObject *self, PyObject *rows);

#endif
