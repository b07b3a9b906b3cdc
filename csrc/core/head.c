/* SPDX-License-Identifier: MIT */
#include "head.h"

#include "retry.h"

#define STATUS_AT (sizeof("HTTP/1.1 ") - 1)
#define STATUS_MIN 100

static struct whs_slice
trim_end(struct whs_slice line)
{
    while (line.len > 0 &&
           (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    return line;
}

/* "HTTP/1.1 204 No Content" → 204, 0 when it is no status line of HTTP/1.0 or 1.1.
 * libcurl's versions differ in what they take for one. */
static int
read_status(struct whs_slice line)
{
    const char *code = line.ptr + STATUS_AT;
    if (line.len < STATUS_AT + 3 || (memcmp(line.ptr, "HTTP/1.1 ", STATUS_AT) != 0 &&
                                     memcmp(line.ptr, "HTTP/1.0 ", STATUS_AT) != 0))
        return 0;
    int status = 0;
    for (int i = 0; i < 3; i++) {
        if (code[i] < '0' || code[i] > '9')
            return 0;
        status = status * 10 + (code[i] - '0');
    }
    bool ends = line.len == STATUS_AT + 3 || code[3] == ' ';
    return ends && status >= STATUS_MIN ? status : 0;
}

static void
begin(struct whs_head *head, int status)
{
    head->begun = true;
    head->status = status;
    head->content_lengths = 0;
    head->transfer_encoding = false;
    head->retry_after_ms = -1;
}

static void
end(struct whs_head *head)
{
    head->begun = false;
    head->complete = head->status >= 200;
}

static void
read_field(struct whs_head *head, struct whs_slice line, const struct whs_clock *clock,
           int64_t retry_after_max_ms)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    head->fields++;
    if (!colon)
        return;
    struct whs_slice name = {line.ptr, (size_t)(colon - line.ptr)};
    struct whs_slice value = {colon + 1, line.len - name.len - 1};
    if (whs_slice_equal_nocase(name, WHS_SLICE("content-length")))
        head->content_lengths++;
    else if (whs_slice_equal_nocase(name, WHS_SLICE("transfer-encoding")))
        head->transfer_encoding = true;
    else if (whs_slice_equal_nocase(name, WHS_SLICE("retry-after"))) {
        int64_t now_ms = clock->wall_ms(clock->ctx);
        int64_t asked = whs_retry_after_parse(value, now_ms, retry_after_max_ms);
        if (asked > head->retry_after_ms)
            head->retry_after_ms = asked;
    }
}

bool
whs_head_read(struct whs_head *head, struct whs_slice line,
              const struct whs_clock *clock, int64_t retry_after_max_ms)
{
    bool is_whole = line.len > 0 && line.ptr[line.len - 1] == '\n';
    head->bytes += (int64_t)line.len;
    /* Trailers of a chunked body, or what the end of the connection has cut off. */
    if (head->complete || !is_whole)
        return head->bytes <= WHS_HEAD_BYTES_MAX;
    line = trim_end(line);
    if (line.len == 0)
        end(head);
    else if (head->begun)
        read_field(head, line, clock, retry_after_max_ms);
    else
        begin(head, read_status(line));
    head->ambiguous = head->content_lengths > 1 ||
                      (head->content_lengths > 0 && head->transfer_encoding);
    head->refused = head->status == 0 || head->status == 101 ||
                    head->fields > WHS_HEAD_FIELDS_MAX ||
                    head->bytes > WHS_HEAD_BYTES_MAX;
    return !head->refused;
}

enum whs_outcome
whs_head_outcome(const struct whs_head *head)
{
    if (head->status >= 200 && head->status < 300)
        return WHS_OUTCOME_SUCCESS;
    if (head->status >= 300 && head->status < 400)
        return WHS_OUTCOME_REDIRECT;
    return head->status == 410 ? WHS_OUTCOME_GONE : WHS_OUTCOME_HTTP_ERROR;
}
