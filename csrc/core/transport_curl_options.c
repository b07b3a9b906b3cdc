/* SPDX-License-Identifier: MIT */
#include "transport_curl_options.h"

#include "transport_curl_transfer.h"

#define SECOND INT64_C(1000)
/* Options of libcurl 8.20, which keeps a pool of threads for lookups. By number,
 * because the library may be newer than the headers; an older one knows neither and has
 * no need of them. */
#define POOL_THREADS_MAX ((CURLMoption)(CURLOPTTYPE_LONG + 20))
#define POOL_QUICK_EXIT ((CURLMoption)(CURLOPTTYPE_LONG + 21))
/* Its pool looks up the A and the AAAA of a name each by a thread. */
#define LOOKUPS_OF_A_NAME 2

/* A libcurl that was built without .netrc files does not know how to leave them alone.
 */
static CURLcode
ignore_netrc(CURL *easy)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    return code == CURLE_UNKNOWN_OPTION || code == CURLE_NOT_BUILT_IN ? CURLE_OK : code;
}

CURLcode
whs_curl_options_set(CURL *easy, const struct whs_curl_config *config)
{
    /* Threads and signals do not mix. */
    WHS_CURL_SET(easy, CURLOPT_NOSIGNAL, 1L);
    WHS_CURL_SET(easy, CURLOPT_NOPROGRESS, 1L);
    /* One stream, one connection: a neighbour's bad answer is its own. */
    WHS_CURL_SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    WHS_CURL_SET(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    WHS_CURL_SET(easy, CURLOPT_PROTOCOLS_STR, "https");
    WHS_CURL_SET(easy, CURLOPT_REDIR_PROTOCOLS_STR, "https");
#ifdef WHS_SABOTAGE_follow_redirects
    WHS_CURL_SET(easy, CURLOPT_FOLLOWLOCATION, 1L);
#else
    WHS_CURL_SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    WHS_CURL_SET(easy, CURLOPT_MAXREDIRS, 0L);
#endif
    /* An environment's proxy would hide the address from the guard. One that is
     * configured stands in the guard's place, for every host. */
    WHS_CURL_SET(easy, CURLOPT_PROXY, config->proxy);
    WHS_CURL_SET(easy, CURLOPT_NOPROXY, config->proxy[0] ? "" : "*");
    WHS_CURL_SET(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    WHS_CURL_SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    WHS_CURL_SET(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    WHS_CURL_SET(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    /* With any path set here libcurl parses the bundle anew for every connection. */
    WHS_CURL_SET(easy, CURLOPT_CAINFO, NULL);
    WHS_CURL_SET(easy, CURLOPT_CAPATH, NULL);
    WHS_CURL_SET(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    WHS_CURL_SET(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
    WHS_CURL_SET(easy, CURLOPT_MAXAGE_CONN, (long)(config->idle_max_ms / SECOND));
    WHS_CURL_SET(easy, CURLOPT_MAXLIFETIME_CONN,
                 (long)(config->connection_age_max_ms / SECOND));
    /* Each handle keeps such a buffer, of 64 KB otherwise; a TLS record holds no more.
     */
    WHS_CURL_SET(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)CURL_MAX_WRITE_SIZE);
    /* A lookup that hangs must not be waited for when its transfer ends. */
    WHS_CURL_SET(easy, CURLOPT_QUICK_EXIT, 1L);
    return ignore_netrc(easy);
}

static bool
is_taken(CURLMcode code)
{
    return code == CURLM_OK || code == CURLM_UNKNOWN_OPTION;
}

static bool
limit_pool(CURLM *multi, unsigned resolves_max)
{
    long most = LOOKUPS_OF_A_NAME * (long)resolves_max;
    return is_taken(curl_multi_setopt(multi, POOL_THREADS_MAX, most)) &&
           is_taken(curl_multi_setopt(multi, POOL_QUICK_EXIT, 1L));
}

bool
whs_curl_limits_set(CURLM *multi, const struct whs_curl_config *config)
{
    unsigned most = config->connections_idle_max > config->connections_max
                        ? config->connections_idle_max
                        : config->connections_max;
    return curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) ==
               CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)most) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)most) ==
               CURLM_OK &&
           limit_pool(multi, config->resolves_max);
}
