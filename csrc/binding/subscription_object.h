/* SPDX-License-Identifier: MIT
 *
 * What the files of Subscription share: subscription.c (the type), …_document.c (JSON),
 * …_stored.c (rows, pickles), …_properties.c (what is read of it). With the GIL held.
 */
#ifndef WHS_BINDING_SUBSCRIPTION_OBJECT_H
#define WHS_BINDING_SUBSCRIPTION_OBJECT_H

#include "types.h"

/* "whsec_" and the base64 of the longest key, with its zero. */
#define KEY_TEXT_SIZE (6 + 4 * ((WHS_KEY_BYTES_MAX + 2) / 3) + 1)

static inline struct subscription_object *
object_of(PyObject *self)
{
    return (struct subscription_object *)self;
}

static inline const struct whs_subscription *
value_of(PyObject *self)
{
    return object_of(self)->subscription;
}

/* A Subscription. Takes the reference of `subscription` (NULL: an exception is set
 * already), and one to `catalog` of its own. */
PyObject *subscription_wrap(struct state *state, struct whs_subscription *subscription,
                            PyObject *catalog, enum whs_key_change key_change,
                            const struct whs_warnings *warnings);
/* The draft's only way to take a key is as text; absent stays absent. */
struct whs_slice subscription_write_key(struct whs_slice key, char text[KEY_TEXT_SIZE]);

/* Methods of the type. */
PyObject *Subscription_from_json(PyObject *type, PyObject *args, PyObject *kwargs);
PyObject *Subscription_restore(PyObject *type, PyObject *args);
PyObject *Subscription_reduce(PyObject *self, PyObject *ignored);
PyObject *Subscription_key(PyObject *self, PyObject *ignored);
PyObject *Subscription_with_key(PyObject *self, PyObject *key);
extern PyGetSetDef subscription_properties[];

#endif
