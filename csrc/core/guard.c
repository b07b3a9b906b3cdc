/* SPDX-License-Identifier: MIT */
#include "guard.h"

#include <arpa/inet.h>
#include <string.h>

/* An address is judged in its 16-byte form; IPv4 stands behind ::ffff:0:0/96. */
#define MAPPED_BITS 96

enum rule { DENY, ALLOW };

struct range {
    uint8_t address[16];
    uint8_t prefix; /* of the 16-byte form */
    enum rule rule;
    const char *what;
};

#define V4(a, b, c, d, bits)                                                           \
    {[10] = 0xff, [11] = 0xff, a, b, c, d}, MAPPED_BITS + (bits)
#define HALVES(a) (a) >> 8, (a) % 256
#define V6(a, b, c, bits) {HALVES(a), HALVES(b), HALVES(c)}, bits

/* The last range that holds the address decides, so that each line may make an
 * exception to one above it. IANA special-purpose registries, RFC 6890. */
static const struct range table[] = {
    {V6(0, 0, 0, 0), DENY, "IPv6: only global unicast is allowed"},
    {V6(0x2000, 0, 0, 3), ALLOW, "global unicast"},
    {V6(0x2001, 0, 0, 23), DENY,
     "IETF protocol assignments, Teredo, ORCHID, benchmarking"},
    {V6(0x2001, 0xdb8, 0, 32), DENY, "documentation"},
    {V6(0x2002, 0, 0, 16), DENY, "6to4: holds any IPv4 address"},
    {V6(0x2620, 0x4f, 0x8000, 48), DENY, "AS112"},
    {V6(0x3fff, 0, 0, 20), DENY, "documentation"},
    {V4(0, 0, 0, 0, 0), ALLOW, "IPv4: allowed but for"},
    {V4(0, 0, 0, 0, 8), DENY, "this network"},
    {V4(10, 0, 0, 0, 8), DENY, "private"},
    {V4(100, 64, 0, 0, 10), DENY, "carrier-grade NAT"},
    {V4(127, 0, 0, 0, 8), DENY, "loopback"},
    {V4(168, 63, 129, 16, 32), DENY, "Azure's metadata and DNS"},
    {V4(169, 254, 0, 0, 16), DENY, "link-local, cloud metadata"},
    {V4(172, 16, 0, 0, 12), DENY, "private"},
    {V4(192, 0, 0, 0, 24), DENY, "IETF protocol assignments"},
    {V4(192, 0, 2, 0, 24), DENY, "documentation"},
    {V4(192, 31, 196, 0, 24), DENY, "AS112"},
    {V4(192, 52, 193, 0, 24), DENY, "AMT"},
    {V4(192, 88, 99, 0, 24), DENY, "6to4 relays"},
    {V4(192, 168, 0, 0, 16), DENY, "private"},
    {V4(192, 175, 48, 0, 24), DENY, "AS112"},
    {V4(198, 18, 0, 0, 15), DENY, "benchmarking"},
    {V4(198, 51, 100, 0, 24), DENY, "documentation"},
    {V4(203, 0, 113, 0, 24), DENY, "documentation"},
    {V4(224, 0, 0, 0, 4), DENY, "multicast"},
    {V4(240, 0, 0, 0, 4), DENY, "reserved, broadcast"},
};

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* Bits that a prefix of this text's family has more in the 16-byte form; -1: no
 * address. */
static int
read_address(const char *text, uint8_t out[16])
{
    if (inet_pton(AF_INET6, text, out) == 1)
        return 0;
    memcpy(out, mapped_prefix, sizeof(mapped_prefix));
    return inet_pton(AF_INET, text, out + 12) == 1 ? MAPPED_BITS : -1;
}

static bool
is_within(const uint8_t address[16], const uint8_t range[16], unsigned prefix)
{
    unsigned whole = prefix / 8, rest = prefix % 8;
    if (memcmp(address, range, whole) != 0)
        return false;
    return rest == 0 || ((address[whole] ^ range[whole]) >> (8 - rest)) == 0;
}

static bool
is_public(const uint8_t address[16])
{
    enum rule rule = DENY;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (is_within(address, table[i].address, table[i].prefix))
            rule = table[i].rule;
    return rule == ALLOW;
}

static bool
is_loopback(const uint8_t address[16])
{
    static const uint8_t v4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127};
    static const uint8_t v6[16] = {[15] = 1};
    return is_within(address, v4, MAPPED_BITS + 8) || is_within(address, v6, 128);
}

/* A range of IPv6 names no address of IPv4, though their 16-byte form lies within it.
 */
static bool
names(const struct whs_cidr *range, const uint8_t address[16])
{
    bool is_v4 = memcmp(address, mapped_prefix, sizeof(mapped_prefix)) == 0;
    return (!is_v4 || range->prefix >= MAPPED_BITS) &&
           is_within(address, range->address, range->prefix);
}

/* --- NAT64 (RFC 6052). --- */

