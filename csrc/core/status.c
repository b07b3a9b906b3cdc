/* SPDX-License-Identifier: MIT */
#include "status.h"

#include <stdarg.h>
#include <stdio.h>

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
        va_list args;
        va_start(args, format);
        err->status = status;
        vsnprintf(err->message, sizeof(err->message), format, args);
        va_end(args);
    }
    return status;
}
