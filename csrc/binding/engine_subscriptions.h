/* SPDX-License-Identifier: MIT
 *
 * Methods of Engine about who hears what. With the GIL held.
 */
#ifndef WHS_BINDING_ENGINE_SUBSCRIPTIONS_H
#define WHS_BINDING_ENGINE_SUBSCRIPTIONS_H

#include "types.h"

PyObject *engine_put_subscription(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *engine_remove_subscription(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *engine_match(PyObject *self, PyObject *args, PyObject *kwargs);

#endif