/* Neither prefix nor IPv4: it is zero, and the IPv4 address goes on behind it. */
#define NAT64_U_BYTE 8

static bool
is_nat64_length(unsigned bits)
{
    return bits == 96 || (bits >= 32 && bits <= 64 && bits % 8 == 0);
}

/* False: this is no form in which the prefix holds an address. */
static bool
extract_v4(const struct whs_cidr *prefix, const uint8_t address[16], uint8_t out[16])
{
    size_t at = prefix->prefix / 8;
    memcpy(out, mapped_prefix, sizeof(mapped_prefix));
    for (size_t i = 0; i < 4; i++, at++) {
        at += at == NAT64_U_BYTE;
        out[sizeof(mapped_prefix) + i] = address[at];
    }
    return address[NAT64_U_BYTE] == 0;
}

static const struct whs_cidr *
find_nat64(const struct whs_guard *guard, const uint8_t address[16])
{
    for (size_t i = 0; i < guard->nat64_count; i++)
        if (is_within(address, guard->nat64[i].address, guard->nat64[i].prefix))
            return &guard->nat64[i];
    return NULL;
}

/* --- The judgement. --- */

static bool
is_in(const struct whs_cidr *ranges, size_t count, const uint8_t address[16])
{
    for (size_t i = 0; i < count; i++)
        if (names(&ranges[i], address))
            return true;
    return false;
}

/* By what the operator closes, then opens, or by the table. */
static bool
is_open(const struct whs_guard *guard, const uint8_t address[16])
{
    if (is_in(guard->deny, guard->deny_count, address))
        return false;
    return (guard->dev && is_loopback(address)) ||
           is_in(guard->allow, guard->allow_count, address) || is_public(address);
}

static bool
allows(const struct whs_guard *guard, const uint8_t address[16])
{
#ifdef WHS_SABOTAGE_no_guard
    return true;
#endif
    uint8_t v4[16];
    const struct whs_cidr *nat64 = find_nat64(guard, address);
    if (!nat64)
        return is_open(guard, address);
    return !is_in(guard->deny, guard->deny_count, address) &&
           extract_v4(nat64, address, v4) && is_open(guard, v4);
}

bool
whs_guard_allows(const struct whs_guard *guard, const struct sockaddr *address)
{
    uint8_t bytes[16];
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 =
            (const struct sockaddr_in6 *)(const void *)address;
        memcpy(bytes, &v6->sin6_addr, sizeof(bytes));
    } else if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 =
            (const struct sockaddr_in *)(const void *)address;
        memcpy(bytes, mapped_prefix, sizeof(mapped_prefix));
        memcpy(bytes + 12, &v4->sin_addr, 4);
    } else {
        return false;
    }
    return allows(guard, bytes);
}

bool
whs_guard_allows_text(const struct whs_guard *guard, const char *ip)
{
    uint8_t bytes[16];
    return ip && read_address(ip, bytes) >= 0 && allows(guard, bytes);
}

enum whs_status
whs_cidr_parse(struct whs_slice text, struct whs_cidr *out, struct whs_error *err)
{
    char address[INET6_ADDRSTRLEN];
    struct whs_cidr cidr = {0};
    const char *slash = memchr(text.ptr, '/', text.len);
    size_t len = slash ? (size_t)(slash - text.ptr) : text.len;
    int shift = -1;
    if (len < sizeof(address) && !memchr(text.ptr, '\0', len)) {
        memcpy(address, text.ptr, len);
        address[len] = '\0';
        shift = read_address(address, cidr.address);
    }
    unsigned prefix = 0, most = shift > 0 ? 32 : 128;
    size_t digits = slash ? text.len - len - 1 : 0;
    for (size_t i = 0; i < digits && prefix <= most; i++)
        prefix = slash[1 + i] >= '0' && slash[1 + i] <= '9'
                     ? prefix * 10 + (unsigned)(slash[1 + i] - '0')
                     : most + 1;
    if (!slash)
        prefix = most;
    if (shift < 0 || prefix > most || (slash && digits == 0))
        return whs_error_set(err, WHS_CONFIGURATION, "not an address range (CIDR)");
    cidr.prefix = (uint8_t)((unsigned)shift + prefix);
    *out = cidr;
    return WHS_OK;
}

enum whs_status
whs_nat64_parse(struct whs_slice text, struct whs_cidr *out, struct whs_error *err)
{
    struct whs_cidr cidr;
    bool fine = whs_cidr_parse(text, &cidr, NULL) == WHS_OK &&
                memchr(text.ptr, '.', text.len) == NULL &&
                is_nat64_length(cidr.prefix) && cidr.address[NAT64_U_BYTE] == 0;
    for (size_t at = cidr.prefix / 8; fine && at < sizeof(cidr.address); at++)
        fine = cidr.address[at] == 0;
    if (!fine)
        return whs_error_set(err, WHS_CONFIGURATION, "not a NAT64 prefix");
    *out = cidr;
    return WHS_OK;
}
