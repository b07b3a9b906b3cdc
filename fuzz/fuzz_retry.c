/* SPDX-License-Identifier: MIT
 *
 * Retry-After, and what is decided by it. The first line is now in seconds, the second
 * the most that is waited in seconds, the third a number for chance; the rest is the
 * value.
 *
 *   seconds are what their digits say, and never more than the most
 *   a retry waits at least as long as it was asked to, and no longer than the most or a
 * day and its jitter
 */
#include <stdlib.h>

#include "fuzz.h"
#include "retry.h"

#define SECOND_MS INT64_C(1000)
#define LONGEST_STEP_MS (INT64_C(24) * 3600 * SECOND_MS * 6 / 5)

static struct whs_slice
trim(struct whs_slice text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = (struct whs_slice){text.ptr + 1, text.len - 1};
    while (text.len > 0 &&
           (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

static void
check_seconds(struct whs_slice value, int64_t max_ms, int64_t asked_ms)
{
    unsigned __int128 ms = 0, most = (unsigned __int128)max_ms;
    value = trim(value);
    if (value.len == 0 || value.len > 30)
        return;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return;
        ms = ms * 10 + (unsigned)(value.ptr[i] - '0') * 1000u;
    }
    FUZZ_CHECK((unsigned __int128)asked_ms == (ms < most ? ms : most));
}

static void
check_decision(int64_t asked_ms, int64_t max_ms, uint64_t random)
{
    struct whs_retry_policy policy = whs_retry_policy_default;
    policy.retry_after_max_ms = max_ms;
    for (int attempt = 1; attempt <= 12; attempt++) {
        struct whs_retry_facts facts = {.outcome = WHS_OUTCOME_HTTP_ERROR,
                                        .http_status = 503,
                                        .attempt = attempt,
                                        .max_retries = -1,
                                        .retry_after_ms = asked_ms,
                                        .random = random * (uint64_t)attempt};
        struct whs_decision decision = whs_retry_decide(&policy, &facts);
        int64_t most_ms = max_ms > LONGEST_STEP_MS ? max_ms : LONGEST_STEP_MS;
        bool last = whs_retry_is_last(&policy, attempt, -1);
        FUZZ_CHECK(decision.verdict == (last ? WHS_VERDICT_DEAD : WHS_VERDICT_RETRY));
        FUZZ_CHECK(last || (decision.delay_ms >= asked_ms && decision.delay_ms > 0));
        FUZZ_CHECK(decision.delay_ms <= most_ms);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct whs_slice input = {(const char *)data, size};
    int64_t now_ms = fuzz_number(fuzz_line(&input), 0, INT32_MAX) * SECOND_MS;
    int64_t max_ms = fuzz_number(fuzz_line(&input), 0, INT32_MAX) * SECOND_MS;
    uint64_t random = (uint64_t)fuzz_number(fuzz_line(&input), INT64_MIN, INT64_MAX);
    char *copy = fuzz_copy(input, false);
    struct whs_slice value = {copy, input.len};
    int64_t asked_ms = whs_retry_after_parse(value, now_ms, max_ms);
    FUZZ_CHECK(asked_ms >= -1 && asked_ms <= max_ms);
    check_seconds(value, max_ms, asked_ms);
    check_decision(asked_ms, max_ms, random);
    free(copy);
    return 0;
}
