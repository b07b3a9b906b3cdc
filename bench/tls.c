/* SPDX-License-Identifier: MIT
 *
 * What does a new TLS connection with one POST cost?
 *
 *   tls PORT CA_FILE REQUESTS
 *
 * Twice against 127.0.0.1: through the core's transport, and as the floor through bare
 * sockets and OpenSSL, one connection after the other. Both check the certificate
 * against a store that also holds the system's authorities, as a service's does, and
 * resume nothing. The halves alternate in ten parts each; CPU µs of all threads of this
 * process, medians of the parts. Prints one JSON object.
 */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport_curl.h"

#define PARTS 10
#define AT_ONCE 8
#define BODY_BYTES 587
#define REQUEST_SIZE 1024

static const char *const bundles[] = {"/etc/ssl/certs/ca-certificates.crt",
                                      "/etc/pki/tls/certs/ca-bundle.crt"};

static void
require(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "tls: %s\n", what);
    exit(1);
}

static double
cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static struct whs_slice
read_file(const char *path)
{
    static char text[65536];
    FILE *file = fopen(path, "rb");
    size_t len = file ? fread(text, 1, sizeof(text), file) : 0;
    require(len > 0, "the CA file is unreadable");
    fclose(file);
    return (struct whs_slice){text, len};
}

static struct whs_trust *
make_trust(const char *ca_file)
{
    struct whs_trust *trust;
    struct whs_error err = {0};
    const char *bundle = NULL;
    for (size_t i = 0; i < sizeof(bundles) / sizeof(bundles[0]) && !bundle; i++)
        bundle = access(bundles[i], R_OK) == 0 ? bundles[i] : NULL;
    require(whs_trust_create(bundle, NULL, read_file(ca_file), &trust, &err) == WHS_OK,
            err.message);
    return trust;
}

/* --- Through the core. --- */

static struct whs_transport *
make_transport(const char *ca_file)
{
    struct whs_curl_config config = whs_curl_config_default;
    struct whs_transport *transport;
    struct whs_error err = {0};
    /* Few are kept, so that closing them is in what is measured. */
    config.connections_max = config.connections_idle_max = 2 * AT_ONCE;
    config.guard.dev = true;
    require(whs_transport_curl_create(&config, make_trust(ca_file), &transport, &err) ==
                WHS_OK,
            err.message);
    return transport;
}

static void
write_request(struct whs_request *request, const char *url, struct whs_slice body)
{
    *request = (struct whs_request){
        .method = WHS_METHOD_POST,
        .url = whs_slice_of(url),
        .body = body,
        .fresh_connection = true,
        .header_count = 1,
    };
    request->headers[0] =
        (struct whs_header){WHS_SLICE("Content-Type"), WHS_SLICE("application/json")};
}

static void
post_through_core(struct whs_transport *transport, const char *url,
                  struct whs_slice body, unsigned requests)
{
    static struct whs_exchange exchanges[AT_ONCE];
    struct whs_exchange *idle = NULL;
    struct whs_error err = {0};
    unsigned started = 0, ended = 0;
    for (size_t i = 0; i < AT_ONCE; i++) {
        write_request(&exchanges[i].request, url, body);
        exchanges[i].next_done = idle;
        idle = &exchanges[i];
    }
    while (ended < requests) {
        for (; idle && started < requests; idle = idle->next_done, started++)
            require(transport->verbs->start(transport, idle, &err) == WHS_OK,
                    err.message);
        struct whs_exchange *done = transport->verbs->poll(transport, 1000);
        while (done) {
            struct whs_exchange *next = done->next_done;
            require(done->answer.outcome == WHS_OUTCOME_SUCCESS, done->answer.detail);
            done->next_done = idle;
            idle = done;
            done = next;
            ended++;
        }
    }
}

/* --- The floor. --- */

static int
connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0,
            "no connection");
    return fd;
}

static void
post_bare(SSL_CTX *context, int port, struct whs_slice body)
{
    char request[REQUEST_SIZE], answer[4096];
    int len = snprintf(request, sizeof(request),
                       "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                       "application/json\r\nContent-Length: %zu\r\n\r\n%.*s",
                       body.len, (int)body.len, body.ptr);
    int fd = connect_to(port);
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    require(SSL_connect(ssl) == 1, "no handshake");
    require(SSL_write(ssl, request, len) == len, "not written");
    require(SSL_read(ssl, answer, sizeof(answer)) > 12 &&
                memcmp(answer, "HTTP/1.1 204", 12) == 0,
            "another answer than 204");
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

static SSL_CTX *
make_context(struct whs_trust *trust)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    require(context != NULL, "no context");
    whs_trust_install(trust, context);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return context;
}

/* --- Both. --- */

static int
compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double
median(double *values)
{
    qsort(values, PARTS, sizeof(*values), compare);
    return (values[PARTS / 2 - 1] + values[PARTS / 2]) / 2;
}

int
main(int argc, char **argv)
{
    char url[64], text[BODY_BYTES];
    double core[PARTS], floor[PARTS];
    unsigned each = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) / PARTS : 0;
    if (each == 0) {
        fprintf(stderr, "usage: tls PORT CA_FILE REQUESTS\n");
        return 2;
    }
    int port = atoi(argv[1]);
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", port);
    memset(text, 'x', sizeof(text));
    struct whs_slice body = {text, sizeof(text)};
    struct whs_transport *transport = make_transport(argv[2]);
    SSL_CTX *context = make_context(make_trust(argv[2]));
    post_through_core(transport, url, body, each);
    for (size_t part = 0; part < PARTS; part++) {
        double began = cpu_us();
        post_through_core(transport, url, body, each);
        core[part] = (cpu_us() - began) / each;
        began = cpu_us();
        for (unsigned i = 0; i < each; i++)
            post_bare(context, port, body);
        floor[part] = (cpu_us() - began) / each;
    }
    double cpu = median(core), floor_cpu = median(floor);
    printf("{\"requests\": %u, \"cpu_us\": %.1f, \"floor_cpu_us\": %.1f}\n",
           each * PARTS, cpu, floor_cpu);
    return 0;
}
