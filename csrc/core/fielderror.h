/* SPDX-License-Identifier: MIT
 *
 * The list of everything that is wrong with one document, so that its author mends it
 * in one go. Never holds a value that was sent, only names of fields: a secret in the
 * wrong place is not echoed.
 */
#ifndef WHS_FIELDERROR_H
#define WHS_FIELDERROR_H

#include <stdbool.h>
#include <stddef.h>

#include "slice.h"

/* A document with more mistakes than this is told of the first ones. */
#define WHS_FIELD_ERRORS_MAX 100

struct whs_field_error {
    char *field;      /* owned; JSON name, nested ones with dots: "delivery.batch" */
    const char *code; /* static: "required", "type", "unknown", "range", "format", … */
    char *message;    /* owned; a sentence */
};

struct whs_field_errors {
    struct whs_field_error *items;
    size_t len;
    size_t cap;
    bool no_memory;
};

/* Frees the texts of one that was taken out of its list. */
void whs_field_error_fini(struct whs_field_error *error);
/* {0} is a valid empty list. */
void whs_field_errors_fini(struct whs_field_errors *errors);
/* `field` is copied, shortened to 128 bytes at a UTF-8 boundary; `errors` may be NULL.
 */
void whs_field_errors_add(struct whs_field_errors *errors, struct whs_slice field,
                          const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A field that was told of among the first `from` is not missing as well: drops later
 * mistakes "required" of the same fields. */
void whs_field_errors_drop_required(struct whs_field_errors *errors, size_t from);

#endif
