/* SPDX-License-Identifier: MIT */
#include "transport_curl_library.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t initialised = PTHREAD_ONCE_INIT;
static CURLcode initialisation;

/* --- Its memory. --- */

/* NULL wherever none of our transports is at work. */
static _Thread_local struct whs_blocks *blocks;

void
whs_curl_library_use(struct whs_blocks *used)
{
    blocks = used;
}

static void *
alloc_block(size_t size)
{
    return whs_blocks_alloc(blocks, size);
}

static void *
calloc_block(size_t count, size_t size)
{
    return whs_blocks_calloc(blocks, count, size);
}

static void *
resize_block(void *ptr, size_t size)
{
    return whs_blocks_resize(blocks, ptr, size);
}

static void
free_block(void *ptr)
{
    whs_blocks_free(blocks, ptr);
}

static char *
copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = alloc_block(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

/* Whoever in this process was first has chosen for all. */
static void
initialise(void)
{
    initialisation = curl_global_init_mem(CURL_GLOBAL_DEFAULT, alloc_block, free_block,
                                          resize_block, copy_text, calloc_block);
}

/* --- What it must be able to do. --- */

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
