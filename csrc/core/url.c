/* SPDX-License-Identifier: MIT */
#include "url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define HOST_BYTES_MAX 253 /* RFC 1035 section 2.3.4 */
#define LABEL_BYTES_MAX 63
#define SCHEME "https://"
#define SCHEME_LEN (sizeof(SCHEME) - 1)

struct judge {
    const struct whs_url_policy *policy;
    struct whs_slice field;
    struct whs_field_errors *errors;
};

static enum whs_status
refuse(const struct judge *judge, const char *code, const char *message)
{
    whs_field_errors_add(judge->errors, judge->field, code, "%s", message);
    return WHS_INVALID;
}

static enum whs_status
refuse_size(const struct judge *judge)
{
    return refuse(judge, "size", "must be at most 2048 bytes");
}

/* What libcurl's parser said. */
static enum whs_status
refuse_code(const struct judge *judge, CURLUcode code)
{
    if (code == CURLUE_OUT_OF_MEMORY)
        return WHS_NO_MEMORY;
    if (code == CURLUE_BAD_PORT_NUMBER)
        return refuse(judge, "port", "has no valid port");
    return refuse(judge, "format", "is no valid URL");
}

static bool
is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* What is judged on the bytes as they came, before any parser may tidy them up. */
static enum whs_status
judge_text(const struct judge *judge, struct whs_slice text)
{
    if (text.len == 0)
        return refuse(judge, "required", "must not be empty");
    if (text.len > WHS_URL_BYTES_MAX)
        return refuse_size(judge);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= 0x20 || c >= 0x7f)
            return refuse(judge, "format",
                          "must be ASCII without spaces and control characters; "
                          "write other names in their xn-- form");
        if (c == '\\')
            return refuse(judge, "format", "must not hold a backslash");
        if (c == '#')
            return refuse(judge, "format", "must not have a fragment");
        if (c == '%' &&
            (text.len - i < 3 || !is_hex(text.ptr[i + 1]) || !is_hex(text.ptr[i + 2])))
            return refuse(judge, "format", "has a '%' without two hex digits");
    }
    struct whs_slice scheme = {text.ptr, text.len < SCHEME_LEN ? text.len : SCHEME_LEN};
    if (!whs_slice_equal_nocase(scheme, WHS_SLICE(SCHEME)))
        return refuse(judge, "scheme", "must start with https://");
    if (text.len == SCHEME_LEN || strchr("/?", text.ptr[SCHEME_LEN]))
        return refuse(judge, "format", "has no host");
    return WHS_OK;
}

/* The host and port as they were written: nothing there may need decoding. */
static struct whs_slice
find_authority(struct whs_slice text)
{
    struct whs_slice authority = {text.ptr + SCHEME_LEN, 0};
    while (SCHEME_LEN + authority.len < text.len &&
           !strchr("/?", authority.ptr[authority.len]))
        authority.len++;
    return authority;
}

static enum whs_status
judge_authority(const struct judge *judge, struct whs_slice authority)
{
    if (memchr(authority.ptr, '@', authority.len))
        return refuse(judge, "format", "must not hold a user name or password");
    if (memchr(authority.ptr, '%', authority.len))
        return refuse(judge, "format", "must not have an encoded host or a zone id");
    const char *colon = memrchr(authority.ptr, ':', authority.len);
    if (!colon || authority.ptr[authority.len - 1] == ']')
        return WHS_OK;
    const char *end = authority.ptr + authority.len;
    for (const char *c = colon + 1; c < end; c++)
        if (*c < '0' || *c > '9' || colon[1] == '0')
            return refuse(judge, "port", "has no valid port");
    return WHS_OK;
}

/* WHATWG's rule: a name whose last label is a number is an IPv4 address in some
 * spelling, and getaddrinfo would read it as one. */
static bool
ends_in_number(const char *host)
{
    const char *last = strrchr(host, '.');
    last = last ? last + 1 : host;
    if (last[0] == '0' && (last[1] | 0x20) == 'x')
        return true;
    return last[0] != '\0' && strspn(last, "0123456789") == strlen(last);
}

static bool
is_name(const char *host)
{
    size_t label = 0, len = strlen(host);
    if (len > HOST_BYTES_MAX)
        return false;
    for (size_t i = 0; i <= len; i++) {
        char c = host[i];
        if (c == '.' || c == '\0') {
            if (label == 0 || label > LABEL_BYTES_MAX || host[i - 1] == '-')
                return false;
            label = 0;
            continue;
        }
        bool letter =
            (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!letter && c != '_' && (c != '-' || label == 0))
            return false;
        label++;
    }
    return true;
}

static bool
is_local(const char *host)
{
    unsigned char address[16];
    static const unsigned char loopback[16] = {[15] = 1};
    if (strcmp(host, "localhost") == 0)
        return true;
    if (host[0] == '[') {
        char inner[INET6_ADDRSTRLEN];
        size_t len = strlen(host);
        if (len - 2 >= sizeof(inner))
            return false;
        memcpy(inner, host + 1, len - 2);
        inner[len - 2] = '\0';
        return inet_pton(AF_INET6, inner, address) == 1 &&
               memcmp(address, loopback, 16) == 0;
    }
    return inet_pton(AF_INET, host, address) == 1 && address[0] == 127;
}

static enum whs_status
judge_host(const struct judge *judge, const char *host)
{
    if (judge->policy->dev && is_local(host))
        return WHS_OK;
    if (host[0] == '[' || ends_in_number(host))
        return refuse(judge, "address", "must be a name, not an IP address");
    if (!is_name(host))
        return refuse(judge, "format",
                      "has no valid host name: labels of 1-63 letters, digits and "
                      "hyphens, at most 253 bytes, no dot at the end");
    return WHS_OK;
}

