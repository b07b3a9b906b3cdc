/* SPDX-License-Identifier: MIT
 *
 * The objects that types of the binding need of each other. All are final and hold no
 * reference that could lead back to them, so that counting suffices and none takes part
 * in cyclic collection.
 */
#ifndef WHS_BINDING_TYPES_H
#define WHS_BINDING_TYPES_H

#include "catalog.h"
#include "engine.h"
#include "report.h"
#include "state.h"
#include "subscription.h"
#include "transport_host.h"

struct catalog_object {
    PyObject_HEAD struct whs_catalog *catalog; /* referenced */
};

struct subscription_object {
    PyObject_HEAD struct whs_subscription *subscription; /* referenced */
    PyObject *catalog;                                   /* by which it was checked */
    enum whs_key_change key_change;
    struct whs_warnings warnings;
};

struct engine_object {
    PyObject_HEAD struct whs_engine *engine; /* owned */
    struct whs_host *host;                   /* the engine's */
    /* In the list of engines that are closed when the interpreter ends. */
    struct engine_object *next, *previous;
};

struct reports_object {
    PyObject_HEAD struct engine_object
        *engine;                /* referenced: its slots come back to it */
    struct whs_report *reports; /* owned; NULL once settled or returned */
    Py_ssize_t count;
    unsigned parts; /* bits: what there is in them to be told (report.c) */
#ifdef Py_GIL_DISABLED
    PyMutex mutex; /* of the three above */
#endif
};

/* Around every look at what reports hold: elsewhere the GIL does it. */
#ifdef Py_GIL_DISABLED
#define LOCK_REPORTS(object) PyMutex_Lock(&((struct reports_object *)(object))->mutex)
#define UNLOCK_REPORTS(object)                                                         \
    PyMutex_Unlock(&((struct reports_object *)(object))->mutex)
#else
#define LOCK_REPORTS(object) ((void)(object))
#define UNLOCK_REPORTS(object) ((void)(object))
#endif

/* False with TypeError set. */
bool check_type(PyObject *object, PyObject *type, const char *name);
/* An instance's end: every type of ours is a heap type. */
void free_object(PyObject *self);
/* Adds the type of `spec` to the module, and to its state by `slot`. */
bool add_type(PyObject *module, PyType_Spec *spec, PyObject **slot);
/* The method _repr_html_: how webhooksub.notebook shows an instance. */
PyObject *object_html(PyObject *self, PyObject *unused);
/* Takes the chain, which is not NULL. */
PyObject *reports_object_new(struct state *state, struct engine_object *engine,
                             struct whs_report *reports);
/* The catalog that a call names; NULL and None are catalogs.SIDEDRAWER. New reference.
 */
PyObject *catalog_or_default(struct state *state, PyObject *object);

#endif
