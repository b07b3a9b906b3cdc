/* SPDX-License-Identifier: MIT
 *
 * url: which URLs we would POST to, in which normal form.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "buf.h"
#include "failing_alloc.h"
#include "texts.h"
#include "url.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static const struct whs_url_policy strict = {0};
static const struct whs_url_policy dev = {.dev = true};

/* The code of the first mistake, "" when there is none; texts that are equal. */
static const char *
judge(struct whs_slice text, const struct whs_url_policy *policy, struct whs_url *out)
{
    struct whs_field_errors errors = {0};
    struct whs_slice exact = texts_exact(text);
    const char *code = "";
    enum whs_status status =
        whs_url_parse(exact, policy, WHS_SLICE("notificationUrl"), &errors, out);
    texts_free(exact);
    assert_int_equal(status, errors.len > 0 ? WHS_INVALID : WHS_OK);
    assert_int_equal(status == WHS_OK, out->text.ptr != NULL);
    if (errors.len > 0) {
        code = errors.items[0].code;
        assert_string_equal(errors.items[0].field, "notificationUrl");
    }
    whs_field_errors_fini(&errors);
    return code;
}

static const char *
refusal(struct whs_slice text, const struct whs_url_policy *policy)
{
    struct whs_url url;
    const char *code = judge(text, policy, &url);
    whs_url_fini(&url);
    return code;
}

