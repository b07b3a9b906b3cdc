/* SPDX-License-Identifier: MIT */
#include "transport_curl.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#include "alloc.h"
#include "transport_curl_callbacks.h"
#include "transport_curl_library.h"
#include "transport_curl_loop.h"
#include "transport_curl_options.h"
#include "transport_curl_outcome.h"
#include "transport_curl_resolve.h"
#include "transport_curl_transfer.h"

#define SECOND INT64_C(1000)
/* Places for lookups come free by the clock alone: it is looked at so often. */
#define RESOLVE_LOOK_MS 100
/* libcurl remembers the address of a name so long. */
#define ADDRESS_KEPT_MS INT64_C(60000)
const struct whs_curl_config whs_curl_config_default = {
    .connect_timeout_ms = 5 * SECOND,
    .total_timeout_ms = 15 * SECOND,
    .body_timeout_ms = 2 * SECOND,
    .retry_after_max_ms = 6 * 3600 * SECOND,
    .connections_max = 256,
    .connections_idle_max = 1024,
    .idle_max_ms = 30 * SECOND,
    .connection_age_max_ms = 600 * SECOND,
    .resolves_max = 64,
    .clock = {0},
};

struct curl_transport {
    struct whs_transport base;
    struct whs_curl_config config;
    struct whs_trust *trust;
    struct whs_curl_loop loop;
    struct whs_curl_resolves resolves;
    struct whs_curl_names names;
    struct whs_blocks blocks; /* libcurl's, while a verb is at work */
    /* Transfers, for a place among the lookups; those of each standing. */
    struct whs_link waiting[WHS_CURL_STANDINGS];
    struct whs_link under_way;      /* transfers that are added, oldest first */
    struct whs_link bodies;         /* those whose head has decided, likewise */
    struct whs_curl_transfer *idle; /* to be used again */
    struct whs_exchange *done;
    struct whs_exchange *done_last;
};

static struct curl_transport *
from_base(struct whs_transport *transport)
{
    return (struct curl_transport *)(void *)transport;
}

/* --- Transfers are used again, where libcurl can. --- */

static CURLcode
create_transfer(struct curl_transport *t, struct whs_curl_transfer **out)
{
    struct whs_curl_transfer *transfer = whs_curl_transfer_create(
        &t->config, &t->loop, &t->resolves, &t->names, &t->bodies);
    *out = NULL;
    if (!transfer)
        return CURLE_OUT_OF_MEMORY;
    CURLcode code = whs_curl_options_set(transfer->easy, &t->config);
    if (code == CURLE_OK)
        code = whs_curl_callbacks_set(transfer, t->trust);
    if (code == CURLE_OK)
        *out = transfer;
    else
        whs_curl_transfer_destroy(transfer);
    return code;
}

static struct whs_curl_transfer *
take_transfer(struct curl_transport *t)
{
    struct whs_curl_transfer *transfer = t->idle;
    if (transfer)
        t->idle = transfer->next_idle;
    else
        create_transfer(t, &transfer);
    return transfer;
}

static void
put_transfer(struct curl_transport *t, struct whs_curl_transfer *transfer)
{
    transfer->exchange = NULL;
    if (!whs_curl_library_forgets()) {
        whs_curl_transfer_destroy(transfer);
        return;
    }
    transfer->next_idle = t->idle;
    t->idle = transfer;
}

static struct whs_curl_transfer *
first_of(const struct whs_link *list)
{
    struct whs_link *link = whs_list_first(list);
    return link ? WHS_HOLDER(link, struct whs_curl_transfer, link) : NULL;
}

static struct whs_curl_transfer *
oldest_of(const struct curl_transport *t)
{
    struct whs_link *whole = whs_list_first(&t->under_way);
    return whole ? WHS_HOLDER(whole, struct whs_curl_transfer, whole) : NULL;
}

/* --- Ending. --- */

/* A socket that it opened and sent nothing through, because the connection hung, may
 * outlive it for a while: that is not asked about when the next exchange has its turn
 * with this transfer. */
static void
disown_sockets(struct curl_transport *t, const struct whs_curl_transfer *transfer)
{
    int fd = -1;
    while (transfer->opened && transfer->requests == 0 &&
           (fd = whs_curl_loop_next_opened(&t->loop, transfer, fd)) >= 0) {
    }
}

