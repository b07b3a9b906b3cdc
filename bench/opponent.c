/* SPDX-License-Identifier: MIT
 *
 * The opponent: what one would write by hand for nothing but speed on libcurl's multi
 * interface. It posts a JSON body of 587 bytes to one URL, signed and with the headers
 * that the product sends, and keeps CONNECTIONS requests under way.
 *
 *   opponent URL CA_FILE REQUESTS [CONNECTIONS]
 *
 * It has no store, no queue, no retries, no address guard and trusts every answer.
 * What makes it fast: an epoll that forgets a socket only when it is closed, a parsed
 * URL, handles and header lists used again, one certificate store, one MAC context.
 * Prints one JSON object; the connections are open before the clock starts.
 */
#include <curl/curl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BODY_BYTES 587
#define CONNECTIONS_DEFAULT 64
#define CONNECTIONS_MAX 1024
#define SOCKETS_MAX 4096
#define EVENTS_PER_POLL 128
#define MAC_BYTES 32
#define ID_CHARS 36
#define KEY "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"

enum header {
    HEADER_EXPECT,
    HEADER_TYPE,
    HEADER_AGENT,
    HEADER_ID,
    HEADER_TIMESTAMP,
    HEADER_SIGNATURE,
    HEADER_INTEGRITY,
    HEADERS
};

struct transfer {
    CURL *easy;
    char body[BODY_BYTES + 1];
    char lines[HEADERS][160];
    struct curl_slist nodes[HEADERS];
};

static CURLM *multi;
static CURLU *url;
static X509_STORE *trusted;
static EVP_MAC_CTX *mac;
static int epoll_fd;
static uint32_t told[SOCKETS_MAX];
static int64_t timer_ms = -1;
static uint64_t started, ended, wanted;

static void
require(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "opponent: %s\n", what);
    exit(1);
}

static int64_t
read_mono_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* --- Signing: the two MACs that the product sends. --- */

static void
sign(const char *const *parts, const size_t *lens, size_t count,
     unsigned char out[MAC_BYTES])
{
    size_t len;
    EVP_MAC_init(mac, NULL, 0, NULL); /* the key stays */
    for (size_t i = 0; i < count; i++)
        EVP_MAC_update(mac, (const unsigned char *)parts[i], lens[i]);
    require(EVP_MAC_final(mac, out, &len, MAC_BYTES), "no MAC");
}

static void
write_integrity(struct transfer *transfer)
{
    static const char digits[] = "0123456789abcdef";
    const char *parts[] = {transfer->body};
    size_t lens[] = {BODY_BYTES};
    unsigned char digest[MAC_BYTES];
    char *at = transfer->lines[HEADER_INTEGRITY] + sizeof("integrityHash: ") - 1;
    sign(parts, lens, 1, digest);
    for (size_t i = 0; i < MAC_BYTES; i++) {
        *at++ = digits[digest[i] >> 4];
        *at++ = digits[digest[i] & 15];
    }
    *at = '\0';
}

static void
write_signature(struct transfer *transfer, const char *id, const char *timestamp)
{
    const char *parts[] = {id, ".", timestamp, ".", transfer->body};
    size_t lens[] = {ID_CHARS, 1, strlen(timestamp), 1, BODY_BYTES};
    unsigned char digest[MAC_BYTES];
    char *at = transfer->lines[HEADER_SIGNATURE] + sizeof("webhook-signature: v1,") - 1;
    sign(parts, lens, 5, digest);
    EVP_EncodeBlock((unsigned char *)at, digest, MAC_BYTES);
}

/* Each request has a body, an id and signatures of its own. */
static void
write_request(struct transfer *transfer)
{
    char *id = transfer->lines[HEADER_ID] + sizeof("webhook-id: ") - 1;
    char *timestamp =
        transfer->lines[HEADER_TIMESTAMP] + sizeof("webhook-timestamp: ") - 1;
    snprintf(id, ID_CHARS + 1, "msg_%032" PRIx64, started);
    snprintf(timestamp, 21, "%lld", (long long)time(NULL));
    memcpy(transfer->body + sizeof("{\"id\":\"") - 1, id, ID_CHARS);
    write_integrity(transfer);
    write_signature(transfer, id, timestamp);
}

/* --- Sockets and time. --- */

static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    uint32_t events =
        (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    struct epoll_event event = {.events = events, .data = {.fd = fd}};
    (void)easy, (void)ctx, (void)socket_ctx;
    require(fd < SOCKETS_MAX, "too many sockets");
    if (what == CURL_POLL_REMOVE || told[fd] == events)
        return 0;
    int op = told[fd] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    told[fd] = events;
    return epoll_ctl(epoll_fd, op, fd, &event);
}

static int
close_socket(void *ctx, curl_socket_t fd)
{
    (void)ctx;
    told[fd] = 0;
    return close(fd);
}

static int
set_timer(CURLM *of, long timeout_ms, void *ctx)
{
    (void)of, (void)ctx;
    timer_ms = timeout_ms < 0 ? -1 : read_mono_ms() + timeout_ms;
    return 0;
}

static CURLcode
install_trust(CURL *easy, void *ssl_ctx, void *ctx)
{
    (void)easy, (void)ctx;
    SSL_CTX_set1_cert_store(ssl_ctx, trusted);
    return CURLE_OK;
}

static size_t
drop(char *bytes, size_t size, size_t count, void *ctx)
{
    (void)bytes, (void)ctx;
    return size * count;
}

/* --- Transfers. --- */

