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
#include <sys/eventfd.h>
#include <unistd.h>

#include "transport_curl.h"

static CURLoption unknown;
static curl_socket_callback watch;
static void *watch_ctx;

static unsigned version; /* 0: what it is */
static int easy_count;

typedef curl_version_info_data *teller(CURLversion);
typedef CURL *maker(void);
typedef CURLcode setter(CURL *, CURLoption, void *);
typedef CURLMcode multi_setter(CURLM *, CURLMoption, void *);

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

/* Listens to what is to be told of sockets. */
#undef curl_multi_setopt
CURLMcode
curl_multi_setopt(CURLM *multi, CURLMoption option, ...)
{
    multi_setter *real;
    va_list arguments;
    *(void **)&real = dlsym(RTLD_NEXT, "curl_multi_setopt");
    va_start(arguments, option);
    void *value = va_arg(arguments, void *);
    va_end(arguments);
    if (option == CURLMOPT_SOCKETFUNCTION)
        *(void **)&watch = value;
    if (option == CURLMOPT_SOCKETDATA)
        watch_ctx = value;
    return real(multi, option, value);
}

/* Says that it is of another version. */
curl_version_info_data *
curl_version_info(CURLversion age)
{
    static curl_version_info_data data;
    teller *real;
    *(void **)&real = dlsym(RTLD_NEXT, "curl_version_info");
    data = *real(age);
    data.version_num = version ? version : data.version_num;
    return &data;
}

CURL *
curl_easy_init(void)
{
    maker *real;
    *(void **)&real = dlsym(RTLD_NEXT, "curl_easy_init");
    easy_count++;
    return real();
}

static enum whs_status
create(struct whs_transport **transport, struct whs_error *err)
{
    struct whs_buf ca = {0}, certificate = {0}, key = {0};
    struct whs_trust *trust;
    assert_int_equal(
        whs_tls_issue(WHS_SLICE("localhost"), 1, &ca, &certificate, &key, NULL),
        WHS_OK);
    assert_int_equal(whs_trust_create(NULL, NULL, whs_buf_slice(&ca), &trust, NULL),
                     WHS_OK);
    enum whs_status status =
        whs_transport_curl_create(&whs_curl_config_default, trust, transport, err);
    whs_buf_fini(&ca);
    whs_buf_fini(&certificate);
    whs_buf_fini(&key);
    return status;
}

static void
a_libcurl_without_netrc_files_will_do(void **state)
{
    struct whs_transport *transport;
    struct whs_error err = {0};
    (void)state;
    unknown = CURLOPT_NETRC;
    assert_int_equal(create(&transport, &err), WHS_OK);
    transport->verbs->destroy(transport);
}

static void
any_other_option_that_is_unknown_is_told_at_once(void **state)
{
    const CURLoption needed[] = {CURLOPT_NOPROXY, CURLOPT_PREREQFUNCTION,
                                 CURLOPT_SSL_CTX_FUNCTION};
    (void)state;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        struct whs_transport *transport;
        struct whs_error err = {0};
        unknown = needed[i];
        assert_int_equal(create(&transport, &err), WHS_CONFIGURATION);
        assert_null(transport);
        assert_non_null(strstr(err.message, "lacks something that webhooksub needs"));
    }
}

/* From 8.20 on lookups share threads, and these a descriptor that is libcurl's own. */
static void
a_socket_of_no_transfer_is_watched_too(void **state)
{
    struct whs_transport *transport;
    struct whs_error err = {0};
    (void)state;
    unknown = CURLOPT_LASTENTRY;
    assert_int_equal(create(&transport, &err), WHS_OK);
    CURL *none = curl_easy_init();
    int fd = eventfd(1, EFD_NONBLOCK);
    assert_int_equal(watch(none, fd, CURL_POLL_IN, watch_ctx, NULL), 0);
    assert_null(transport->verbs->poll(transport, 0));
    assert_int_equal(watch(none, fd, CURL_POLL_REMOVE, watch_ctx, NULL), 0);
    close(fd);
    curl_easy_cleanup(none);
    transport->verbs->destroy(transport);
}

/* To a port where nobody listens. */
static void
exchange_once(struct whs_transport *transport)
{
    struct whs_exchange exchange = {
        .request = {.method = WHS_METHOD_POST,
                    .url = WHS_SLICE("https://127.0.0.1:1/"),
                    .origin = WHS_SLICE("https://127.0.0.1:1")}};
    struct whs_exchange *done = NULL;
    assert_int_equal(transport->verbs->start(transport, &exchange, NULL), WHS_OK);
    while (!done)
        done = transport->verbs->poll(transport, 100);
    assert_ptr_equal(done, &exchange);
    whs_buf_fini(&exchange.answer.body);
}

/* Made for three exchanges, beyond the one by which the options are tried. */
static int
count_handles(unsigned of_version)
{
    struct whs_transport *transport;
    version = of_version;
    assert_int_equal(create(&transport, NULL), WHS_OK);
    easy_count = 0;
    for (int i = 0; i < 3; i++)
        exchange_once(transport);
    transport->verbs->destroy(transport);
    version = 0;
    return easy_count;
}

/* It would follow a pointer into the answer before. */
static void
a_handle_that_forgets_nothing_is_used_once(void **state)
{
    (void)state;
    unknown = CURLOPT_LASTENTRY;
    assert_int_equal(count_handles(0x080100), 3);
    assert_int_equal(count_handles(0x080101), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_libcurl_without_netrc_files_will_do),
        cmocka_unit_test(any_other_option_that_is_unknown_is_told_at_once),
        cmocka_unit_test(a_socket_of_no_transfer_is_watched_too),
        cmocka_unit_test(a_handle_that_forgets_nothing_is_used_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
