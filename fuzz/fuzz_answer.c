/* SPDX-License-Identifier: MIT
 *
 * An answer as it comes from a socket, by libcurl and what it calls of ours, but for
 * TLS: the whole input is the answer's bytes, behind which the endpoint hangs up.
 *
 *   at most one request leaves
 *   a status without a complete head is none, and success is a 2xx
 *   what is kept of a body, and what is waited for, has its limit
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "fuzz.h"
#include "retry.h"
#include "transport_curl_callbacks.h"
#include "transport_curl_library.h"
#include "transport_curl_options.h"
#include "transport_curl_outcome.h"

/* More than is read of one, and still what a socket's buffer takes at once. */
#define ANSWER_BYTES_MAX (96 * 1024)
#define BUFFER_BYTES (256 * 1024)

static struct whs_curl_config config;
static struct whs_curl_loop loop;
static struct whs_curl_names names;
static struct whs_curl_resolves resolves;
static struct whs_link bodies;
static struct whs_curl_transfer *transfer;
static int listener, endpoint = -1, requests;
static struct whs_slice answer;
static char name[64]; /* that it listens as */

/* Before libcurl sends: the endpoint has said all it says, and hears what is left to
 * hear. */
static int
answer_request(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
    int size = BUFFER_BYTES;
    (void)ctx, (void)ip, (void)local_ip, (void)port, (void)local_port;
    transfer->requests = ++requests;
    if (requests > 1)
        return CURL_PREREQFUNC_ABORT;
    endpoint = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    FUZZ_CHECK(endpoint >= 0);
    setsockopt(endpoint, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    FUZZ_CHECK(send(endpoint, answer.ptr, answer.len, MSG_NOSIGNAL) ==
               (ssize_t)answer.len);
    shutdown(endpoint, SHUT_WR);
    return CURL_PREREQFUNC_OK;
}

/* Without a file: only this process hears of it. */
static void
listen_as(const char *as)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(as));
    memcpy(address.sun_path + 1, as, strlen(as));
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FUZZ_CHECK(bind(listener, (struct sockaddr *)(void *)&address, len) == 0);
    FUZZ_CHECK(listen(listener, 1) == 0);
}

static void
set_up(void)
{
    snprintf(name, sizeof(name), "webhooksub-fuzz-%ld", (long)getpid());
    listen_as(name);
    config = whs_curl_config_default;
    config.clock = whs_clock_system;
    FUZZ_CHECK(whs_curl_library_check(NULL) == WHS_OK);
    whs_link_init(&bodies);
    FUZZ_CHECK(whs_curl_loop_init(&loop, config.clock, NULL));
    FUZZ_CHECK(whs_curl_names_init(&names));
    FUZZ_CHECK(whs_curl_resolves_init(&resolves, config.resolves_max, config.clock));
}

static struct whs_curl_transfer *
make_transfer(void)
{
    struct whs_curl_transfer *made =
        whs_curl_transfer_create(&config, &loop, &resolves, &names, &bodies);
    FUZZ_CHECK(made);
    FUZZ_CHECK(whs_curl_options_set(made->easy, &config) == CURLE_OK);
    FUZZ_CHECK(whs_curl_callbacks_set(made, NULL) == CURLE_OK);
    curl_easy_setopt(made->easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(made->easy, CURLOPT_ABSTRACT_UNIX_SOCKET, name);
    curl_easy_setopt(made->easy, CURLOPT_OPENSOCKETFUNCTION, NULL);
    curl_easy_setopt(made->easy, CURLOPT_CLOSESOCKETFUNCTION, NULL);
    curl_easy_setopt(made->easy, CURLOPT_PREREQFUNCTION, answer_request);
    return made;
}

/* As the transport does. */
static void
put_transfer(void)
{
    whs_list_remove(&transfer->link);
    if (whs_curl_library_forgets())
        return;
    whs_curl_transfer_destroy(transfer);
    transfer = NULL;
}

static void
check_decision(const struct whs_answer *made)
{
    struct whs_retry_facts facts = {.outcome = made->outcome,
                                    .http_status = made->http_status,
                                    .attempt = 1,
                                    .max_retries = WHS_MAX_RETRIES_DEFAULT,
                                    .retry_after_ms = made->retry_after_ms};
    struct whs_decision decision = whs_retry_decide(&whs_retry_policy_default, &facts);
    bool good = made->http_status >= 200 && made->http_status < 300;
    FUZZ_CHECK((decision.verdict == WHS_VERDICT_DELIVERED) == good);
    FUZZ_CHECK((decision.verdict == WHS_VERDICT_DISABLE) == (made->http_status == 410));
    FUZZ_CHECK(decision.verdict != WHS_VERDICT_RETRY ||
               decision.delay_ms >= made->retry_after_ms);
}

static void
check_answer(const struct whs_answer *made)
{
    const struct whs_head *head = &transfer->head;
    FUZZ_CHECK(requests <= 1);
    FUZZ_CHECK((made->http_status == 0) == !head->complete);
    FUZZ_CHECK(made->http_status == 0 ||
               (made->http_status >= 200 && made->http_status <= 999));
    FUZZ_CHECK(made->body.len <= WHS_ANSWER_BYTES_MAX);
    FUZZ_CHECK(made->retry_after_ms >= -1 &&
               made->retry_after_ms <= config.retry_after_max_ms);
    FUZZ_CHECK(made->outcome >= WHS_OUTCOME_SUCCESS &&
               made->outcome <= WHS_OUTCOME_LOCAL_ERROR);
    check_decision(made);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!name[0])
        set_up();
    if (!transfer)
        transfer = make_transfer();
    struct whs_fields fields = {0};
    struct whs_exchange exchange = {
        .request = {.method = WHS_METHOD_POST,
                    .url = WHS_SLICE("http://localhost/"),
                    .origin = WHS_SLICE("http://localhost:80"),
                    .body = WHS_SLICE("{}"),
                    .fresh_connection = true},
        .fields = &fields};
    answer = (struct whs_slice){(const char *)data,
                                size < ANSWER_BYTES_MAX ? size : ANSWER_BYTES_MAX};
    requests = 0;
    FUZZ_CHECK(whs_curl_transfer_begin(transfer, &exchange) == CURLE_OK);
    curl_easy_setopt(transfer->easy, CURLOPT_FORBID_REUSE, 1L);
    whs_curl_outcome_write(transfer, curl_easy_perform(transfer->easy));
    FUZZ_CHECK(requests > 0);
    check_answer(&exchange.answer);
    put_transfer();
    close(endpoint);
    whs_buf_fini(&exchange.answer.body);
    return 0;
}