#define SET(option, value)                                                             \
    require(curl_easy_setopt(transfer->easy, (option), (value)) == CURLE_OK, #option)

static void
init_lines(struct transfer *transfer)
{
    static const char *const lines[HEADERS] = {
        [HEADER_EXPECT] = "Expect:",
        [HEADER_TYPE] = "Content-Type: application/json",
        [HEADER_AGENT] = "User-Agent: opponent/1",
        [HEADER_ID] = "webhook-id: ",
        [HEADER_TIMESTAMP] = "webhook-timestamp: ",
        [HEADER_SIGNATURE] = "webhook-signature: v1,",
        [HEADER_INTEGRITY] = "integrityHash: ",
    };
    for (size_t i = 0; i < HEADERS; i++) {
        snprintf(transfer->lines[i], sizeof(transfer->lines[i]), "%s", lines[i]);
        transfer->nodes[i].data = transfer->lines[i];
        transfer->nodes[i].next = i + 1 < HEADERS ? &transfer->nodes[i + 1] : NULL;
    }
    memset(transfer->body, 'x', BODY_BYTES);
    memcpy(transfer->body, "{\"id\":\"", 7);
    memcpy(transfer->body + 7 + ID_CHARS, "\",\"data\":\"", 10);
    memcpy(transfer->body + BODY_BYTES - 2, "\"}", 2);
}

static void
init_transfer(struct transfer *transfer)
{
    init_lines(transfer);
    transfer->easy = curl_easy_init();
    require(transfer->easy != NULL, "no handle");
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_CURLU, url);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    SET(CURLOPT_TIMEOUT_MS, 15000L);
    SET(CURLOPT_CAINFO, NULL);
    SET(CURLOPT_CAPATH, NULL);
    SET(CURLOPT_SSL_CTX_FUNCTION, install_trust);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_WRITEFUNCTION, drop);
    SET(CURLOPT_HTTPHEADER, transfer->nodes);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)BODY_BYTES);
    SET(CURLOPT_POSTFIELDS, transfer->body);
}

static void
start(struct transfer *transfer)
{
    started++;
    write_request(transfer);
    require(curl_multi_add_handle(multi, transfer->easy) == CURLM_OK, "not added");
}

static void
collect(void)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(multi, &left))) {
        struct transfer *transfer;
        CURL *easy = message->easy_handle;
        long status = 0;
        require(message->data.result == CURLE_OK,
                curl_easy_strerror(message->data.result));
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        require(status / 100 == 2, "an answer that is no success");
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
        curl_multi_remove_handle(multi, easy);
        ended++;
        if (started < wanted)
            start(transfer);
    }
}

static void
turn(void)
{
    struct epoll_event events[EVENTS_PER_POLL];
    int running;
    int64_t wait_ms = timer_ms < 0 ? 1000 : timer_ms - read_mono_ms();
    int count =
        epoll_wait(epoll_fd, events, EVENTS_PER_POLL, wait_ms > 0 ? (int)wait_ms : 0);
    for (int i = 0; i < count; i++) {
        int flags = (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                    (events[i].events & ~(uint32_t)EPOLLOUT ? CURL_CSELECT_IN : 0);
        curl_multi_socket_action(multi, events[i].data.fd, flags, &running);
    }
    if (timer_ms >= 0 && timer_ms <= read_mono_ms()) {
        timer_ms = -1;
        curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect();
}

/* Posts so many, at most `connections` at once. */
static void
run(struct transfer *transfers, unsigned connections, uint64_t requests)
{
    started = ended = 0;
    wanted = requests;
    for (unsigned i = 0; i < connections && started < wanted; i++)
        start(&transfers[i]);
    while (ended < wanted)
        turn();
}

/* --- The whole. --- */

static void
init_trust(const char *ca_file)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string("digest", (char *)"SHA256", 0),
        OSSL_PARAM_construct_end()};
    trusted = X509_STORE_new();
    require(X509_STORE_load_locations(trusted, ca_file, NULL), "the CA is unreadable");
    mac = EVP_MAC_CTX_new(EVP_MAC_fetch(NULL, "HMAC", NULL));
    require(EVP_MAC_init(mac, (const unsigned char *)KEY, sizeof(KEY) - 1, params),
            "no MAC");
}

static void
init(const char *address, const char *ca_file, unsigned connections)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    init_trust(ca_file);
    url = curl_url();
    require(curl_url_set(url, CURLUPART_URL, address, 0) == CURLUE_OK, "a bad URL");
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)connections);
}

static double
cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static double
wall_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int
main(int argc, char **argv)
{
    uint64_t requests = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    unsigned connections =
        argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : CONNECTIONS_DEFAULT;
    if (requests == 0 || connections == 0 || connections > CONNECTIONS_MAX) {
        fprintf(stderr, "usage: opponent URL CA_FILE REQUESTS [CONNECTIONS]\n");
        return 2;
    }
    struct transfer *transfers = calloc(connections, sizeof(*transfers));
    require(transfers != NULL, "no memory");
    init(argv[1], argv[2], connections);
    for (unsigned i = 0; i < connections; i++)
        init_transfer(&transfers[i]);
    run(transfers, connections, connections); /* opens the connections */
    double cpu = cpu_us(), began = wall_seconds();
    run(transfers, connections, requests);
    double seconds = wall_seconds() - began;
    cpu = cpu_us() - cpu;
    printf("{\"requests\": %llu, \"seconds\": %.3f, \"per_second\": %.0f, "
           "\"cpu_us\": %.2f, \"libcurl\": \"%s\"}\n",
           (unsigned long long)requests, seconds, (double)requests / seconds,
           cpu / (double)requests, curl_version());
    return 0;
}
