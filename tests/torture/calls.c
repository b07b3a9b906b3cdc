/* SPDX-License-Identifier: MIT
 *
 * The n-th call of each function of libcurl that the core uses fails, for every n.
 *
 *   calls STEP ORIGIN CA [FUNCTION]
 *
 * A call that fails has not been made. What gives memory back cannot fail; removing a
 * transfer can. Prints what failed how often, and a line "wrong …" for everything that
 * was. The linker puts these functions in the place of libcurl's (--wrap).
 */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "over_tls.h"
#include "url.h"
#include "whole.h"

#define CALL_MAP(X)                                                                    \
    X(easy_init)                                                                       \
    X(easy_setopt)                                                                     \
    X(easy_getinfo)                                                                    \
    X(url)                                                                             \
    X(url_set)                                                                         \
    X(url_get)                                                                         \
    X(multi_init)                                                                      \
    X(multi_setopt)                                                                    \
    X(multi_add_handle)                                                                \
    X(multi_remove_handle)                                                             \
    X(multi_socket_action)                                                             \
    X(multi_info_read)

enum call {
#define X(name) CALL_##name,
    CALL_MAP(X)
#undef X
        CALL_COUNT
};
static const char *const names[] = {
#define X(name) "curl_" #name,
    CALL_MAP(X)
#undef X
};

/* The engine is turned on one thread. */
static enum call failing;
static unsigned left, passed;
static bool happened;

static bool
fails(enum call call)
{
    if (call != failing || left == 0)
        return false;
    passed++;
    happened = --left == 0;
    return happened;
}

/* --- In libcurl's place. --- */

CURL *__real_curl_easy_init(void);
CURL *
__wrap_curl_easy_init(void)
{
    return fails(CALL_easy_init) ? NULL : __real_curl_easy_init();
}

/* Every option's value is as wide as a pointer. */
static void *
value_of(va_list rest)
{
    return va_arg(rest, void *);
}

CURLcode __real_curl_easy_setopt(CURL *easy, CURLoption option, ...);
CURLcode
__wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    va_list rest;
    va_start(rest, option);
    void *value = value_of(rest);
    va_end(rest);
    return fails(CALL_easy_setopt) ? CURLE_OUT_OF_MEMORY
                                   : __real_curl_easy_setopt(easy, option, value);
}

CURLcode __real_curl_easy_getinfo(CURL *easy, CURLINFO info, ...);
CURLcode
__wrap_curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
    va_list rest;
    va_start(rest, info);
    void *value = value_of(rest);
    va_end(rest);
    return fails(CALL_easy_getinfo) ? CURLE_BAD_FUNCTION_ARGUMENT
                                    : __real_curl_easy_getinfo(easy, info, value);
}

CURLU *__real_curl_url(void);
CURLU *
__wrap_curl_url(void)
{
    return fails(CALL_url) ? NULL : __real_curl_url();
}

CURLUcode __real_curl_url_set(CURLU *url, CURLUPart part, const char *text,
                              unsigned flags);
CURLUcode
__wrap_curl_url_set(CURLU *url, CURLUPart part, const char *text, unsigned flags)
{
    return fails(CALL_url_set) ? CURLUE_OUT_OF_MEMORY
                               : __real_curl_url_set(url, part, text, flags);
}

CURLUcode __real_curl_url_get(const CURLU *url, CURLUPart part, char **text,
                              unsigned flags);
CURLUcode
__wrap_curl_url_get(const CURLU *url, CURLUPart part, char **text, unsigned flags)
{
    return fails(CALL_url_get) ? CURLUE_OUT_OF_MEMORY
                               : __real_curl_url_get(url, part, text, flags);
}

CURLM *__real_curl_multi_init(void);
CURLM *
__wrap_curl_multi_init(void)
{
    return fails(CALL_multi_init) ? NULL : __real_curl_multi_init();
}

CURLMcode __real_curl_multi_setopt(CURLM *multi, CURLMoption option, ...);
CURLMcode
__wrap_curl_multi_setopt(CURLM *multi, CURLMoption option, ...)
{
    va_list rest;
    va_start(rest, option);
    void *value = value_of(rest);
    va_end(rest);
    return fails(CALL_multi_setopt) ? CURLM_OUT_OF_MEMORY
                                    : __real_curl_multi_setopt(multi, option, value);
}

CURLMcode __real_curl_multi_add_handle(CURLM *multi, CURL *easy);
CURLMcode
__wrap_curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    return fails(CALL_multi_add_handle) ? CURLM_OUT_OF_MEMORY
                                        : __real_curl_multi_add_handle(multi, easy);
}

CURLMcode __real_curl_multi_remove_handle(CURLM *multi, CURL *easy);
CURLMcode
__wrap_curl_multi_remove_handle(CURLM *multi, CURL *easy)
{
    return fails(CALL_multi_remove_handle)
               ? CURLM_OUT_OF_MEMORY
               : __real_curl_multi_remove_handle(multi, easy);
}

CURLMcode __real_curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int events,
                                          int *running);
CURLMcode
__wrap_curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int events,
                                int *running)
{
    return fails(CALL_multi_socket_action)
               ? CURLM_OUT_OF_MEMORY
               : __real_curl_multi_socket_action(multi, fd, events, running);
}

CURLMsg *__real_curl_multi_info_read(CURLM *multi, int *waiting);
CURLMsg *
__wrap_curl_multi_info_read(CURLM *multi, int *waiting)
{
    return fails(CALL_multi_info_read) ? NULL
                                       : __real_curl_multi_info_read(multi, waiting);
}

/* --- What runs. --- */

static void
parse_url(struct whole *whole, unsigned n)
{
    struct whs_field_errors errors = {0};
    struct whs_url url;
    const struct whs_url_policy policy = {0};
    struct whs_slice text = WHS_SLICE("https://example.com/hook");
    enum whs_status status =
        whs_url_parse(text, &policy, WHS_SLICE("url"), &errors, &url);
    whole_expect(whole, n,
                 status == (happened ? WHS_NO_MEMORY : WHS_OK) && errors.len == 0,
                 "a good URL is called a bad one");
    whs_url_fini(&url);
    whs_field_errors_fini(&errors);
}

static void
fail_each(struct whole *whole, enum call call, unsigned step)
{
    unsigned failed = 0;
    whole->name = names[call];
    failing = call;
    happened = true;
    for (unsigned n = 1; happened; n += step) {
        left = n;
        happened = false;
        if (call == CALL_url || call == CALL_url_set || call == CALL_url_get)
            parse_url(whole, n);
        whole_live(whole, n);
        left = 0;
        failed += happened;
    }
    printf("%s: %u\n", whole->name, failed);
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    struct over_tls over_tls;
    if (argc < 4)
        return 2;
    struct whole whole = {
        .origin = argv[2], .make_transport = over_tls_make, .ctx = &over_tls};
    whs_engine_config_default(&whole.config);
    whole.config.retry.jitter = 0;
    over_tls_init(&over_tls, argv[3]);
    whole_init(&whole);
    for (int call = 0; call < CALL_COUNT; call++)
        if (argc < 5 || strcmp(argv[4], names[call]) == 0)
            fail_each(&whole, (enum call)call, (unsigned)atoi(argv[1]));
    whole_fini();
    return whole.wrong ? 1 : 0;
}
