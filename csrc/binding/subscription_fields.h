/* SPDX-License-Identifier: MIT
 *
 * What a caller says about a subscription in Python's words, as the core's draft and
 * rules. With the GIL held.
 */
#ifndef WHS_BINDING_SUBSCRIPTION_FIELDS_H
#define WHS_BINDING_SUBSCRIPTION_FIELDS_H

#include "types.h"

#define PORTS_MAX 64

struct rules {
    struct whs_subscription_rules core;
    uint16_t ports[PORTS_MAX];
    PyObject *catalog; /* new reference */
};

/* False with an exception set; rules_fini always. */
bool rules_read(struct state *state, struct rules *out, PyObject *catalog,
                PyObject *now, int dev, PyObject *ports, int sockets,
                PyObject *integrity_header);
void rules_fini(struct rules *rules);

/* The keyword arguments of Subscription() and replace(), in this order. */
enum field {
    FIELD_RESOURCE,
    FIELD_MODIFICATION_TYPE,
    FIELD_EXPIRES,
    FIELD_NOTIFICATION_URL,
    FIELD_NOTIFICATION_MESSAGES,
    FIELD_CONNECTION_TYPE,
    FIELD_BRAND_CODE,
    FIELD_INTEGRITY_KEY,
    FIELD_MAX_RETRIES,
    FIELD_DELIVERY,
    FIELD_COUNT,
};

struct fields {
    PyObject *given[FIELD_COUNT]; /* borrowed; NULL: not given */
    PyObject *kept[2];            /* texts made of other objects; owned */
    struct whs_subscription_draft draft;
    struct whs_field_errors errors; /* of type and encoding, found on the way */
};

/* Fills the draft from what was given; a field that was not keeps what the draft has.
 * Mistakes go to `errors`. False: an exception that is no mistake of a field. */
bool fields_read(struct state *state, struct fields *fields);
void fields_fini(struct fields *fields);
/* Builds; NULL with ValidationError, of all mistakes, set. */
struct whs_subscription *fields_build(struct state *state, struct fields *fields,
                                      const struct rules *rules,
                                      struct whs_warnings *warnings);

#endif
