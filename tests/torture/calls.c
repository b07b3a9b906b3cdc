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

/* CALL: name, type, what it answers when it fails, parameters, arguments. OPTION: a
 * function that takes an option or info of a handle, and one value. */
#define CALL_MAP(CALL, OPTION)                                                         \
    CALL(easy_init, CURL *, NULL, (void), ())                                          \
    OPTION(easy_setopt, CURLcode, CURLE_OUT_OF_MEMORY, CURL, CURLoption)               \
    OPTION(easy_getinfo, CURLcode, CURLE_BAD_FUNCTION_ARGUMENT, CURL, CURLINFO)        \
    CALL(url, CURLU *, NULL, (void), ())                                               \
    CALL(url_set, CURLUcode, CURLUE_OUT_OF_MEMORY,                                     \
         (CURLU * url, CURLUPart part, const char *text, unsigned flags),              \
         (url, part, text, flags))                                                     \
    CALL(url_get, CURLUcode, CURLUE_OUT_OF_MEMORY,                                     \
         (const CURLU *url, CURLUPart part, char **text, unsigned flags),              \
         (url, part, text, flags))                                                     \
    CALL(multi_init, CURLM *, NULL, (void), ())                                        \
    OPTION(multi_setopt, CURLMcode, CURLM_OUT_OF_MEMORY, CURLM, CURLMoption)           \
    CALL(multi_add_handle, CURLMcode, CURLM_OUT_OF_MEMORY,                             \
         (CURLM * multi, CURL * easy), (multi, easy))                                  \
    CALL(multi_remove_handle, CURLMcode, CURLM_OUT_OF_MEMORY,                          \
         (CURLM * multi, CURL * easy), (multi, easy))                                  \
    CALL(multi_socket_action, CURLMcode, CURLM_OUT_OF_MEMORY,                          \
         (CURLM * multi, curl_socket_t fd, int events, int *running),                  \
         (multi, fd, events, running))                                                 \
    CALL(multi_info_read, CURLMsg *, NULL, (CURLM * multi, int *waiting),              \
         (multi, waiting))

enum call {
#define NAME(name, ...) CALL_##name,
    CALL_MAP(NAME, NAME)
#undef NAME
        CALL_COUNT
};
static const char *const names[] = {
#define NAME(name, ...) "curl_" #name,
    CALL_MAP(NAME, NAME)
#undef NAME
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

#define CALL(name, type, failure, parameters, arguments)                               \
    type __real_curl_##name parameters;                                                \
    type __wrap_curl_##name parameters                                                 \
    {                                                                                  \
        return fails(CALL_##name) ? failure : __real_curl_##name arguments;            \
    }

/* Every option's value is as wide as a pointer. */
#define OPTION(name, type, failure, handle, option)                                    \
    type __real_curl_##name(handle *on, option which, ...);                            \
    type __wrap_curl_##name(handle *on, option which, ...)                             \
    {                                                                                  \
        va_list rest;                                                                  \
        va_start(rest, which);                                                         \
        void *value = va_arg(rest, void *);                                            \
        va_end(rest);                                                                  \
        return fails(CALL_##name) ? failure : __real_curl_##name(on, which, value);    \
    }

CALL_MAP(CALL, OPTION)

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