static void
expect_refusal(const char *text, const struct whs_url_policy *policy, const char *code)
{
    const char *got = refusal(whs_slice_of(text), policy);
    if (strcmp(got, code) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", text, got, code);
}

static void
a_good_url_has_a_normal_form_and_an_origin(void **state)
{
    (void)state;
    static const struct {
        const char *text, *normal, *origin, *host;
        uint16_t port;
    } rows[] = {
        {"https://example.com", "https://example.com/", "https://example.com:443",
         "example.com", 443},
        {"https://example.com/hook?a=b&c", "https://example.com/hook?a=b&c",
         "https://example.com:443", "example.com", 443},
        {"HTTPS://Example.COM:443/Hook", "https://example.com/Hook",
         "https://example.com:443", "example.com", 443},
        {"https://example.com:/x", "https://example.com/x", "https://example.com:443",
         "example.com", 443},
        {"https://example.com:8443/x", "https://example.com:8443/x",
         "https://example.com:8443", "example.com", 8443},
        {"https://h?q", "https://h/?q", "https://h:443", "h", 443},
        {"https://h/../../etc", "https://h/etc", "https://h:443", "h", 443},
        {"https://h/a/./b/../c", "https://h/a/c", "https://h:443", "h", 443},
        {"https://h/%2e%2E/etc", "https://h/etc", "https://h:443", "h", 443},
        {"https://h/a/b/.%2e/%2e/c?%2e%2e/", "https://h/a/c?%2e%2e/", "https://h:443",
         "h", 443},
        {"https://h/a%2e/%2e%2e%2e/%2f..", "https://h/a%2e/%2e%2e%2e/%2f..",
         "https://h:443", "h", 443},
        {"https://h//a//b;p=1", "https://h//a//b;p=1", "https://h:443", "h", 443},
        {"https://h/%0d%0aX:1?%00", "https://h/%0d%0aX:1?%00", "https://h:443", "h",
         443},
        {"https://h/a@b:c", "https://h/a@b:c", "https://h:443", "h", 443},
        {"https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/",
         "https://xn--bcher-kva.example:443", "xn--bcher-kva.example", 443},
        {"https://exa_mple.x-1.example/", "https://exa_mple.x-1.example/",
         "https://exa_mple.x-1.example:443", "exa_mple.x-1.example", 443},
        {"https://1.example/", "https://1.example/", "https://1.example:443",
         "1.example", 443},
        {"https://127.0.0.1.nip.io/", "https://127.0.0.1.nip.io/",
         "https://127.0.0.1.nip.io:443", "127.0.0.1.nip.io", 443},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        struct whs_url url, again;
        assert_string_equal(judge(whs_slice_of(rows[i].text), &strict, &url), "");
        assert_string_equal(url.text.ptr, rows[i].normal);
        assert_int_equal(url.text.len, strlen(rows[i].normal));
        assert_string_equal(url.origin.ptr, rows[i].origin);
        assert_int_equal(url.origin.len, strlen(rows[i].origin));
        assert_true(whs_slice_equal(url.host, whs_slice_of(rows[i].host)));
        assert_int_equal(url.port, rows[i].port);
        /* What is stored is what is read back and sent. */
        assert_string_equal(judge(url.text, &strict, &again), "");
        assert_string_equal(again.text.ptr, url.text.ptr);
        assert_string_equal(again.origin.ptr, url.origin.ptr);
        whs_url_fini(&again);
        whs_url_fini(&url);
        assert_null(url.text.ptr);
        whs_url_fini(&url);
    }
}

static void
other_schemes_are_refused_whoever_asks(void **state)
{
    (void)state;
    static const char *const texts[] = {"string",
                                        "http://example.com/",
                                        "ftp://example.com/",
                                        "file:///etc/passwd",
                                        "gopher://h/",
                                        "javascript:alert(1)",
                                        "unix:/tmp/s",
                                        "https:example.com",
                                        "https",
                                        "https:",
                                        "https:/example.com",
                                        "//h/x",
                                        "h/x",
                                        "httpss://h/",
                                        "/x",
                                        "ws://h/"};
    for (size_t i = 0; i < LEN(texts); i++) {
        expect_refusal(texts[i], &strict, "scheme");
        expect_refusal(texts[i], &dev, "scheme");
    }
    expect_refusal("", &strict, "required");
    expect_refusal("  ", &strict, "format");
}

static void
what_is_no_url_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "https://",
        "https:///evil/",
        "https://?q",
        "https://u:p@h/",
        "https://u@h/",
        "https://@h/",
        "https://good\\@evil/",
        "https://h\\x",
        "https://[::1]@evil/",
        "https://good%40evil/",
        "https://%65vil.example/",
        "https://%31%32%37.0.0.1/",
        "https://h%00/",
        "https://h%2fx/",
        "https://[fe80::1%25eth0]/",
        "https://h/#x",
        "https://h/#",
        "https://h#",
        "https://h/%",
        "https://h/%z1",
        "https://h/%1",
        "https://h/?%zz",
        "https://h/\r\nX: 1",
        "https://h/\n",
        "https://h/a\tb",
        "https://h/a b",
        " https://h/",
        "https://h/ ",
        "https:// h/",
        "https://h/\x7f",
        "https://h/\xc3\xa9",
        "https://b\xc3\xbc"
        "cher.example/",
        "https://\xe2\x93\x94vil.example/",
        "https://a..b/",
        "https://./",
        "https://.a/",
        "https://h./",
        "https://h.:443/",
        "https://-a.example/",
        "https://a-.example/",
        "https://a.-b/",
        "https://a!b/",
        "https://a*b/",
        "https://a,b/",
        "https://a'b/",
        "https://(a)/",
        "https://:443/",
    };
    for (size_t i = 0; i < LEN(texts); i++) {
        expect_refusal(texts[i], &strict, "format");
        expect_refusal(texts[i], &dev, "format");
    }
    assert_string_equal(refusal(WHS_SLICE("https://allowed.example\0.evil/"), &strict),
                        "format");
}

