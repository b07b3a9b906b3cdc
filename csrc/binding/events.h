/* SPDX-License-Identifier: MIT
 *
 * Several events as one Python object, for each other's files. With the GIL held.
 */
#ifndef WHS_BINDING_EVENTS_H
#define WHS_BINDING_EVENTS_H

#include "event.h"
#include "state.h"

/* A NewEvents or an Events. Immutable once it is given away: any thread may read it. */
struct events_object {
    PyObject_HEAD struct whs_event **items; /* each referenced */
    Py_ssize_t count;
    size_t data_bytes;  /* of all */
    PyObject *row_type; /* referenced; of the rows of NewEvents, else NULL */
};

/* Empty, with room for so many. `type` is state->events_type, or with a row type
 * state->new_events_type. NULL with an exception set. */
struct events_object *events_new(PyObject *type, PyObject *row_type, Py_ssize_t room);
/* Takes the reference; there is room. */
void events_append(struct events_object *events, struct whs_event *event);
/* The row that Engine.push takes, with the root behind. */
PyObject *event_row(const struct whs_event *event);

#endif
