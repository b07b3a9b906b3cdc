/* SPDX-License-Identifier: MIT
 *
 * The head of an answer, line by line, and the fields of it that are asked for. The
 * first line is now in seconds, the second the most that Retry-After may ask for; the
 * rest is heads.
 *
 *   no line is read beyond its end, and none behind a refusal
 *   a head that is complete has a final status, and one outcome
 *   a value that is told is one line of the head, without blanks at its ends
 */
#include <stdlib.h>

#include "fields.h"
#include "fuzz.h"
#include "head.h"

#define SECOND_MS INT64_C(1000)

/* With its end, as libcurl hands it over. */
static struct whs_slice
take_line(struct whs_slice *input)
{
    struct whs_slice whole = *input;
    size_t len = fuzz_line(input).len;
    return (struct whs_slice){whole.ptr, whole.len > len ? len + 1 : len};
}

static void
check_value(const char *value, struct whs_slice heads)
{
    size_t len = strnlen(value, WHS_FIELD_SIZE);
    FUZZ_CHECK(len < WHS_FIELD_SIZE);
    FUZZ_CHECK(!strchr(value, '\n'));
    FUZZ_CHECK(len == 0 || !strchr(" \t\r", value[0]));
    FUZZ_CHECK(len == 0 || memmem(heads.ptr, heads.len, value, len));
}

static void
check_head(const struct whs_head *head, int64_t max_ms)
{
    FUZZ_CHECK(head->status == 0 || (head->status >= 100 && head->status <= 999));
    FUZZ_CHECK(!head->complete || head->status >= 200);
    FUZZ_CHECK(!head->begun || !head->complete);
    FUZZ_CHECK(head->retry_after_ms >= -1 && head->retry_after_ms <= max_ms);
    FUZZ_CHECK(head->refused || head->fields <= WHS_HEAD_FIELDS_MAX);
    FUZZ_CHECK(head->refused || head->complete || head->bytes <= WHS_HEAD_BYTES_MAX);
    if (!head->complete)
        return;
    enum whs_outcome outcome = whs_head_outcome(head);
    FUZZ_CHECK((outcome == WHS_OUTCOME_SUCCESS) == (head->status < 300));
    FUZZ_CHECK((outcome == WHS_OUTCOME_GONE) == (head->status == 410));
}

static int64_t
read_given(void *now_ms)
{
    return *(const int64_t *)now_ms;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct whs_slice input = {(const char *)data, size};
    int64_t now_ms = fuzz_number(fuzz_line(&input), 0, INT32_MAX) * SECOND_MS;
    int64_t max_ms = fuzz_number(fuzz_line(&input), 0, INT32_MAX) * SECOND_MS;
    const struct whs_clock clock = {.wall_ms = read_given, .ctx = &now_ms};
    struct whs_slice heads = input;
    struct whs_head head = {.retry_after_ms = -1};
    struct whs_fields fields = {0};
    bool goes_on = true;
    while (goes_on && input.len > 0) {
        struct whs_slice line = take_line(&input);
        char *copy = fuzz_copy(line, false);
        bool was_complete = head.complete;
        int status = head.status;
        line.ptr = copy;
        goes_on = whs_head_read(&head, line, &clock, max_ms);
        if (goes_on && !was_complete)
            whs_fields_read(&fields, line);
        FUZZ_CHECK(!was_complete || (head.complete && head.status == status));
        check_head(&head, max_ms);
        free(copy);
    }
#define X(member, name) check_value(fields.member, heads);
    WHS_FIELD_MAP(X)
#undef X
    return 0;
}