static enum whs_status
judge_port(const struct judge *judge, const char *text, uint16_t *port)
{
    long value = strtol(text, NULL, 10);
    if (text[0] == '0' || value < 1 || value > 65535)
        return refuse(judge, "port", "has no valid port");
    *port = (uint16_t)value;
    if (judge->policy->dev || value == 443 || value == 8443)
        return WHS_OK;
    for (size_t i = 0; i < judge->policy->port_count; i++)
        if (judge->policy->ports[i] == value)
            return WHS_OK;
    return refuse(judge, "port",
                  "must use port 443 or 8443, or one that the service allows");
}

static void
fold_case(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text | 0x20);
}

/* One block: normal form, zero, origin, zero. */
static enum whs_status
fill(struct whs_url *out, const char *url, const char *host, uint16_t port)
{
    size_t url_len = strlen(url), host_len = strlen(host);
    size_t origin_size = SCHEME_LEN + host_len + sizeof(":65535");
    char *block = whs_alloc(url_len + 1 + origin_size);
    if (!block)
        return WHS_NO_MEMORY;
    memcpy(block, url, url_len + 1);
    char *origin = block + url_len + 1;
    int len = snprintf(origin, origin_size, SCHEME "%s:%u", host, (unsigned)port);
    out->text = (struct whs_slice){block, url_len};
    out->origin = (struct whs_slice){origin, (size_t)len};
    out->host = (struct whs_slice){origin + SCHEME_LEN, host_len};
    out->port = port;
    return WHS_OK;
}

/* Dots of a segment that is nothing else, encoded or not; 0 for any other. */
static size_t
count_dots(const char *segment, size_t len)
{
    size_t dots = 0;
    for (size_t i = 0; i < len; i++, dots++) {
        bool encoded = len - i >= 3 && segment[i] == '%' && segment[i + 1] == '2' &&
                       (segment[i + 2] | 0x20) == 'e';
        if (!encoded && segment[i] != '.')
            return 0;
        i += encoded ? 2 : 0;
    }
    return dots;
}

/* RFC 3986: "%2e%2e" goes up as ".." does. libcurl sees it from 8.14 on, so that
 * another path than was stored would be sent by a newer one. */
static void
decode_dots(char *path)
{
    char *out = path;
    while (*path && *path != '?') {
        size_t len = strcspn(path, "/?");
        size_t dots = count_dots(path, len);
        bool decoded = dots == 1 || dots == 2;
        if (decoded)
            memset(out, '.', dots);
        else
            memmove(out, path, len);
        out += decoded ? dots : len;
        path += len;
        if (*path == '/')
            *out++ = *path++;
    }
    memmove(out, path, strlen(path) + 1);
}

struct parts {
    CURLU *handle;
    char *host, *port, *url;
};

static void
free_parts(struct parts *parts)
{
    curl_free(parts->host);
    curl_free(parts->port);
    curl_free(parts->url);
    curl_url_cleanup(parts->handle);
}

static enum whs_status
parse_parts(const struct judge *judge, const char *text, struct parts *parts)
{
    parts->handle = curl_url();
    if (!parts->handle)
        return WHS_NO_MEMORY;
    CURLUcode code =
        curl_url_set(parts->handle, CURLUPART_URL, text, CURLU_DISALLOW_USER);
    if (!code)
        code = curl_url_get(parts->handle, CURLUPART_HOST, &parts->host, 0);
    if (!code)
        code = curl_url_get(parts->handle, CURLUPART_PORT, &parts->port,
                            CURLU_DEFAULT_PORT);
    if (code)
        return refuse_code(judge, code);
    fold_case(parts->host);
    return WHS_OK;
}

/* The host in lower case and no port that is the scheme's own: what is sent and stored.
 */
static enum whs_status
write_normal_form(const struct judge *judge, struct parts *parts)
{
    CURLUcode code = curl_url_set(parts->handle, CURLUPART_HOST, parts->host, 0);
    if (!code)
        code = curl_url_get(parts->handle, CURLUPART_URL, &parts->url,
                            CURLU_NO_DEFAULT_PORT);
    if (code)
        return refuse_code(judge, code);
    /* The path that was left out is written: what is stored must read back. */
    if (strlen(parts->url) > WHS_URL_BYTES_MAX)
        return refuse_size(judge);
    return WHS_OK;
}

enum whs_status
whs_url_parse(struct whs_slice text, const struct whs_url_policy *policy,
              struct whs_slice field, struct whs_field_errors *errors,
              struct whs_url *out)
{
    const struct judge judge = {policy, field, errors};
    struct parts parts = {0};
    char copy[WHS_URL_BYTES_MAX + 1];
    uint16_t port = 0;
    *out = (struct whs_url){0};
    enum whs_status status = judge_text(&judge, text);
    if (status == WHS_OK)
        status = judge_authority(&judge, find_authority(text));
    if (status != WHS_OK)
        return status;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    decode_dots(copy + SCHEME_LEN + find_authority(text).len);
    status = parse_parts(&judge, copy, &parts);
    if (status == WHS_OK) {
        enum whs_status host = judge_host(&judge, parts.host);
        status = judge_port(&judge, parts.port, &port);
        status = host != WHS_OK ? host : status;
    }
    if (status == WHS_OK)
        status = write_normal_form(&judge, &parts);
    if (status == WHS_OK)
        status = fill(out, parts.url, parts.host, port);
    free_parts(&parts);
    return status;
}

void
whs_url_fini(struct whs_url *url)
{
    whs_free((char *)(uintptr_t)url->text.ptr);
    *url = (struct whs_url){0};
}
