/* SPDX-License-Identifier: MIT
 *
 * Where we would POST to. In the first line `d` is the policy of development and digits
 * are one more port; the rest is the URL.
 *
 *   the normal form is its own normal form
 *   libcurl, which connects, finds the same host and port in it, and nothing besides
 *   no host is an address in any spelling that the C library reads; in development only
 *   loopback is
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "url.h"

static const struct whs_slice field = {"notificationUrl", 15};

static char *
get_part(CURLU *handle, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    return curl_url_get(handle, part, &text, flags) == CURLUE_OK ? text : NULL;
}

static void
check_as_libcurl_reads_it(const struct whs_url *url)
{
    CURLU *handle = curl_url();
    FUZZ_CHECK(curl_url_set(handle, CURLUPART_URL, url->text.ptr, 0) == CURLUE_OK);
    char *host = get_part(handle, CURLUPART_HOST, 0);
    char *port = get_part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    char *scheme = get_part(handle, CURLUPART_SCHEME, 0);
    FUZZ_CHECK(host && whs_slice_equal(whs_slice_of(host), url->host));
    FUZZ_CHECK(port && strtol(port, NULL, 10) == url->port);
    FUZZ_CHECK(scheme && strcmp(scheme, "https") == 0);
    FUZZ_CHECK(!get_part(handle, CURLUPART_USER, 0));
    FUZZ_CHECK(!get_part(handle, CURLUPART_PASSWORD, 0));
    FUZZ_CHECK(!get_part(handle, CURLUPART_FRAGMENT, 0));
    curl_free(host);
    curl_free(port);
    curl_free(scheme);
    curl_url_cleanup(handle);
}

/* inet_aton reads what getaddrinfo reads: octal, hexadecimal, one to four numbers. */
static void
check_host(const struct whs_url *url, bool dev)
{
    char host[WHS_URL_BYTES_MAX + 1];
    struct in_addr address;
    snprintf(host, sizeof(host), "%.*s", (int)url->host.len, url->host.ptr);
    for (const char *c = host; *c; c++)
        FUZZ_CHECK(*c < 'A' || *c > 'Z');
    if (host[0] == '[')
        FUZZ_CHECK(dev && strcmp(host, "[::1]") == 0);
    else if (inet_aton(host, &address))
        FUZZ_CHECK(dev && ntohl(address.s_addr) >> 24 == 127);
}

static void
check_text(const struct whs_url *url)
{
    char origin[WHS_URL_BYTES_MAX];
    FUZZ_CHECK(url->text.len <= WHS_URL_BYTES_MAX);
    FUZZ_CHECK(strlen(url->text.ptr) == url->text.len);
    for (size_t i = 0; i < url->text.len; i++)
        FUZZ_CHECK(url->text.ptr[i] > 0x20 && url->text.ptr[i] < 0x7f &&
                   url->text.ptr[i] != '\\' && url->text.ptr[i] != '#');
    snprintf(origin, sizeof(origin), "https://%.*s:%u", (int)url->host.len,
             url->host.ptr, (unsigned)url->port);
    FUZZ_CHECK(whs_slice_equal(whs_slice_of(origin), url->origin));
}

static void
check_again(const struct whs_url *url, const struct whs_url_policy *policy)
{
    struct whs_field_errors errors = {0};
    struct whs_url again;
    FUZZ_CHECK(whs_url_parse(url->text, policy, field, &errors, &again) == WHS_OK);
    FUZZ_CHECK(whs_slice_equal(url->text, again.text));
    FUZZ_CHECK(whs_slice_equal(url->origin, again.origin));
    whs_url_fini(&again);
    whs_field_errors_fini(&errors);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct whs_slice input = {(const char *)data, size}, settings = fuzz_line(&input);
    uint16_t port = (uint16_t)fuzz_number(settings, 1, 65535);
    struct whs_url_policy policy = {
        .dev = fuzz_has(settings, 'd'), .ports = &port, .port_count = 1};
    struct whs_field_errors errors = {0};
    struct whs_url url;
    char *copy = fuzz_copy(input, false);
    enum whs_status status = whs_url_parse((struct whs_slice){copy, input.len}, &policy,
                                           field, &errors, &url);
    if (status == WHS_OK) {
        FUZZ_CHECK(errors.len == 0);
        check_text(&url);
        check_host(&url, policy.dev);
        check_as_libcurl_reads_it(&url);
        check_again(&url, &policy);
        FUZZ_CHECK(policy.dev || url.port == 443 || url.port == 8443 ||
                   url.port == port);
    } else {
        FUZZ_CHECK(status == WHS_INVALID && errors.len > 0 && !url.text.ptr);
    }
    whs_url_fini(&url);
    whs_field_errors_fini(&errors);
    free(copy);
    return 0;
}
