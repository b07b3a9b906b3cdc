/* SPDX-License-Identifier: MIT
 *
 * guard: every range of the table at both its ends, what opens it, and by how much.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/un.h>

#include <cmocka.h>

#include "guard.h"
#include "texts.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static const struct whs_guard closed = {0};

static bool
allows_socket(const struct whs_guard *guard, const char *ip)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.any.sa_family = AF_UNSPEC};
    if (inet_pton(AF_INET, ip, &address.v4.sin_addr) == 1)
        address.any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, ip, &address.v6.sin6_addr) == 1)
        address.any.sa_family = AF_INET6;
    else
        fail_msg("%s is no address", ip);
    return whs_guard_allows(guard, &address.any);
}

/* Both callbacks of libcurl ask, each in its own form: they must agree. */
static bool
allows(const struct whs_guard *guard, const char *ip)
{
    bool allowed = whs_guard_allows_text(guard, ip);
    if (allows_socket(guard, ip) != allowed)
        fail_msg("%s: the socket and the text differ", ip);
    struct in_addr v4;
    if (inet_pton(AF_INET, ip, &v4) == 1) {
        char mapped[64];
        snprintf(mapped, sizeof(mapped), "::ffff:%s", ip);
        if (allows_socket(guard, mapped) != allowed ||
            whs_guard_allows_text(guard, mapped) != allowed)
            fail_msg("%s differs", mapped);
    }
    return allowed;
}

static const char *const bad[] = {
    /* IPv4: first and last of each range. */
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.1.2.3",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "127.0.0.0",
    "127.0.0.1",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.255",
    "192.0.2.0",
    "192.0.2.255",
    "192.31.196.0",
    "192.31.196.255",
    "192.52.193.0",
    "192.52.193.255",
    "192.88.99.0",
    "192.88.99.1",
    "192.88.99.255",
    "192.168.0.0",
    "192.168.255.255",
    "192.175.48.0",
    "192.175.48.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.0",
    "198.51.100.255",
    "203.0.113.0",
    "203.0.113.255",
    "224.0.0.0",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.0",
    "255.255.255.255",
    /* IPv6: what no line names, and the exceptions of what one does. */
    "::",
    "::1",
    "::7f00:1",
    "::127.0.0.1",
    "::fffe:8.8.8.8",
    "::1:0:0:0",
    "0:0:0:0:ffff:0:808:808",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001::",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db8::",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    "2002::",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2620:4f:8000::",
    "2620:4f:8000:ffff:ffff:ffff:ffff:ffff",
    "3fff::",
    "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
    "4000::",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff00::1",
    "ff02::1",
    "ff0e::1",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
};

static const char *const good[] = {
    /* IPv4: the neighbours of each range. */
    "1.0.0.0",
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.31.195.255",
    "192.31.197.0",
    "192.52.192.255",
    "192.52.194.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "192.175.47.255",
    "192.175.49.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    /* IPv6. */
    "2000::",
    "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:200::",
    "2001:4860:4860::8888",
    "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db9::",
    "2003::",
    "2606:4700:4700::1111",
    "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff",
    "2620:4f:8001::",
    "2a00:1450:4001:81b::200e",
    "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "3fff:1000::",
    "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
};

static void
what_is_not_public_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(bad); i++)
        if (allows(&closed, bad[i]))
            fail_msg("%s", bad[i]);
}

static void
what_is_public_is_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(good); i++)
        if (!allows(&closed, good[i]))
            fail_msg("%s", good[i]);
}

static void
what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",          " 8.8.8.8",  "8.8.8.8 ",   "8.8.8",           "134744072",
        "0x8080808", "08.8.8.8",  "[2606::1]",  "fe80::1%eth0",    "2606::1%1",
        "localhost", "8.8.8.8/0", "2606::1::1", "::ffff:8.8.8.8.8"};
    struct whs_guard open = {.allow_count = 2};
    assert_int_equal(whs_cidr_parse(WHS_SLICE("0.0.0.0/0"), &open.allow[0], NULL), 0);
    assert_int_equal(whs_cidr_parse(WHS_SLICE("::/0"), &open.allow[1], NULL), 0);
    for (size_t i = 0; i < LEN(texts); i++)
        if (whs_guard_allows_text(&open, texts[i]))
            fail_msg("%s", texts[i]);
    assert_false(whs_guard_allows_text(&open, NULL));
}

