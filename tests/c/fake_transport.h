/* SPDX-License-Identifier: MIT
 *
 * A transport without sockets: it answers as it was told and remembers what was sent.
 * With a fake clock, polling moves that clock to the next answer; without one it waits
 * for a wake in real time, for tests with threads.
 */
#ifndef FAKE_TRANSPORT_H
#define FAKE_TRANSPORT_H

#include <pthread.h>

#include "fake_clock.h"
#include "transport.h"

/* takes_ms of an answer that never comes. */
#define FAKE_NEVER INT64_MAX
#define FAKE_OK                                                                        \
    {                                                                                  \
        .outcome = WHS_OUTCOME_SUCCESS, .http_status = 204                             \
    }
#define FAKE_STATUS(code)                                                              \
    {                                                                                  \
        .outcome = WHS_OUTCOME_HTTP_ERROR, .http_status = (code)                       \
    }
#define FAKE_OUTCOME(name)                                                             \
    {                                                                                  \
        .outcome = WHS_OUTCOME_##name                                                  \
    }

struct fake_answer {
    enum whs_outcome outcome; /* 0: success with 204 */
    int http_status;
    int64_t retry_after_ms; /* 0: none */
    int64_t takes_ms;
    const char *body;
};

/* One that was started: copies, except `exchange`. */
struct fake_request {
    enum whs_method method;
    char *url;          /* NULL: it has none */
    char *socket_event; /* likewise */
    char *origin;
    char *headers; /* "Name: value\n"… */
    char *body;
    bool fresh_connection;
    bool under_way;
    int64_t due_ms;
    struct fake_answer answer;
    struct whs_exchange *exchange;
};

struct fake_rule {
    const char *origin;
    struct fake_answer answer;
};

#define FAKE_REQUESTS_MAX 100000
#define FAKE_RULES_MAX 64

struct fake_transport {
    struct whs_transport base;
    struct fake_clock *clock;
    struct fake_answer usual;
    /* Answers of the next requests, whatever they are. */
    const struct fake_answer *script;
    size_t script_len;
    struct fake_rule rules[FAKE_RULES_MAX]; /* by origin */
    size_t rule_count;
    enum whs_status refuses; /* what start answers instead of starting */
    struct fake_request *requests;
    size_t request_count;
    size_t first_under_way; /* none before it is */
    size_t in_flight;
    size_t in_flight_peak;
    size_t cancelled;
    bool forgetful; /* keeps no copies */
    pthread_mutex_t lock;
    pthread_cond_t woken;
    int wakes;
};

/* Owned by whoever gets `base`; `clock` may be NULL. */
struct fake_transport *fake_transport_create(struct fake_clock *clock);
void fake_transport_rule(struct fake_transport *fake, const char *origin,
                         struct fake_answer answer);
void fake_transport_script(struct fake_transport *fake,
                           const struct fake_answer *answers, size_t count);
/* Those that would never be answered are answered like this at the next poll. */
void fake_transport_release(struct fake_transport *fake, struct fake_answer answer);
/* The value of a request's header, to be freed; NULL: it has none. */
char *fake_request_header(const struct fake_request *request, const char *name);

#endif
