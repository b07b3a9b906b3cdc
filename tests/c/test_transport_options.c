/* SPDX-License-Identifier: MIT
 *
 * A libcurl that was built without something: one option that the test names is
 * unknown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <string.h>

#include "transport_curl.h"

static CURLoption unknown;

typedef CURLcode setter(CURL *, CURLoption, void *);

/* Takes the place of libcurl's own: what an option takes is one word on every machine
 * that this runs on. */
#undef curl_easy_setopt
CURLcode
curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    setter *real;
    va_list arguments;
    if (option == unknown)
        return CURLE_UNKNOWN_OPTION;
    *(void **)&real = dlsym(RTLD_NEXT, "curl_easy_setopt");
    va_start(arguments, option);
    CURLcode code = real(easy, option, va_arg(arguments, void *));
    va_end(arguments);
    return code;
}

static enum whs_status
create(struct whs_error *err)
{
    struct whs_buf ca = {0}, certificate = {0}, key = {0};
    struct whs_trust *trust;
    struct whs_transport *transport;
    assert_int_equal(
        whs_tls_issue(WHS_SLICE("localhost"), 1, &ca, &certificate, &key, NULL),
        WHS_OK);
    assert_int_equal(whs_trust_create(NULL, NULL, whs_buf_slice(&ca), &trust, NULL),
                     WHS_OK);
    enum whs_status status =
        whs_transport_curl_create(&whs_curl_config_default, trust, &transport, err);
    if (status == WHS_OK)
        transport->verbs->destroy(transport);
    else
        assert_null(transport);
    whs_buf_fini(&ca);
    whs_buf_fini(&certificate);
    whs_buf_fini(&key);
    return status;
}

static void
a_libcurl_without_netrc_files_will_do(void **state)
{
    struct whs_error err = {0};
    (void)state;
    unknown = CURLOPT_NETRC;
    assert_int_equal(create(&err), WHS_OK);
}

static void
any_other_option_that_is_unknown_is_told_at_once(void **state)
{
    const CURLoption needed[] = {CURLOPT_NOPROXY, CURLOPT_PREREQFUNCTION,
                                 CURLOPT_SSL_CTX_FUNCTION};
    (void)state;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        struct whs_error err = {0};
        unknown = needed[i];
        assert_int_equal(create(&err), WHS_CONFIGURATION);
        assert_non_null(strstr(err.message, "lacks something that webhooksub needs"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_libcurl_without_netrc_files_will_do),
        cmocka_unit_test(any_other_option_that_is_unknown_is_told_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
