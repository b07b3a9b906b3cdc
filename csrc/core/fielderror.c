/* SPDX-License-Identifier: MIT */
#include "fielderror.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "alloc.h"

/* Longer names of fields are a sender's noise. */
#define FIELD_BYTES_MAX 128
#define MESSAGE_BYTES_MAX 255

static char *
copy_text(struct whs_slice text)
{
    char *copy = whs_alloc(text.len + 1);
    if (copy) {
        if (text.len > 0)
            memcpy(copy, text.ptr, text.len);
        copy[text.len] = '\0';
    }
    return copy;
}

static bool
make_room(struct whs_field_errors *errors)
{
    if (errors->len < errors->cap)
        return true;
    size_t cap = errors->cap ? errors->cap * 2 : 8;
    struct whs_field_error *items = whs_resize(errors->items, cap * sizeof(*items));
    if (!items)
        return false;
    errors->items = items;
    errors->cap = cap;
    return true;
}

void
whs_field_error_fini(struct whs_field_error *error)
{
    whs_free(error->field);
    whs_free(error->message);
}

void
whs_field_errors_fini(struct whs_field_errors *errors)
{
    for (size_t i = 0; i < errors->len; i++)
        whs_field_error_fini(&errors->items[i]);
    whs_free(errors->items);
    *errors = (struct whs_field_errors){0};
}

void
whs_field_errors_add(struct whs_field_errors *errors, struct whs_slice field,
                     const char *code, const char *format, ...)
{
    if (!errors || errors->len >= WHS_FIELD_ERRORS_MAX)
        return;
    /* Room for the rest of the character at which a long message is cut. */
    char message[MESSAGE_BYTES_MAX + 4];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    struct whs_field_error item = {
        .field = copy_text(whs_slice_shorten(field, FIELD_BYTES_MAX)),
        .code = code,
        .message =
            copy_text(whs_slice_shorten(whs_slice_of(message), MESSAGE_BYTES_MAX)),
    };
    if (!item.field || !item.message || !make_room(errors)) {
        whs_field_error_fini(&item);
        errors->no_memory = true;
        return;
    }
    errors->items[errors->len++] = item;
}

void
whs_field_errors_drop_required(struct whs_field_errors *errors, size_t from)
{
    size_t kept = from;
    for (size_t i = from; i < errors->len; i++) {
        bool told = false;
        for (size_t j = 0; j < from && !told; j++)
            told = strcmp(errors->items[i].field, errors->items[j].field) == 0;
        if (told && strcmp(errors->items[i].code, "required") == 0) {
            whs_field_error_fini(&errors->items[i]);
        } else {
            errors->items[kept++] = errors->items[i];
        }
    }
    errors->len = kept;
}
