/* SPDX-License-Identifier: MIT */
#include "transport_curl_library.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

static pthread_once_t initialised = PTHREAD_ONCE_INIT;
static CURLcode initialisation;

/* Whoever in this process was first has chosen for all. */
static void
initialise(void)
{
    initialisation = curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free, realloc,
                                          strdup, whs_system_calloc);
}

enum whs_status
whs_curl_library_check(struct whs_error *err)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    pthread_once(&initialised, initialise);
    if (initialisation != CURLE_OK)
        return whs_error_set(err, WHS_SYSTEM, "libcurl cannot be initialised");
    if (info->version_num < 0x075800)
        return whs_error_set(err, WHS_CONFIGURATION, "libcurl %s is older than 7.88",
                             info->version);
    if (!info->ssl_version || strncmp(info->ssl_version, "OpenSSL/", 8) != 0)
        return whs_error_set(
            err, WHS_CONFIGURATION,
            "libcurl is built on %s; webhooksub needs the OpenSSL build "
            "(libcurl4-openssl-dev)",
            info->ssl_version ? info->ssl_version : "no TLS");
    /* c-ares opens sockets of its own, and would be taken for a resolver with threads.
     */
    if (!(info->features & CURL_VERSION_ASYNCHDNS) || info->ares_num != 0)
        return whs_error_set(err, WHS_CONFIGURATION,
                             "libcurl is built without a threaded resolver");
    return WHS_OK;
}

bool
whs_curl_library_forgets(void)
{
    return curl_version_info(CURLVERSION_NOW)->version_num >= 0x080101;
}
