/* SPDX-License-Identifier: MIT */
#include "transport_curl_outcome.h"

#include <string.h>

#include "text.h"

/* CURLE_TOO_LARGE of libcurl 8.6, by number: the library may be newer than the headers.
 * Before it a line that is too long is called want of memory. */
#define TOO_LARGE 100

static enum whs_outcome
classify_timeout(const struct whs_curl_transfer *transfer)
{
    if (transfer->requests > 0)
        return WHS_OUTCOME_TIMEOUT;
    return transfer->resolving ? WHS_OUTCOME_DNS_ERROR : WHS_OUTCOME_CONNECT_TIMEOUT;
}

static enum whs_outcome
classify_broken(const struct whs_curl_transfer *transfer)
{
    if (transfer->requests == 0)
        return WHS_OUTCOME_TLS_HANDSHAKE;
    return transfer->head.refused ? WHS_OUTCOME_PROTOCOL_ERROR : WHS_OUTCOME_UNKNOWN;
}

static enum whs_outcome
classify_code(const struct whs_curl_transfer *transfer, CURLcode code)
{
    if ((int)code == TOO_LARGE)
        return WHS_OUTCOME_PROTOCOL_ERROR;
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return classify_timeout(transfer);
    case CURLE_COULDNT_RESOLVE_HOST:
        return WHS_OUTCOME_DNS_ERROR;
    case CURLE_COULDNT_CONNECT:
        return WHS_OUTCOME_CONNECT_ERROR;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return WHS_OUTCOME_TLS_CERTIFICATE;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
        return WHS_OUTCOME_TLS_HANDSHAKE;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return classify_broken(transfer);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_WRITE_ERROR:
        return WHS_OUTCOME_PROTOCOL_ERROR;
    default: /* also CURLE_OK, when the connection ended within the head */
        return transfer->requests > 0 ? WHS_OUTCOME_UNKNOWN : WHS_OUTCOME_LOCAL_ERROR;
    }
}

/* There was no way to the endpoint, which therefore is not to blame: the proxy was not
 * reached, or answered CONNECT by anything but 2xx. */
static bool
is_proxys(const struct whs_curl_transfer *transfer)
{
    long code = 0;
    if (!transfer->config->proxy[0] || transfer->requests > 0)
        return false;
    curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &code);
    return code < 200 || code >= 300;
}

static enum whs_outcome
classify(const struct whs_curl_transfer *transfer, CURLcode code)
{
    if (transfer->blocked)
        return WHS_OUTCOME_BLOCKED_ADDRESS;
    if (transfer->resend_refused)
        return WHS_OUTCOME_RESEND_REFUSED;
    if (transfer->late)
        return WHS_OUTCOME_SPILLED;
    if (transfer->head.complete)
        return whs_head_outcome(&transfer->head);
    if (transfer->head.refused)
        return WHS_OUTCOME_PROTOCOL_ERROR;
    if (transfer->local_failure || is_proxys(transfer))
        return WHS_OUTCOME_LOCAL_ERROR;
    return classify_code(transfer, code);
}

void
whs_curl_outcome_write(const struct whs_curl_transfer *transfer, CURLcode code)
{
    struct whs_answer *answer = &transfer->exchange->answer;
    const struct whs_head *head = &transfer->head;
    answer->outcome = classify(transfer, code);
    answer->http_status = head->complete ? head->status : 0;
    answer->retry_after_ms = head->complete ? head->retry_after_ms : -1;
    answer->duration_ms = transfer->loop->now_ms - transfer->began_ms;
    memcpy(answer->address, transfer->address, sizeof(answer->address));
    whs_text_copy(answer->detail, sizeof(answer->detail),
                  code == CURLE_OK ? NULL : curl_easy_strerror(code));
}
