/* SPDX-License-Identifier: MIT
 *
 * Python values as the core's, and back. With the GIL held. Slices borrow the Python
 * object, which must outlive them; what the core keeps it copies.
 */
#ifndef WHS_BINDING_CONVERT_H
#define WHS_BINDING_CONVERT_H

#include <stdint.h>

#include "action.h"
#include "event.h"
#include "id.h"
#include "sign.h"
#include "slice.h"
#include "state.h"

/* All false with an exception set: TypeError for another type, ValidationError naming
 * `field` for a value that cannot be. */
bool text_slice(struct state *state, PyObject *object, const char *field,
                struct whs_slice *out);
/* None is absent. */
bool optional_text_slice(struct state *state, PyObject *object, const char *field,
                         struct whs_slice *out);
bool bytes_slice(PyObject *object, const char *field, struct whs_slice *out);
bool optional_bytes_slice(PyObject *object, const char *field, struct whs_slice *out);
/* Exactly 16 bytes. */
bool uuid_from(PyObject *object, const char *field, uint8_t out[WHS_UUID_BYTES]);
/* "create", "update", "delete", and "any" where `any` is allowed. */
bool action_from(struct state *state, PyObject *object, bool any, enum whs_action *out);
/* Bytes objects, newest first. */
bool keys_from(PyObject *object, struct whs_keys *out);

/* Texts of an iterable. `owner` holds them (a new reference, to be dropped by the
 * caller also after a failure; NULL is fine). */
struct texts {
    struct whs_slice items[WHS_EVENT_PATHS_MAX];
    size_t len;
    PyObject *owner;
};
bool texts_from(struct state *state, PyObject *object, const char *field,
                struct texts *out);

/* An aware datetime as UTC milliseconds. */
bool moment_from(struct state *state, PyObject *object, int64_t *out_ms);
/* And back. NULL with an exception set. */
PyObject *moment_object(struct state *state, int64_t ms);

/* New references. An absent slice, or an empty `text`, is None. */
PyObject *text_object(struct whs_slice text);
PyObject *text_or_none(const char *text);
/* Bytes that do not show themselves (webhooksub.secret). */
PyObject *secret_object(struct state *state, const void *bytes, size_t len);

/* Steals the new tuple and all fields, which are as many as it has room for; NULL when
 * any of them is. */
PyObject *filled_tuple(PyObject *tuple, PyObject **fields, Py_ssize_t count);
/* Steals `item`; false when it is NULL or cannot be added. */
bool append_item(PyObject *list, PyObject *item);

#endif