static void
only_internet_families_are_allowed(void **state)
{
    (void)state;
    struct whs_guard open = {.allow_count = 1, .dev = true};
    assert_int_equal(whs_cidr_parse(WHS_SLICE("0.0.0.0/0"), &open.allow[0], NULL), 0);
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/tmp/s"};
    assert_false(whs_guard_allows(&open, (const struct sockaddr *)&local));
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    assert_false(whs_guard_allows(&open, &none));
}

/* --- What opens it. -----------------------------------------------------------------
 */

static struct whs_guard
open_range(const char *range)
{
    struct whs_guard guard = {.allow_count = 1};
    struct whs_error err;
    if (whs_cidr_parse(whs_slice_of(range), &guard.allow[0], &err) != WHS_OK)
        fail_msg("%s: %s", range, err.message);
    return guard;
}

static void
dev_opens_exactly_loopback(void **state)
{
    (void)state;
    static const struct whs_guard dev = {.dev = true};
    static const char *const loopback[] = {"127.0.0.0", "127.0.0.1", "127.255.255.255",
                                           "::1"};
    for (size_t i = 0; i < LEN(loopback); i++)
        assert_true(allows(&dev, loopback[i]));
    for (size_t i = 0; i < LEN(bad); i++) {
        bool is_loopback =
            strncmp(bad[i], "127.", 4) == 0 || strcmp(bad[i], "::1") == 0;
        if (allows(&dev, bad[i]) != is_loopback)
            fail_msg("%s", bad[i]);
    }
    for (size_t i = 0; i < LEN(good); i++)
        assert_true(allows(&dev, good[i]));
}

static void
an_allowed_range_opens_exactly_what_it_names(void **state)
{
    (void)state;
    static const struct {
        const char *range, *inside, *outside;
    } rows[] = {
        {"10.1.2.3", "10.1.2.3", "10.1.2.4"},
        {"10.1.2.3/32", "10.1.2.3", "10.1.2.2"},
        {"10.1.2.3/32", "10.1.2.3", "169.254.169.254"},
        {"10.1.2.4/31", "10.1.2.5", "10.1.2.6"},
        {"10.1.2.128/25", "10.1.2.255", "10.1.2.127"},
        {"10.0.0.0/8", "10.255.255.255", "127.0.0.1"},
        {"10.0.0.0/9", "10.127.255.255", "10.128.0.0"},
        {"0.0.0.0/0", "169.254.169.254", "::1"},
        {"128.0.0.0/1", "255.255.255.255", "127.0.0.1"},
        {"fd00::/8", "fdff::1", "fc00::1"},
        {"fd00:1::5", "fd00:1::5", "fd00:1::4"},
        {"fd00::/127", "fd00::1", "fd00::2"},
        {"::1/128", "::1", "::"},
        {"::1/128", "::1", "127.0.0.1"},
        {"::ffff:10.0.0.0/104", "10.9.9.9", "127.0.0.1"},
        /* IPv4 stands in the 16-byte form of IPv6, but is none. */
        {"::/0", "fd00::1", "10.0.0.1"},
        {"::/0", "::1", "169.254.169.254"},
        {"::/90", "::1", "127.0.0.1"},
        {"64:ff9b::/96", "64:ff9b::7f00:1", "127.0.0.1"},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        struct whs_guard guard = open_range(rows[i].range);
        if (!allows(&guard, rows[i].inside) || allows(&guard, rows[i].outside))
            fail_msg("%s: %s and not %s", rows[i].range, rows[i].inside,
                     rows[i].outside);
        for (size_t j = 0; j < LEN(good); j++)
            assert_true(allows(&guard, good[j]));
    }
}

