/* SPDX-License-Identifier: MIT
 *
 * What the module holds once per interpreter: its types, the exceptions of
 * webhooksub.errors, and the few Python objects that conversions need. No other Python
 * object outlives a call. Read with the GIL held (or by any thread of a free-threaded
 * build: nothing changes after the module was executed).
 */
#ifndef WHS_BINDING_STATE_H
#define WHS_BINDING_STATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#define STATE_OBJECTS(X)                                                               \
    X(catalog_type)                                                                    \
    X(subscription_type)                                                               \
    X(reports_type)                                                                    \
    X(rows_type)                                                                       \
    X(new_events_type)                                                                 \
    X(events_type)                                                                     \
    X(outbox_type)                                                                     \
    X(seqs_type)                                                                       \
    X(engine_type)                                                                     \
    X(keyring_type)                                                                    \
    X(secret_bytes)                                                                    \
    X(configuration_error)                                                             \
    X(validation_error)                                                                \
    X(field_error)                                                                     \
    X(unknown_resource)                                                                \
    X(not_found)                                                                       \
    X(outbox_full)                                                                     \
    X(closed)                                                                          \
    X(forked)                                                                          \
    X(verification_error)                                                              \
    X(key_unreadable)                                                                  \
    X(json_loads)                                                                      \
    X(json_dumps)                                                                      \
    X(epoch)       /* 1970-01-01T00:00:00Z, aware */                                   \
    X(millisecond) /* timedelta(milliseconds=1) */

struct state {
#define X(name) PyObject *name;
    STATE_OBJECTS(X)
#undef X
};

static inline struct state *
state_of_module(PyObject *module)
{
    return (struct state *)PyModule_GetState(module);
}

/* `type` is one of ours: none can be inherited from. */
static inline struct state *
state_of_type(PyTypeObject *type)
{
    return (struct state *)PyType_GetModuleState(type);
}

static inline struct state *
state_of(PyObject *self)
{
    return state_of_type(Py_TYPE(self));
}

/* Each adds its type, or functions, to the module that is being executed; false with an
 * exception set. */
bool catalog_setup(PyObject *module);
bool subscription_setup(PyObject *module);
bool report_setup(PyObject *module);
bool events_setup(PyObject *module);
bool outbox_setup(PyObject *module);
bool seqs_setup(PyObject *module);
bool engine_setup(PyObject *module);
bool signing_setup(PyObject *module);
bool keyring_setup(PyObject *module);
bool ids_setup(PyObject *module);
bool publication_setup(PyObject *module);
bool notification_setup(PyObject *module);

#endif