static void
a_port_must_be_one_of_the_policy(void **state)
{
    (void)state;
    static const char *const never[] = {
        "https://h:0/",  "https://h:65536/", "https://h:-1/",    "https://h:+443/",
        "https://h:x/",  "https://h:443x/",  "https://h:00443/", "https://h:0443/",
        "https://h:1:2", "https://h:4 4/"};
    static const char *const other[] = {"https://h:22/", "https://h:25/",
                                        "https://h:80/", "https://h:6379/",
                                        "https://h:65535/"};
    for (size_t i = 0; i < LEN(never); i++) {
        const char *code = refusal(whs_slice_of(never[i]), &strict);
        if (strcmp(code, "port") != 0 && strcmp(code, "format") != 0)
            fail_msg("%s: %s", never[i], code);
        assert_string_not_equal(refusal(whs_slice_of(never[i]), &dev), "");
    }
    for (size_t i = 0; i < LEN(other); i++) {
        expect_refusal(other[i], &strict, "port");
        expect_refusal(other[i], &dev, "");
    }
    static const uint16_t ports[] = {9443, 65535};
    struct whs_url_policy more = {.ports = ports, .port_count = 2};
    expect_refusal("https://h:9443/", &more, "");
    expect_refusal("https://h:65535/", &more, "");
    expect_refusal("https://h:8443/", &more, "");
    expect_refusal("https://h:9444/", &more, "port");
}

static void
an_address_in_any_spelling_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"https://8.8.8.8/",
                                        "https://127.0.0.1/",
                                        "https://127.1/",
                                        "https://2130706433/",
                                        "https://0x7f000001/",
                                        "https://0177.0.0.1/",
                                        "https://0x7f.1/",
                                        "https://0/",
                                        "https://0x/",
                                        "https://4294967296/",
                                        "https://1.2.3.4.5/",
                                        "https://a.0x1F/",
                                        "https://a.08/",
                                        "https://example.123/",
                                        "https://[::1]/",
                                        "https://[::]/",
                                        "https://[2606:4700::1]/",
                                        "https://[::ffff:127.0.0.1]/",
                                        "https://[fe80::1]:443/"};
    for (size_t i = 0; i < LEN(texts); i++)
        expect_refusal(texts[i], &strict, "address");
}

static void
dev_allows_loopback_and_no_other_address(void **state)
{
    (void)state;
    static const char *const local[] = {
        "https://localhost/",      "https://LOCALHOST:5000/x",
        "https://127.0.0.1:8000/", "https://127.255.0.1/",
        "https://[::1]:9000/",     "https://[0:0:0:0:0:0:0:1]/",
        "https://example.com:80/", "https://127.1/"};
    static const char *const other[] = {
        "https://8.8.8.8/", "https://10.0.0.1/",           "https://0.0.0.0/",
        "https://[::]/",    "https://[::ffff:127.0.0.1]/", "https://[fe80::1]/",
        "https://128.1/",   "https://169.254.169.254/"};
    for (size_t i = 0; i < LEN(local); i++)
        expect_refusal(local[i], &dev, "");
    for (size_t i = 0; i < LEN(other); i++)
        expect_refusal(other[i], &dev, "address");
    struct whs_url url;
    assert_string_equal(judge(WHS_SLICE("https://[::1]:9000"), &dev, &url), "");
    assert_string_equal(url.text.ptr, "https://[::1]:9000/");
    assert_string_equal(url.origin.ptr, "https://[::1]:9000");
    whs_url_fini(&url);
}

static void
host_and_port_are_both_told(void **state)
{
    (void)state;
    struct whs_field_errors errors = {0};
    struct whs_url url;
    assert_int_equal(whs_url_parse(WHS_SLICE("https://a..b:22/"), &strict,
                                   WHS_SLICE("u"), &errors, &url),
                     WHS_INVALID);
    assert_int_equal(errors.len, 2);
    assert_string_equal(errors.items[0].code, "format");
    assert_string_equal(errors.items[1].code, "port");
    whs_field_errors_fini(&errors);
}

/* "https://", `host` and "/", then 'a' up to `len` bytes. */
static void
expect_size(const char *host, size_t len, const char *code)
{
    struct whs_buf buf = {0};
    whs_buf_append(&buf, "https://", 8);
    whs_buf_append_slice(&buf, whs_slice_of(host));
    while (buf.len < len)
        whs_buf_append_char(&buf, 'a');
    assert_string_equal(refusal(whs_buf_slice(&buf), &strict), code);
    whs_buf_fini(&buf);
}