static void
remove_from_multi(struct curl_transport *t, struct whs_curl_transfer *transfer,
                  bool given_up)
{
    if (given_up)
        whs_curl_transfer_abandon_resolving(transfer);
    else
        whs_curl_transfer_end_resolving(transfer);
    curl_multi_remove_handle(t->loop.multi, transfer->easy);
    disown_sockets(t, transfer);
    whs_list_remove(&transfer->whole);
    transfer->added = false;
}

static void
append_done(struct curl_transport *t, struct whs_exchange *exchange)
{
    exchange->transfer = NULL;
    exchange->next_done = NULL;
    if (t->done)
        t->done_last->next_done = exchange;
    else
        t->done = exchange;
    t->done_last = exchange;
}

static void
note_lookup_failed(struct curl_transport *t, const struct whs_curl_transfer *transfer,
                   CURLcode code)
{
    if (transfer->added && !transfer->found &&
        (code == CURLE_OPERATION_TIMEDOUT || code == CURLE_COULDNT_RESOLVE_HOST))
        whs_curl_names_note_failed(&t->names, transfer->exchange->request.origin);
}

static void
finish(struct curl_transport *t, struct whs_curl_transfer *transfer, CURLcode code)
{
    struct whs_exchange *exchange = transfer->exchange;
    whs_curl_outcome_write(transfer, code);
    note_lookup_failed(t, transfer, code);
    if (transfer->added)
        remove_from_multi(t, transfer, code == CURLE_OPERATION_TIMEDOUT);
    whs_list_remove(&transfer->link);
    append_done(t, exchange);
    put_transfer(t, transfer);
}

static void
collect_ended(struct curl_transport *t)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(t->loop.multi, &left))) {
        struct whs_curl_transfer *transfer = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        if (message->msg == CURLMSG_DONE && transfer)
            finish(t, transfer, code);
    }
}

/* All are given the same time, so the first of a list is the first to be over. libcurl
 * would keep the whole time as well, at the cost of a timer for each request.
 *
 * What an endpoint says after its head, or withholds, changes nothing any more. */
static void
expire(struct curl_transport *t)
{
    int64_t now_ms = t->loop.now_ms;
    struct whs_curl_transfer *transfer;
    while ((transfer = first_of(&t->bodies)) && transfer->body_until_ms <= now_ms)
        finish(t, transfer, CURLE_OPERATION_TIMEDOUT);
    while ((transfer = oldest_of(t)) && transfer->until_ms <= now_ms)
        finish(t, transfer, CURLE_OPERATION_TIMEDOUT);
}

/* --- Starting: no more lookups at once than there may be threads for. --- */

/* The handle may be libcurl's own, by which its pool of threads wakes it up. */
static void
note_lookup(CURL *easy, int fd)
{
    struct whs_curl_transfer *transfer = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
    if (transfer && transfer->resolving && transfer->lookup_fd < 0)
        transfer->lookup_fd = whs_curl_resolves_copy(fd);
}

static void
admit(struct curl_transport *t, struct whs_curl_transfer *transfer, bool with_place)
{
    transfer->resolving = with_place;
    transfer->added = true;
    transfer->until_ms = t->loop.now_ms + t->config.total_timeout_ms;
    whs_list_append(&t->under_way, &transfer->whole);
    if (curl_multi_add_handle(t->loop.multi, transfer->easy) != CURLM_OK)
        finish(t, transfer, CURLE_FAILED_INIT);
}

static struct whs_curl_transfer *
first_waiting(const struct curl_transport *t, size_t standing)
{
    return first_of(&t->waiting[standing]);
}

static bool
is_any_waiting(const struct curl_transport *t)
{
    for (size_t standing = 0; standing < WHS_CURL_STANDINGS; standing++)
        if (first_waiting(t, standing))
            return true;
    return false;
}

static unsigned
share_of(const struct curl_transport *t, size_t standing)
{
    return whs_curl_names_share((enum whs_curl_standing)standing, t->resolves.max);
}

static bool
may_admit(struct curl_transport *t)
{
    for (size_t standing = 0; standing < WHS_CURL_STANDINGS; standing++)
        if (first_waiting(t, standing) &&
            whs_curl_resolves_has_room(&t->resolves, share_of(t, standing)))
            return true;
    return false;
}

static void
admit_waiting(struct curl_transport *t)
{
    struct whs_curl_transfer *transfer;
    for (size_t standing = 0; standing < WHS_CURL_STANDINGS; standing++)
        while ((transfer = first_waiting(t, standing)) &&
               whs_curl_resolves_take(&t->resolves, share_of(t, standing))) {
            whs_list_remove(&transfer->link);
            admit(t, transfer, true);
        }
}

