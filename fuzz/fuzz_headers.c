/* SPDX-License-Identifier: MIT
 *
 * A subscription's `delivery` object. The first line is the operator's own name for
 * integrityHash, the rest is the object.
 *
 *   a header that is accepted is one line, and says nothing about the message or the
 *   connection, nor anything that we say
 *   every limit holds
 */
#include <math.h>
#include <stdlib.h>

#include "delivery_options.h"
#include "fuzz.h"
#include "rate.h"

/* By other words than the core's: what RFC 9110 gives to the message and the
 * connection. */
static const char *const never[] = {"Host",
                                    "Content-Length",
                                    "Content-Type",
                                    "Transfer-Encoding",
                                    "Connection",
                                    "TE",
                                    "Trailer",
                                    "Upgrade",
                                    "Expect",
                                    "Cookie",
                                    "Keep-Alive",
                                    "Date",
                                    "webhook-id",
                                    "webhook-signature",
                                    "webhook-timestamp",
                                    "WebHook-Request-Origin",
                                    "integrityHash",
                                    "User-Agent",
                                    "Proxy-Authorization",
                                    "Content-Encoding"};

static void
check_name(struct whs_slice name, struct whs_slice integrity_header)
{
    FUZZ_CHECK(name.len > 0 && name.len <= WHS_HEADER_NAME_BYTES_MAX);
    for (size_t i = 0; i < name.len; i++)
        FUZZ_CHECK(name.ptr[i] > 0x20 && name.ptr[i] < 0x7f &&
                   !strchr("\"(),/:;<=>?@[\\]{}", name.ptr[i]));
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        FUZZ_CHECK(!whs_slice_equal_nocase(name, whs_slice_of(never[i])));
    FUZZ_CHECK(!whs_slice_equal_nocase(name, integrity_header));
}

static void
check_headers(const struct whs_delivery_options *options,
              struct whs_slice integrity_header)
{
    FUZZ_CHECK(options->header_count <= WHS_HEADERS_MAX);
    for (size_t i = 0; i < options->header_count; i++) {
        struct whs_slice value = options->headers[i].value;
        check_name(options->headers[i].name, integrity_header);
        FUZZ_CHECK(value.len <= WHS_HEADER_VALUE_BYTES_MAX);
        for (size_t at = 0; at < value.len; at++)
            FUZZ_CHECK((unsigned char)value.ptr[at] >= 0x20 || value.ptr[at] == '\t');
        FUZZ_CHECK(value.len == 0 || !strchr("\r\n\x7f", value.ptr[value.len - 1]));
        for (size_t other = 0; other < i; other++)
            FUZZ_CHECK(!whs_slice_equal_nocase(options->headers[i].name,
                                               options->headers[other].name));
    }
}

static void
check_limits(const struct whs_delivery_options *options)
{
    const struct whs_batching *batching = &options->batching;
    FUZZ_CHECK(batching->max_notifications <= WHS_BATCH_NOTIFICATIONS_MAX);
    FUZZ_CHECK(batching->max_bytes <= WHS_BATCH_BYTES_MAX);
    FUZZ_CHECK(batching->linger_ms <= WHS_BATCH_LINGER_MS_MAX);
    FUZZ_CHECK(options->rate_micros == 0 ||
               (options->rate_micros >= WHS_RATE_MICROS_MIN &&
                options->rate_micros <= WHS_RATE_MICROS_MAX));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct whs_slice input = {(const char *)data, size};
    struct whs_slice integrity_header = fuzz_line(&input);
    struct whs_delivery_options options;
    struct whs_field_errors errors = {0};
    struct whs_json *document;
    if (whs_json_parse(input, &document, NULL) != WHS_OK)
        return 0;
    whs_delivery_options_read(document, integrity_header, &options, &errors);
    if (errors.len == 0) {
        check_headers(&options, integrity_header);
        check_limits(&options);
    }
    for (size_t i = 0; i < errors.len; i++)
        FUZZ_CHECK(whs_slice_is_utf8(whs_slice_of(errors.items[i].field)));
    whs_field_errors_fini(&errors);
    whs_json_free(document);
    return 0;
}
