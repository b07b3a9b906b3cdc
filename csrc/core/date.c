/* SPDX-License-Identifier: MIT */
#include "date.h"

#include <string.h>

#define SECOND_MS INT64_C(1000)
#define DAY_S INT64_C(86400)
/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z */
#define FIRST_MS INT64_C(-62135596800000)
#define LAST_MS INT64_C(253402300799999)

/* A text that is read from left to right; `ok` falls once and stays. */
struct reader {
    struct whs_slice rest;
    bool ok;
};

struct moment {
    int year, month, day, hour, minute, second, ms;
};

static char
take_char(struct reader *in)
{
    if (in->rest.len == 0) {
        in->ok = false;
        return '\0';
    }
    in->rest.len--;
    return *in->rest.ptr++;
}

static void
expect(struct reader *in, const char *text)
{
    for (; *text; text++)
        if (take_char(in) != *text)
            in->ok = false;
}

static int
take_number(struct reader *in, int digits)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        char c = take_char(in);
        if (c < '0' || c > '9')
            in->ok = false;
        value = value * 10 + (c - '0');
    }
    return in->ok ? value : 0;
}

static bool
peek_is(const struct reader *in, char c)
{
    return in->rest.len > 0 && in->rest.ptr[0] == c;
}

static bool
peek_is_digit(const struct reader *in)
{
    return in->rest.len > 0 && in->rest.ptr[0] >= '0' && in->rest.ptr[0] <= '9';
}

static bool
is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int
count_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static bool
is_possible(const struct moment *m)
{
    return m->year >= 1 && m->year <= 9999 && m->month >= 1 && m->month <= 12 &&
           m->day >= 1 && m->day <= count_days(m->year, m->month) && m->hour <= 23 &&
           m->minute <= 59 && m->second <= 59;
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar, in years that begin in
 * March so that the leap day is the last one. */
static int64_t
days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static int64_t
to_ms(const struct moment *m)
{
    int64_t seconds = days_from_civil(m->year, m->month, m->day) * DAY_S +
                      m->hour * 3600 + m->minute * 60 + m->second;
    return seconds * SECOND_MS + m->ms;
}

static int
take_fraction_ms(struct reader *in)
{
    if (!peek_is(in, '.'))
        return 0;
    take_char(in);
    int ms = 0, place = 100;
    if (!peek_is_digit(in))
        in->ok = false;
    for (; peek_is_digit(in); place /= 10)
        ms += (take_char(in) - '0') * place;
    return ms;
}

static int
take_offset_minutes(struct reader *in)
{
    char sign = take_char(in);
    if (sign == 'Z' || sign == 'z')
        return 0;
    int hours = take_number(in, 2);
    expect(in, ":");
    int minutes = take_number(in, 2);
    if ((sign != '+' && sign != '-') || hours > 23 || minutes > 59)
        in->ok = false;
    return (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
}

bool
whs_date_parse(struct whs_slice text, int64_t *utc_ms)
{
    struct reader in = {text, true};
    struct moment m = {0};
    m.year = take_number(&in, 4);
    expect(&in, "-");
    m.month = take_number(&in, 2);
    expect(&in, "-");
    m.day = take_number(&in, 2);
    char between = take_char(&in);
    m.hour = take_number(&in, 2);
    expect(&in, ":");
    m.minute = take_number(&in, 2);
    expect(&in, ":");
    m.second = take_number(&in, 2);
    m.ms = take_fraction_ms(&in);
    int offset = take_offset_minutes(&in);
    if (!in.ok || in.rest.len > 0 || (between != 'T' && between != 't') ||
        !is_possible(&m))
        return false;
    int64_t ms = to_ms(&m) - offset * 60 * SECOND_MS;
    if (ms < FIRST_MS || ms > LAST_MS)
        return false;
    *utc_ms = ms;
    return true;
}

static void
write_number(char *out, int digits, int64_t value)
{
    for (int i = digits - 1; i >= 0; i--, value /= 10)
        out[i] = (char)('0' + value % 10);
}

static int64_t
divide_down(int64_t value, int64_t by)
{
    return value >= 0 ? value / by : -((-value + by - 1) / by);
}

static void
format(int64_t utc_ms, char out[WHS_DATE_TEXT_SIZE])
{
    int64_t days = divide_down(utc_ms, DAY_S * SECOND_MS);
    int64_t ms = utc_ms - days * DAY_S * SECOND_MS;
    int64_t shifted = days + 719468, era = divide_down(shifted, 146097);
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) /
        365;
    int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * day_of_year + 2) / 153;
    int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;
    memcpy(out, "0000-00-00T00:00:00.000Z", WHS_DATE_TEXT_SIZE);
    write_number(out, 4, year_of_era + era * 400 + (month <= 2));
    write_number(out + 5, 2, month);
    write_number(out + 8, 2, day_of_year - (153 * from_march + 2) / 5 + 1);
    write_number(out + 11, 2, ms / 3600000);
    write_number(out + 14, 2, ms / 60000 % 60);
    write_number(out + 17, 2, ms / 1000 % 60);
    write_number(out + 20, 3, ms % 1000);
}