static void
a_url_has_2048_bytes_at_most(void **state)
{
    (void)state;
    expect_size("h/", 2048, "");
    expect_size("h/", 2049, "size");
    /* Its normal form, with a path, is one longer: it could not be read back. */
    expect_size("h?", 2047, "");
    expect_size("h?", 2048, "size");
    expect_size("h/", 8 * 1024 * 1024, "size");
}

static void
a_host_has_labels_of_63_and_253_bytes_at_most(void **state)
{
    (void)state;
    char host[300];
    for (size_t len = 63; len <= 64; len++) {
        snprintf(
            host, sizeof(host), "%.*s.example/", (int)len,
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        expect_size(host, 0, len == 63 ? "" : "format");
    }
    for (size_t len = 253; len <= 254; len++) {
        for (size_t i = 0; i < len; i++)
            host[i] = i % 50 == 49 ? '.' : 'a';
        memcpy(host + len, "/", 2);
        expect_size(host, 0, len == 253 ? "" : "format");
    }
}

/* What the judge accepts, whatever it is, is stable, https, ASCII and within limits. */
static void
mutated_urls_are_refused_or_have_one_normal_form(void **state)
{
    (void)state;
    static const struct whs_slice models[] = {
        {"https://example.com:8443/a/../b%20c?q=1&r", 41},
        {"https://[::1]:443/x", 19},
        {"https://127.0.0.1/x?y", 21}};
    uint64_t seed = 8;
    size_t good = 0;
    for (int round = 0; round < 20000; round++) {
        struct whs_slice text = texts_mutate(models[round % 3], &seed);
        const struct whs_url_policy *policy = round % 2 ? &dev : &strict;
        struct whs_url url, again;
        if (*judge(text, policy, &url) == '\0') {
            good++;
            if (*judge(url.text, policy, &again) != '\0' ||
                !whs_slice_equal(url.text, again.text) ||
                !whs_slice_equal(url.origin, again.origin))
                fail_msg("%.*s: %s, %s", (int)text.len, text.ptr, url.text.ptr,
                         again.text.ptr ? again.text.ptr : "refused");
            assert_memory_equal(url.text.ptr, "https://", 8);
            assert_true(url.text.len <= WHS_URL_BYTES_MAX);
            whs_url_fini(&again);
            whs_url_fini(&url);
        }
        texts_free(text);
    }
    assert_in_range(good, 1000, 19000);
}

static void
without_memory_there_is_no_url(void **state)
{
    (void)state;
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_field_errors errors = {0};
        struct whs_url url, bad;
        enum whs_status status = whs_url_parse(WHS_SLICE("https://h/"), &strict,
                                               WHS_SLICE("u"), &errors, &url);
        assert_int_equal(whs_url_parse(WHS_SLICE("https://h:22/"), &strict,
                                       WHS_SLICE("u"), &errors, &bad),
                         WHS_INVALID);
        failing_alloc_end();
        assert_int_equal(status == WHS_NO_MEMORY || errors.no_memory,
                         failing_alloc_happened());
        assert_int_equal(errors.len, errors.no_memory ? 0 : 1);
        whs_url_fini(&url);
        whs_field_errors_fini(&errors);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_url_has_a_normal_form_and_an_origin),
        cmocka_unit_test(other_schemes_are_refused_whoever_asks),
        cmocka_unit_test(what_is_no_url_is_refused),
        cmocka_unit_test(a_port_must_be_one_of_the_policy),
        cmocka_unit_test(an_address_in_any_spelling_is_refused),
        cmocka_unit_test(dev_allows_loopback_and_no_other_address),
        cmocka_unit_test(host_and_port_are_both_told),
        cmocka_unit_test(a_url_has_2048_bytes_at_most),
        cmocka_unit_test(a_host_has_labels_of_63_and_253_bytes_at_most),
        cmocka_unit_test(mutated_urls_are_refused_or_have_one_normal_form),
        cmocka_unit_test(without_memory_there_is_no_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