static void
a_denied_range_is_closed_whatever_opens_it(void **state)
{
    (void)state;
    struct whs_guard guard = {.dev = true, .allow_count = 1, .deny_count = 3};
    static const char *const denied[] = {"8.8.8.0/24", "127.0.0.9", "2606:4700::/32"};
    assert_int_equal(whs_cidr_parse(WHS_SLICE("0.0.0.0/0"), &guard.allow[0], NULL),
                     WHS_OK);
    for (size_t i = 0; i < LEN(denied); i++)
        assert_int_equal(whs_cidr_parse(whs_slice_of(denied[i]), &guard.deny[i], NULL),
                         WHS_OK);
    assert_false(allows(&guard, "8.8.8.8"));
    assert_false(allows(&guard, "127.0.0.9"));
    assert_false(allows(&guard, "2606:4700:4700::1111"));
    assert_true(allows(&guard, "8.8.9.8"));
    assert_true(allows(&guard, "127.0.0.8"));
    assert_true(allows(&guard, "2606:4600::1"));
    guard.nat64_count = 1;
    assert_int_equal(whs_nat64_parse(WHS_SLICE("64:ff9b::/96"), &guard.nat64[0], NULL),
                     WHS_OK);
    assert_false(allows(&guard, "64:ff9b::8.8.8.8"));
    assert_true(allows(&guard, "64:ff9b::8.8.9.8"));
}

/* --- NAT64. ------------------------------------------------------------------------
 */

static struct whs_guard
behind(const char *prefix)
{
    struct whs_guard guard = {.nat64_count = 1};
    if (whs_nat64_parse(whs_slice_of(prefix), &guard.nat64[0], NULL) != WHS_OK)
        fail_msg("%s", prefix);
    return guard;
}

/* The forms of RFC 6052 section 2.4, with 8.8.8.8 and 127.0.0.1 in them. */
static void
an_address_behind_a_nat64_is_judged_as_the_ipv4_that_it_holds(void **state)
{
    (void)state;
    static const struct {
        const char *prefix, *good, *bad;
    } rows[] = {
        {"64:ff9b::/96", "64:ff9b::8.8.8.8", "64:ff9b::127.0.0.1"},
        {"64:ff9b::/96", "64:ff9b::1.1.1.1", "64:ff9b::a9fe:a9fe"},
        {"64:ff9b:1::/48", "64:ff9b:1:808:8:800::", "64:ff9b:1:7f00:0:100::"},
        {"2a01::/32", "2a01:0:808:808::", "2a01:0:7f00:1::"},
        {"2a01:0:100::/40", "2a01:0:108:808:8::", "2a01:0:17f:0:1::"},
        {"2a01:0:122::/48", "2a01:0:122:808:8:800::", "2a01:0:122:7f00:0:100::"},
        {"2a01:0:122:300::/56", "2a01:0:122:308:8:808::", "2a01:0:122:37f:0:1::"},
        {"2a01:0:122:344::/64", "2a01:0:122:344:8:808:800:0",
         "2a01:0:122:344:7f:0:100:0"},
        {"2a01:0:122:344::/96", "2a01:0:122:344::8.8.8.8", "2a01:0:122:344::10.0.0.1"},
        /* Byte 8 holds nothing: what is there is no such address. */
        {"2a01:0:122:344::/64", "2a01:0:122:344:8:808:800:0",
         "2a01:0:122:344:108:808:800:0"},
        /* Other addresses are what they were. */
        {"2a01:0:122:344::/96", "2606:4700:4700::1111", "64:ff9b::8.8.8.8"},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        struct whs_guard guard = behind(rows[i].prefix);
        if (!allows(&guard, rows[i].good) || allows(&guard, rows[i].bad))
            fail_msg("%s: %s and not %s", rows[i].prefix, rows[i].good, rows[i].bad);
    }
}

static void
every_private_ipv4_stays_closed_behind_a_nat64(void **state)
{
    (void)state;
    struct whs_guard guard = behind("64:ff9b::/96");
    struct in_addr v4;
    for (size_t i = 0; i < LEN(bad) + LEN(good); i++) {
        bool is_good = i >= LEN(bad);
        const char *ip = is_good ? good[i - LEN(bad)] : bad[i];
        char translated[64];
        if (inet_pton(AF_INET, ip, &v4) != 1)
            continue;
        snprintf(translated, sizeof(translated), "64:ff9b::%s", ip);
        if (allows(&guard, translated) != is_good || allows(&closed, translated))
            fail_msg("%s", translated);
    }
    assert_int_equal(whs_cidr_parse(WHS_SLICE("10.1.2.0/24"), &guard.allow[0], NULL),
                     WHS_OK);
    guard.allow_count = 1;
    assert_true(allows(&guard, "64:ff9b::10.1.2.3"));
    assert_false(allows(&guard, "64:ff9b::10.1.3.3"));
}

