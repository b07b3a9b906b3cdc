/* SPDX-License-Identifier: MIT */
#include "status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "slice.h"

const char *
whs_status_name(enum whs_status status)
{
    switch (status) {
#define X(name, code, message)                                                         \
    case WHS_##name:                                                                   \
        return #name;
        WHS_STATUS_MAP(X)
#undef X
    }
    return "?";
}

const char *
whs_status_message(enum whs_status status)
{
    switch (status) {
#define X(name, code, message)                                                         \
    case WHS_##name:                                                                   \
        return message;
        WHS_STATUS_MAP(X)
#undef X
    }
    return "?";
}

enum whs_status
whs_error_set(struct whs_error *err, enum whs_status status, const char *format, ...)
{
    if (err) {
        /* Room for the rest of the character at which a long message is cut. */
        char text[sizeof(err->message) + 4];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        size_t len =
            whs_slice_shorten(whs_slice_of(text), sizeof(err->message) - 1).len;
        memcpy(err->message, text, len);
        err->message[len] = '\0';
        err->status = status;
    }
    return status;
}
