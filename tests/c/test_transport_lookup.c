/* SPDX-License-Identifier: MIT
 *
 * Names that are looked up slowly, by a getaddrinfo of our own: "slow" ones are found
 * when the test says so, all others at once and here. Nobody listens at the port, so
 * that a found name ends with connect_error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "transport_curl.h"

#define CONNECT_TIMEOUT_MS 1500
#define EXCHANGES_MAX 16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool released;
static int running, running_most;

typedef int lookup(const char *, const char *, const struct addrinfo *,
                   struct addrinfo **);

/* Takes the place of the C library's for libcurl too. */
int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
            struct addrinfo **out)
{
    lookup *real;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    pthread_mutex_lock(&lock);
    running++;
    running_most = running > running_most ? running : running_most;
    pthread_cond_broadcast(&changed);
    while (strncmp(name, "slow", 4) == 0 && !released)
        pthread_cond_wait(&changed, &lock);
    running--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return real("127.0.0.1", service, hints, out);
}

static void
release_lookups(void)
{
    pthread_mutex_lock(&lock);
    released = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void
hold_lookups(void)
{
    pthread_mutex_lock(&lock);
    released = false;
    pthread_mutex_unlock(&lock);
}

static int
read_locked(const int *value)
{
    pthread_mutex_lock(&lock);
    int now = *value;
    pthread_mutex_unlock(&lock);
    return now;
}

/* How many lookups are under way, as soon as they are `count` or after 10 s. */
static int
await_running(int count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&lock);
    while (running != count && pthread_cond_timedwait(&changed, &lock, &until) == 0)
        ;
    int now = running;
    pthread_mutex_unlock(&lock);
    return now;
}

/* --- A transport, and a port where nobody listens. --- */

struct stage {
    struct whs_transport *transport;
    struct whs_exchange exchanges[EXCHANGES_MAX];
    char urls[EXCHANGES_MAX][64];
    size_t started;
    int fd;
    unsigned port;
};

static struct stage stage;