static void
what_is_no_nat64_prefix_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "64:ff9b::",
        "64:ff9b::/95",
        "64:ff9b::/128",
        "64:ff9b::/33",
        "10.0.0.0/8",
        "64:ff9b::1/96",
        "2a01::/24",
        "::ffff:0.0.0.0/96",
        "2a01:0:1:2:100::/96",
        "2a01:0:1:2:1::/64",
        "nat64",
    };
    for (size_t i = 0; i < LEN(texts); i++) {
        struct whs_cidr cidr = {.prefix = 77};
        if (whs_nat64_parse(whs_slice_of(texts[i]), &cidr, NULL) != WHS_CONFIGURATION ||
            cidr.prefix != 77)
            fail_msg("%s", texts[i]);
    }
}

static void
a_full_list_is_read_to_its_end(void **state)
{
    (void)state;
    struct whs_guard guard = {0};
    for (; guard.allow_count < WHS_GUARD_ALLOW_MAX; guard.allow_count++) {
        char range[32];
        snprintf(range, sizeof(range), "10.0.%zu.0/24", guard.allow_count);
        assert_int_equal(
            whs_cidr_parse(whs_slice_of(range), &guard.allow[guard.allow_count], NULL),
            WHS_OK);
    }
    assert_true(allows(&guard, "10.0.63.255"));
    assert_false(allows(&guard, "10.0.64.0"));
}

static void
what_is_no_range_is_refused_and_leaves_out_alone(void **state)
{
    (void)state;
    static const struct whs_slice texts[] = {
        {"", 0},
        {"/", 1},
        {"/8", 2},
        {"10.0.0.0/", 9},
        {"10.0.0.0/33", 11},
        {"10.0.0.0/-1", 11},
        {"10.0.0.0/+8", 11},
        {"10.0.0.0/8 ", 11},
        {"10.0.0.0/ 8", 11},
        {"10.0.0.0/8/8", 12},
        {"10.0.0.0/x", 10},
        {"10.0.0.0/4294967304", 19},
        {"10.0.0/8", 8},
        {"10.0.0.0.0/8", 12},
        {"10.0.0.256/32", 13},
        {"fd00::/129", 10},
        {"fd00::/8:", 9},
        {"fd00::%eth0/8", 13},
        {"::ffff:10.0.0.0/129", 19},
        {"localhost", 9},
        {"10.0.0.1\0.example/8", 19},
        {"10.0.0.1\0", 9},
        {"0000000000000000000000000000000000000000000000000000000000000000", 64},
    };
    struct whs_error err;
    for (size_t i = 0; i < LEN(texts); i++) {
        struct whs_cidr cidr = {.prefix = 77};
        struct whs_slice exact = texts_exact(texts[i]);
        if (whs_cidr_parse(exact, &cidr, &err) != WHS_CONFIGURATION ||
            cidr.prefix != 77)
            fail_msg("%s", texts[i].ptr);
        texts_free(exact);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_public_is_refused),
        cmocka_unit_test(what_is_public_is_allowed),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(only_internet_families_are_allowed),
        cmocka_unit_test(dev_opens_exactly_loopback),
        cmocka_unit_test(an_allowed_range_opens_exactly_what_it_names),
        cmocka_unit_test(an_address_behind_a_nat64_is_judged_as_the_ipv4_that_it_holds),
        cmocka_unit_test(every_private_ipv4_stays_closed_behind_a_nat64),
        cmocka_unit_test(what_is_no_nat64_prefix_is_refused),
        cmocka_unit_test(a_denied_range_is_closed_whatever_opens_it),
        cmocka_unit_test(a_full_list_is_read_to_its_end),
        cmocka_unit_test(what_is_no_range_is_refused_and_leaves_out_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
