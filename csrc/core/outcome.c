/* SPDX-License-Identifier: MIT */
#include "outcome.h"

const char *
whs_outcome_name(enum whs_outcome outcome)
{
    switch (outcome) {
#define X(name, code, word)                                                            \
    case WHS_OUTCOME_##name:                                                           \
        return word;
        WHS_OUTCOME_MAP(X)
#undef X
    }
    return "?";
}

bool
whs_outcome_is_untried(enum whs_outcome outcome)
{
    return outcome == WHS_OUTCOME_SPILLED || outcome == WHS_OUTCOME_NOT_CONNECTED;
}

bool
whs_outcome_is_connection_failure(enum whs_outcome outcome)
{
    switch (outcome) {
    case WHS_OUTCOME_DNS_ERROR:
    case WHS_OUTCOME_CONNECT_ERROR:
    case WHS_OUTCOME_CONNECT_TIMEOUT:
    case WHS_OUTCOME_TLS_CERTIFICATE:
    case WHS_OUTCOME_TLS_HANDSHAKE:
    case WHS_OUTCOME_BLOCKED_ADDRESS:
    case WHS_OUTCOME_NOT_CONNECTED:
        return true;
    default:
        return false;
    }
}
