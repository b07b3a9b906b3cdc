/* SPDX-License-Identifier: MIT
 *
 * Instants. The first line is now, in seconds; the rest is a date of RFC 3339, or one
 * of HTTP.
 *
 *   what is read lies in the years 0001–9999, and is what the C library makes of its
 * digits what is written of it reads back as it
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "date.h"
#include "fuzz.h"

#define SECOND_MS INT64_C(1000)
#define YEAR_1_MS INT64_C(-62135596800000)
#define YEAR_9999_MS INT64_C(253402300799999)

/* Milliseconds; the fraction ends at what is no digit. */
static int64_t
read_fraction(const char *text)
{
    int64_t ms = 0, digit = 100;
    if (*text != '.')
        return 0;
    for (text++; *text >= '0' && *text <= '9'; text++, digit /= 10)
        ms += digit * (*text - '0');
    return ms;
}

/* Of a date that was accepted: its fields stand where they stand in every date. */
static int64_t
read_by_the_c_library(const char *text)
{
    struct tm tm = {0};
    int hours = 0, minutes = 0;
    FUZZ_CHECK(sscanf(text, "%4d-%2d-%2d%*c%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon,
                      &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) == 6);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    const char *offset = text + strlen(text) - sizeof("+00:00") + 1;
    if (text[strlen(text) - 1] != 'Z' && text[strlen(text) - 1] != 'z')
        FUZZ_CHECK(sscanf(offset + 1, "%2d:%2d", &hours, &minutes) == 2);
    int64_t away = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    int64_t utc = (int64_t)timegm(&tm) - (*offset == '-' ? -away : away);
    return utc * SECOND_MS + read_fraction(text + sizeof("2029-07-07T17:40:40") - 1);
}

static void
check_rfc3339(const char *text, struct whs_slice slice)
{
    char written[WHS_DATE_TEXT_SIZE];
    int64_t ms, again;
    if (!whs_date_parse(slice, &ms))
        return;
    FUZZ_CHECK(ms >= YEAR_1_MS && ms <= YEAR_9999_MS);
    FUZZ_CHECK(ms == read_by_the_c_library(text));
    whs_date_format(ms, written);
    FUZZ_CHECK(whs_date_parse(whs_slice_of(written), &again) && again == ms);
}

static void
check_http(struct whs_slice text, int64_t now_ms)
{
    char written[64];
    int64_t ms, again;
    struct tm tm;
    if (!whs_http_date_parse(text, now_ms, &ms))
        return;
    time_t seconds = (time_t)(ms / SECOND_MS);
    FUZZ_CHECK(ms % SECOND_MS == 0);
    FUZZ_CHECK(gmtime_r(&seconds, &tm));
    strftime(written, sizeof(written), "%a, %d %b ", &tm);
    snprintf(written + 12, sizeof(written) - 12, "%04d %02d:%02d:%02d GMT",
             tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    FUZZ_CHECK(whs_http_date_parse(whs_slice_of(written), now_ms, &again));
    FUZZ_CHECK(again == ms);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct whs_slice input = {(const char *)data, size};
    int64_t now_s = fuzz_number(fuzz_line(&input), 0, YEAR_9999_MS / SECOND_MS);
    char *exact = fuzz_copy(input, false), *text = fuzz_copy(input, true);
    struct whs_slice slice = {exact, input.len};
    check_rfc3339(text, slice);
    check_http(slice, now_s * SECOND_MS);
    free(exact);
    free(text);
    return 0;
}