static void
open_stage(unsigned resolves_max)
{
    struct whs_buf ca = {0}, certificate = {0}, key = {0};
    struct whs_trust *trust;
    struct whs_curl_config config = whs_curl_config_default;
    struct sockaddr_in here = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(here);

    stage = (struct stage){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(bind(stage.fd, (struct sockaddr *)&here, len), 0);
    assert_int_equal(getsockname(stage.fd, (struct sockaddr *)&here, &len), 0);
    stage.port = ntohs(here.sin_port);
    pthread_mutex_lock(&lock);
    released = false;
    running_most = 0;
    pthread_mutex_unlock(&lock);
    assert_int_equal(
        whs_tls_issue(WHS_SLICE("localhost"), 1, &ca, &certificate, &key, NULL),
        WHS_OK);
    assert_int_equal(whs_trust_create(NULL, NULL, whs_buf_slice(&ca), &trust, NULL),
                     WHS_OK);
    config.guard.dev = true;
    config.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    config.resolves_max = resolves_max;
    assert_int_equal(whs_transport_curl_create(&config, trust, &stage.transport, NULL),
                     WHS_OK);
    whs_buf_fini(&ca);
    whs_buf_fini(&certificate);
    whs_buf_fini(&key);
}

/* Not every libcurl lets the transport wait for lookups, and one that is left would
 * count in the next test. */
static void
close_stage(void)
{
    if (stage.transport)
        stage.transport->verbs->destroy(stage.transport);
    assert_int_equal(await_running(0), 0);
    for (size_t i = 0; i < stage.started; i++)
        whs_buf_fini(&stage.exchanges[i].answer.body);
    close(stage.fd);
}

static struct whs_exchange *
begin_post(const char *host)
{
    struct whs_exchange *exchange = &stage.exchanges[stage.started];
    char *url = stage.urls[stage.started++];
    snprintf(url, sizeof(stage.urls[0]), "https://%s:%u/", host, stage.port);
    exchange->request.method = WHS_METHOD_POST;
    exchange->request.url = whs_slice_of(url);
    exchange->request.origin = (struct whs_slice){url, strlen(url) - 1};
    exchange->request.body = WHS_SLICE("{}");
    return exchange;
}

static void
start_post(struct whs_exchange *exchange)
{
    assert_int_equal(stage.transport->verbs->start(stage.transport, exchange, NULL),
                     WHS_OK);
}

static struct whs_exchange *
post_to(const char *host)
{
    struct whs_exchange *exchange = begin_post(host);
    start_post(exchange);
    return exchange;
}

static void
await(size_t count)
{
    while (count > 0)
        for (struct whs_exchange *done =
                 stage.transport->verbs->poll(stage.transport, 1000);
             done; done = done->next_done)
            count--;
}

static void
await_one(const struct whs_exchange *exchange)
{
    for (;;)
        for (struct whs_exchange *done =
                 stage.transport->verbs->poll(stage.transport, 1000);
             done; done = done->next_done)
            if (done == exchange)
                return;
}

/* Until `count` lookups run; nothing may be done meanwhile. */
static void
await_lookups(int count)
{
    while (read_locked(&running) < count)
        assert_null(stage.transport->verbs->poll(stage.transport, 0));
}

/* --- Tests. --- */

static void
a_name_that_was_looked_up_is_connected_to(void **state)
{
    (void)state;
    open_stage(8);
    for (int i = 0; i < 3; i++) {
        char host[16];
        snprintf(host, sizeof(host), "fast%d.test", i);
        const struct whs_exchange *exchange = post_to(host);
        await(1);
        assert_int_equal(exchange->answer.outcome, WHS_OUTCOME_CONNECT_ERROR);
    }
    close_stage();
}

static void
a_lookup_that_hangs_stops_no_other(void **state)
{
    (void)state;
    open_stage(8);
    const struct whs_exchange *slow = post_to("slow.test");
    await_lookups(1);
    const struct whs_exchange *fast = post_to("fast.test");
    await_one(fast);
    assert_int_equal(fast->answer.outcome, WHS_OUTCOME_CONNECT_ERROR);
    assert_int_equal(await_running(1), 1);
    await_one(slow);
    assert_int_equal(slow->answer.outcome, WHS_OUTCOME_DNS_ERROR);
    assert_int_equal(await_running(1), 1);
    release_lookups();
    close_stage();
}

static void
no_more_names_are_looked_up_at_once_than_there_are_places(void **state)
{
    (void)state;
    open_stage(2);
    const struct whs_exchange *slow[] = {post_to("slow1.test"), post_to("slow2.test")};
    const struct whs_exchange *late[] = {post_to("slow3.test"), post_to("fast.test")};
    await(4);
    assert_int_equal(read_locked(&running_most), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(slow[i]->answer.outcome, WHS_OUTCOME_DNS_ERROR);
        /* Their hosts are not to blame. */
        assert_int_equal(late[i]->answer.outcome, WHS_OUTCOME_LOCAL_ERROR);
    }
    release_lookups();
    close_stage();
}

/* Where libcurl wakes itself by other means than a pipe, the end of a lookup that was
 * given up cannot be seen. */
static void
skip_without_pipes(void)
{
    if (strncmp(whs_transport_curl_version(), "libcurl/7.", 10) != 0)
        skip();
}

static void
post_to_each_of(const char *pattern, int count)
{
    for (int i = 0; i < count; i++) {
        char host[16];
        snprintf(host, sizeof(host), pattern, i);
        post_to(host);
    }
}

static void
names_never_seen_leave_places_to_those_that_were_found(void **state)
{
    (void)state;
    open_stage(4);
    /* Its address was found but no connection, and the last attempt wants a new one. */
    post_to("fast.test");
    await(1);
    post_to_each_of("slow%d.test", 4);
    await_lookups(3);
    struct whs_exchange *fast = begin_post("fast.test");
    fast->request.fresh_connection = true;
    start_post(fast);
    await_one(fast);
    assert_int_equal(fast->answer.outcome, WHS_OUTCOME_CONNECT_ERROR);
    assert_int_equal(read_locked(&running), 3);
    await(4);
    release_lookups();
    close_stage();
}

static void
names_that_failed_leave_places_to_those_never_seen(void **state)
{
    (void)state;
    skip_without_pipes();
    open_stage(4);
    post_to_each_of("slow%d.test", 3);
    await(3);
    release_lookups();
    post_to("fast.test");
    await(1);
    hold_lookups();
    post_to_each_of("slow%d.test", 3);
    await_lookups(2);
    const struct whs_exchange *fast = post_to("never.test");
    await_one(fast);
    assert_int_equal(fast->answer.outcome, WHS_OUTCOME_CONNECT_ERROR);
    assert_int_equal(read_locked(&running), 2);
    await(3);
    release_lookups();
    close_stage();
}

static void
a_name_found_lately_needs_no_place(void **state)
{
    (void)state;
    open_stage(1);
    post_to("fast.test");
    await(1);
    post_to("slow.test");
    await_lookups(1);
    const struct whs_exchange *fast = post_to("fast.test");
    await_one(fast);
    assert_int_equal(fast->answer.outcome, WHS_OUTCOME_CONNECT_ERROR);
    await(1);
    release_lookups();
    close_stage();
}

static void
a_place_is_free_again_when_its_lookup_has_ended(void **state)
{
    (void)state;
    skip_without_pipes();
    open_stage(1);
    post_to("slow.test");
    await(1);
    release_lookups();
    const struct whs_exchange *fast = post_to("fast.test");
    await(1);
    assert_int_equal(fast->answer.outcome, WHS_OUTCOME_CONNECT_ERROR);
    close_stage();
}

static void *
release_soon(void *ctx)
{
    (void)ctx;
    usleep(100 * 1000);
    release_lookups();
    return NULL;
}

static void
closing_waits_for_lookups_that_nobody_waits_for(void **state)
{
    (void)state;
    pthread_t thread;
    skip_without_pipes();
    open_stage(8);
    post_to("slow.test");
    await(1);
    struct whs_exchange *cancelled = post_to("slow.test.");
    pthread_mutex_lock(&lock);
    while (running < 2) {
        pthread_mutex_unlock(&lock);
        assert_null(stage.transport->verbs->poll(stage.transport, 0));
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
    stage.transport->verbs->cancel(stage.transport, cancelled);
    assert_int_equal(pthread_create(&thread, NULL, release_soon, NULL), 0);
    stage.transport->verbs->destroy(stage.transport);
    stage.transport = NULL;
    assert_int_equal(read_locked(&running), 0);
    pthread_join(thread, NULL);
    close_stage();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_was_looked_up_is_connected_to),
        cmocka_unit_test(a_lookup_that_hangs_stops_no_other),
        cmocka_unit_test(no_more_names_are_looked_up_at_once_than_there_are_places),
        cmocka_unit_test(names_never_seen_leave_places_to_those_that_were_found),
        cmocka_unit_test(names_that_failed_leave_places_to_those_never_seen),
        cmocka_unit_test(a_name_found_lately_needs_no_place),
        cmocka_unit_test(a_place_is_free_again_when_its_lookup_has_ended),
        cmocka_unit_test(closing_waits_for_lookups_that_nobody_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