/* Its connection is kept, and if all are busy libcurl still knows the address: it
 * starts also when no place is free. */
static bool
needs_no_lookup(const struct curl_transport *t,
                const struct whs_curl_transfer *transfer)
{
    const struct whs_request *request = &transfer->exchange->request;
    int64_t kept_ms = t->config.idle_max_ms;
    if (kept_ms > ADDRESS_KEPT_MS)
        kept_ms = ADDRESS_KEPT_MS;
    return !request->fresh_connection &&
           whs_curl_names_found_since(&t->names, request->origin,
                                      transfer->began_ms - kept_ms);
}

static void
admit_or_wait(struct curl_transport *t, struct whs_curl_transfer *transfer)
{
    const struct whs_request *request = &transfer->exchange->request;
    if (needs_no_lookup(t, transfer)) {
        admit(t, transfer, whs_curl_resolves_take(&t->resolves, t->resolves.max));
        return;
    }
    enum whs_curl_standing standing = whs_curl_names_judge(&t->names, request->origin);
    whs_list_append(&t->waiting[standing], &transfer->link);
    admit_waiting(t);
}

/* Most need no lookup after all, which shows once libcurl has begun with them: then
 * their places are for the next ones. */
static void
start_waiting(struct curl_transport *t)
{
    do {
        admit_waiting(t);
        whs_curl_loop_run_timer(&t->loop);
    } while (may_admit(t));
}

/* Those that found no place in time. That says nothing about their hosts, which must
 * not be blamed for the slow names of others. */
static void
expire_waiting(struct curl_transport *t)
{
    const struct whs_clock *clock = &t->config.clock;
    struct whs_curl_transfer *transfer;
    if (!is_any_waiting(t))
        return;
    int64_t oldest_ms = clock->mono_ms(clock->ctx) - t->config.connect_timeout_ms;
    for (size_t standing = 0; standing < WHS_CURL_STANDINGS; standing++)
        while ((transfer = first_waiting(t, standing)) &&
               transfer->began_ms <= oldest_ms) {
            transfer->local_failure = true;
            finish(t, transfer, CURLE_COULDNT_RESOLVE_HOST);
        }
}

/* --- The five verbs. --- */

static enum whs_status
begin_and_admit(struct curl_transport *t, struct whs_exchange *exchange,
                struct whs_error *err)
{
    struct whs_curl_transfer *transfer = take_transfer(t);
    if (!transfer)
        return whs_error_set(err, WHS_NO_MEMORY, "no memory for a request");
    CURLcode code = whs_curl_transfer_begin(transfer, exchange);
    if (code != CURLE_OK) {
        put_transfer(t, transfer);
        return whs_error_set(err,
                             code == CURLE_OUT_OF_MEMORY ? WHS_NO_MEMORY : WHS_SYSTEM,
                             "%s", curl_easy_strerror(code));
    }
    admit_or_wait(t, transfer);
    return WHS_OK;
}

static enum whs_status
start_exchange(struct whs_transport *transport, struct whs_exchange *exchange,
               struct whs_error *err)
{
    struct curl_transport *t = from_base(transport);
    whs_curl_library_use(&t->blocks);
    enum whs_status status = begin_and_admit(t, exchange, err);
    whs_curl_library_use(NULL);
    return status;
}

static void
cancel_exchange(struct whs_transport *transport, struct whs_exchange *exchange)
{
    struct curl_transport *t = from_base(transport);
    struct whs_curl_transfer *transfer = exchange->transfer;
    if (!transfer)
        return;
    whs_curl_library_use(&t->blocks);
    if (transfer->added)
        remove_from_multi(t, transfer, true);
    whs_list_remove(&transfer->link);
    exchange->transfer = NULL;
    put_transfer(t, transfer);
    whs_curl_library_use(NULL);
}

static int64_t
sooner(int64_t wait_ms, int64_t other_ms)
{
    other_ms = other_ms > 0 ? other_ms : 0;
    return wait_ms < 0 || other_ms < wait_ms ? other_ms : wait_ms;
}

