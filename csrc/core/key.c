/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "crypto.h"
#include "subscription.h"

#define PREFIX "whsec_"

#ifdef WHS_SABOTAGE_leak_secret
#define REFUSE(err, text, why)                                                         \
    whs_error_set(err, WHS_INVALID, "%s: %.*s", why, (int)(text).len, (text).ptr)
#else
#define REFUSE(err, text, why) whs_error_set(err, WHS_INVALID, "%s", why)
#endif

enum whs_status
whs_key_decode(struct whs_slice text, unsigned char *out, size_t *out_len,
               struct whs_error *err)
{
    size_t prefix = sizeof(PREFIX) - 1;
    if (text.len >= prefix && memcmp(text.ptr, PREFIX, prefix) == 0) {
        struct whs_slice encoded = {text.ptr + prefix, text.len - prefix};
        if (!whs_base64_decode(encoded, out, WHS_KEY_BYTES_MAX, out_len) ||
            *out_len == 0)
            return REFUSE(err, text, "must be base64 of 1-256 bytes behind whsec_");
        return WHS_OK;
    }
    if (text.len == 0 || text.len > WHS_KEY_BYTES_MAX)
        return REFUSE(err, text, "must be 1-256 bytes");
    if (!whs_slice_is_utf8(text) || whs_slice_has_control(text))
        return REFUSE(err, text, "must be UTF-8 without control characters");
    memcpy(out, text.ptr, text.len);
    *out_len = text.len;
    return WHS_OK;
}