/* Many in a row are the same: events that were published together. */
void
whs_date_format(int64_t utc_ms, char out[WHS_DATE_TEXT_SIZE])
{
    static _Thread_local int64_t last_ms = INT64_MIN;
    static _Thread_local char last[WHS_DATE_TEXT_SIZE];
    if (utc_ms != last_ms || last_ms == INT64_MIN)
        format(utc_ms, last);
    last_ms = utc_ms;
    memcpy(out, last, sizeof(last));
}

static int
take_month(struct reader *in)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char name[3];
    for (int i = 0; i < 3; i++)
        name[i] = take_char(in);
    for (int month = 1; month <= 12; month++)
        if (memcmp(names + 3 * (month - 1), name, 3) == 0)
            return month;
    in->ok = false;
    return 1;
}

static void
take_time(struct reader *in, struct moment *m)
{
    m->hour = take_number(in, 2);
    expect(in, ":");
    m->minute = take_number(in, 2);
    expect(in, ":");
    m->second = take_number(in, 2);
    if (m->second == 60) /* RFC 9110 allows a leap second here */
        m->second = 59;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", from behind the comma. */
static void
take_imf(struct reader *in, struct moment *m)
{
    m->day = take_number(in, 2);
    expect(in, " ");
    m->month = take_month(in);
    expect(in, " ");
    m->year = take_number(in, 4);
    expect(in, " ");
    take_time(in, m);
    expect(in, " GMT");
}

/* "Sunday, 06-Nov-94 08:49:37 GMT": a two-digit year that would lie more than 50 years
 * ahead means the century before (RFC 9110 section 5.6.7). */
static void
take_rfc850(struct reader *in, struct moment *m, int64_t now_ms)
{
    m->day = take_number(in, 2);
    expect(in, "-");
    m->month = take_month(in);
    expect(in, "-");
    int year = take_number(in, 2);
    expect(in, " ");
    take_time(in, m);
    expect(in, " GMT");
    char now[WHS_DATE_TEXT_SIZE];
    whs_date_format(now_ms, now);
    int this_year = (now[0] - '0') * 1000 + (now[1] - '0') * 100 + (now[2] - '0') * 10 +
                    (now[3] - '0');
    m->year = this_year / 100 * 100 + year;
    if (m->year > this_year + 50)
        m->year -= 100;
}

/* "Sun Nov  6 08:49:37 1994", from behind the first space. */
static void
take_asctime(struct reader *in, struct moment *m)
{
    m->month = take_month(in);
    expect(in, " ");
    if (peek_is(in, ' ')) {
        take_char(in);
        m->day = take_number(in, 1);
    } else {
        m->day = take_number(in, 2);
    }
    expect(in, " ");
    take_time(in, m);
    expect(in, " ");
    m->year = take_number(in, 4);
}

bool
whs_http_date_parse(struct whs_slice text, int64_t now_ms, int64_t *utc_ms)
{
    struct reader in = {text, true};
    struct moment m = {0};
    while (in.rest.len > 0 &&
           ((in.rest.ptr[0] | 0x20) >= 'a' && (in.rest.ptr[0] | 0x20) <= 'z'))
        take_char(&in);
    size_t name = text.len - in.rest.len;
    if (name < 3 || name > 9)
        return false;
    if (peek_is(&in, ',')) {
        expect(&in, ", ");
        if (name == 3)
            take_imf(&in, &m);
        else
            take_rfc850(&in, &m, now_ms);
    } else {
        expect(&in, " ");
        take_asctime(&in, &m);
    }
    if (!in.ok || in.rest.len > 0 || !is_possible(&m))
        return false;
    *utc_ms = to_ms(&m);
    return true;
}