static int64_t
choose_wait(const struct curl_transport *t, int timeout_ms)
{
    const struct whs_clock *clock = &t->config.clock;
    const struct whs_curl_transfer *body = first_of(&t->bodies);
    const struct whs_curl_transfer *oldest = oldest_of(t);
    int64_t wait_ms = timeout_ms;
    if (t->done)
        return 0;
    int64_t now_ms = oldest ? clock->mono_ms(clock->ctx) : 0;
    if (is_any_waiting(t))
        wait_ms = sooner(wait_ms, RESOLVE_LOOK_MS);
    if (oldest)
        wait_ms = sooner(wait_ms, oldest->until_ms - now_ms);
    if (body)
        wait_ms = sooner(wait_ms, body->body_until_ms - now_ms);
    return wait_ms;
}

static struct whs_exchange *
poll_exchanges(struct whs_transport *transport, int timeout_ms)
{
    struct curl_transport *t = from_base(transport);
    whs_curl_library_use(&t->blocks);
    start_waiting(t);
    collect_ended(t);
    whs_curl_loop_turn(&t->loop, choose_wait(t, timeout_ms));
    collect_ended(t);
    expire(t);
    expire_waiting(t);
    whs_curl_library_use(NULL);
    struct whs_exchange *done = t->done;
    t->done = t->done_last = NULL;
    return done;
}

static void
wake(struct whs_transport *transport)
{
    whs_curl_loop_wake(&from_base(transport)->loop);
}

static void
destroy(struct whs_transport *transport)
{
    struct curl_transport *t = from_base(transport);
    whs_curl_library_use(&t->blocks);
    while (t->idle) {
        struct whs_curl_transfer *transfer = t->idle;
        t->idle = transfer->next_idle;
        whs_curl_transfer_destroy(transfer);
    }
    whs_curl_loop_fini(&t->loop);
    whs_curl_resolves_fini(&t->resolves);
    whs_curl_names_fini(&t->names);
    whs_curl_library_use(NULL);
    whs_blocks_fini(&t->blocks);
    whs_trust_destroy(t->trust);
    whs_free(t);
}

static const struct whs_transport_verbs verbs = {
    .start = start_exchange,
    .poll = poll_exchanges,
    .cancel = cancel_exchange,
    .wake = wake,
    .destroy = destroy,
};

/* --- Life. --- */

static bool
set_up(struct curl_transport *t)
{
    bool loop = whs_curl_loop_init(&t->loop, t->config.clock, note_lookup);
    bool resolves =
        whs_curl_resolves_init(&t->resolves, t->config.resolves_max, t->config.clock);
    return loop && resolves && whs_curl_names_init(&t->names) &&
           whs_curl_limits_set(t->loop.multi, &t->config);
}

/* An option that this libcurl does not know shows here, and not as attempts that never
 * start. */
static enum whs_status
make_first_transfer(struct curl_transport *t, struct whs_error *err)
{
    struct whs_curl_transfer *transfer;
    CURLcode code = create_transfer(t, &transfer);
    if (code == CURLE_OUT_OF_MEMORY)
        return whs_error_set(err, WHS_NO_MEMORY, "no memory for a request");
    if (code != CURLE_OK)
        return whs_error_set(err, WHS_CONFIGURATION,
                             "libcurl %s lacks something that webhooksub needs: %s",
                             curl_version_info(CURLVERSION_NOW)->version,
                             curl_easy_strerror(code));
    put_transfer(t, transfer);
    return WHS_OK;
}

enum whs_status
whs_transport_curl_create(const struct whs_curl_config *config, struct whs_trust *trust,
                          struct whs_transport **out, struct whs_error *err)
{
    *out = NULL;
    enum whs_status status = whs_curl_library_check(err);
    struct curl_transport *t = status == WHS_OK ? whs_calloc(1, sizeof(*t)) : NULL;
    if (!t) {
        whs_trust_destroy(trust);
        return status != WHS_OK ? status
                                : whs_error_set(err, WHS_NO_MEMORY, "out of memory");
    }
    t->base.verbs = &verbs;
    t->config = *config;
    if (!t->config.clock.mono_ms)
        t->config.clock = whs_clock_system;
    t->trust = trust;
    for (size_t standing = 0; standing < WHS_CURL_STANDINGS; standing++)
        whs_link_init(&t->waiting[standing]);
    whs_link_init(&t->under_way);
    whs_link_init(&t->bodies);
    if (!set_up(t)) {
        int error = errno;
        destroy(&t->base);
        return whs_error_set(err, WHS_SYSTEM, "the transport cannot be set up: %s",
                             strerror(error));
    }
    status = make_first_transfer(t, err);
    if (status == WHS_OK)
        *out = &t->base;
    else
        destroy(&t->base);
    return status;
}

const char *
whs_transport_curl_version(void)
{
    return curl_version();
}
