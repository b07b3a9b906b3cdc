/* SPDX-License-Identifier: MIT
 *
 * tls: what is a certificate authority, and a throwaway one that OpenSSL itself agrees
 * with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "failing_alloc.h"
#include "tls.h"

#define NAMES WHS_SLICE("localhost,hooks.example.test,127.0.0.1,::1")

static struct whs_buf ca, certificate, key;

static int
issue(void **state)
{
    (void)state;
    return whs_tls_issue(NAMES, 2, &ca, &certificate, &key, NULL) == WHS_OK ? 0 : -1;
}

static int
drop(void **state)
{
    (void)state;
    whs_buf_fini(&ca);
    whs_buf_fini(&certificate);
    whs_buf_fini(&key);
    return 0;
}

static X509 *
read_certificate(const struct whs_buf *pem)
{
    BIO *bio = BIO_new_mem_buf(pem->ptr, (int)pem->len);
    X509 *made = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(made);
    return made;
}

/* What a connection would say of `leaf` that trusts what `trust` trusts. */
static int
judge(struct whs_trust *trust, X509 *leaf)
{
    SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_client_method());
    X509_STORE_CTX *judging = X509_STORE_CTX_new();
    whs_trust_install(trust, ssl_ctx);
    assert_int_equal(
        X509_STORE_CTX_init(judging, SSL_CTX_get_cert_store(ssl_ctx), leaf, NULL), 1);
    X509_STORE_CTX_set_purpose(judging, X509_PURPOSE_SSL_SERVER);
    X509_verify_cert(judging);
    int error = X509_STORE_CTX_get_error(judging);
    X509_STORE_CTX_free(judging);
    SSL_CTX_free(ssl_ctx);
    return error;
}

static void
an_issued_certificate_verifies_by_its_authority_alone(void **state)
{
    (void)state;
    struct whs_buf other[3] = {0};
    struct whs_trust *trust, *stranger;
    X509 *leaf = read_certificate(&certificate);
    assert_int_equal(whs_tls_issue(NAMES, 2, &other[0], &other[1], &other[2], NULL),
                     WHS_OK);
    assert_int_equal(whs_trust_create(NULL, NULL, whs_buf_slice(&ca), &trust, NULL),
                     WHS_OK);
    assert_int_equal(
        whs_trust_create(NULL, NULL, whs_buf_slice(&other[0]), &stranger, NULL),
        WHS_OK);
    assert_int_equal(judge(trust, leaf), X509_V_OK);
    assert_int_not_equal(judge(stranger, leaf), X509_V_OK);
    whs_trust_destroy(trust);
    whs_trust_destroy(stranger);
    X509_free(leaf);
    for (int i = 0; i < 3; i++)
        whs_buf_fini(&other[i]);
}

static void
it_is_for_its_names_and_a_server_only(void **state)
{
    (void)state;
    X509 *leaf = read_certificate(&certificate);
    assert_int_equal(X509_check_host(leaf, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(leaf, "hooks.example.test", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(leaf, "example.test", 0, 0, NULL), 0);
    assert_int_equal(X509_check_host(leaf, "webhooksub", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(leaf, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(leaf, "::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(leaf, "127.0.0.2", 0), 0);
    assert_int_equal(X509_check_ca(leaf), 0);
    assert_int_equal(X509_get_extended_key_usage(leaf), XKU_SSL_SERVER);
    X509_free(leaf);
}

static void
the_key_is_the_certificates(void **state)
{
    (void)state;
    X509 *leaf = read_certificate(&certificate);
    BIO *bio = BIO_new_mem_buf(key.ptr, (int)key.len);
    EVP_PKEY *read = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    assert_non_null(read);
    assert_int_equal(X509_check_private_key(leaf, read), 1);
    EVP_PKEY_free(read);
    BIO_free(bio);
    X509_free(leaf);
}

static void
it_is_valid_now_and_so_many_days(void **state)
{
    (void)state;
    X509 *leaf = read_certificate(&certificate);
    int days, seconds;
    assert_true(X509_cmp_current_time(X509_get0_notBefore(leaf)) < 0);
    assert_true(X509_cmp_current_time(X509_get0_notAfter(leaf)) > 0);
    assert_int_equal(ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(leaf),
                                    X509_get0_notAfter(leaf)),
                     1);
    assert_int_equal(days, 2);
    X509_free(leaf);
}

static void
names_that_are_none_get_no_certificate(void **state)
{
    (void)state;
    static const char *const names[] = {"", ",", "a,,b", "999.999.999.999", "::zz"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct whs_buf made[3] = {0};
        struct whs_error err;
        if (whs_tls_issue(whs_slice_of(names[i]), 1, &made[0], &made[1], &made[2],
                          &err) != WHS_SYSTEM)
            fail_msg("'%s' got a certificate", names[i]);
        assert_int_equal(ERR_peek_error(), 0);
        for (int b = 0; b < 3; b++)
            whs_buf_fini(&made[b]);
    }
}

/* --- Files and directories. --- */

static char directory[] = "/tmp/webhooksub-tls-XXXXXX";

static int
make_directory(void **state)
{
    (void)state;
    return issue(state) == 0 && mkdtemp(directory) ? 0 : -1;
}

static int
remove_directory(void **state)
{
    drop(state);
    return rmdir(directory);
}

static const char *
write_file(const char *name, struct whs_slice bytes)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.ptr, 1, bytes.len, file), bytes.len);
    fclose(file);
    return path;
}

static void
assert_trusts(const char *ca_file, const char *ca_dir, struct whs_slice pem)
{
    struct whs_trust *trust;
    X509 *leaf = read_certificate(&certificate);
    assert_int_equal(whs_trust_create(ca_file, ca_dir, pem, &trust, NULL), WHS_OK);
    assert_int_equal(judge(trust, leaf), X509_V_OK);
    whs_trust_destroy(trust);
    X509_free(leaf);
}

static void
authorities_come_from_a_file_a_directory_or_a_text(void **state)
{
    (void)state;
    const struct whs_slice none = {0};
    char hashed[32];
    X509 *authority = read_certificate(&ca);
    const char *file = write_file("ca.pem", whs_buf_slice(&ca));
    assert_trusts(file, NULL, none);
    unlink(file);
    snprintf(hashed, sizeof(hashed), "%08lx.0", X509_subject_name_hash(authority));
    file = write_file(hashed, whs_buf_slice(&ca));
    assert_trusts(NULL, directory, none);
    unlink(file);
    assert_trusts(NULL, NULL, whs_buf_slice(&ca));
    X509_free(authority);
}

static void
a_text_is_added_to_a_file(void **state)
{
    (void)state;
    struct whs_buf other[3] = {0};
    assert_int_equal(whs_tls_issue(NAMES, 2, &other[0], &other[1], &other[2], NULL),
                     WHS_OK);
    const char *file = write_file("other.pem", whs_buf_slice(&other[0]));
    assert_trusts(file, NULL, whs_buf_slice(&ca));
    unlink(file);
    for (int i = 0; i < 3; i++)
        whs_buf_fini(&other[i]);
}

static void
assert_refused(const char *ca_file, const char *ca_dir, struct whs_slice pem,
               const char *word)
{
    struct whs_error err = {0};
    struct whs_trust *trust = (void *)&err;
    assert_int_equal(whs_trust_create(ca_file, ca_dir, pem, &trust, &err),
                     WHS_CONFIGURATION);
    assert_null(trust);
    assert_non_null(strstr(err.message, word));
    assert_int_equal(ERR_peek_error(), 0);
}

static void
what_holds_no_authority_is_refused_by_name(void **state)
{
    (void)state;
    const struct whs_slice none = {0};
    assert_refused(NULL, NULL, none, "no certificate authority");
    assert_refused("/nonexistent/ca.pem", NULL, none, "/nonexistent/ca.pem");
    assert_refused(directory, NULL, none, directory);
    assert_refused(NULL, "/nonexistent", none, "/nonexistent");
    assert_refused(NULL, NULL, WHS_SLICE(""), "PEM");
    assert_refused(NULL, NULL, WHS_SLICE("garbage"), "PEM");
    assert_refused(NULL, NULL, whs_buf_slice(&key), "PEM");
    const char *file = write_file("empty.pem", WHS_SLICE(""));
    assert_refused(file, NULL, none, "empty.pem");
    assert_refused(NULL, file, none, "empty.pem");
    unlink(file);
    file = write_file("garbage.pem", WHS_SLICE("-----BEGIN CERTIFICATE-----\nAAAA\n"));
    assert_refused(file, NULL, none, "garbage.pem");
    unlink(file);
    file = write_file("key.pem", whs_buf_slice(&key));
    assert_refused(file, NULL, none, "key.pem");
    unlink(file);
    file = write_file("ca.pem", whs_buf_slice(&ca));
    assert_refused(file, NULL, WHS_SLICE("garbage"), "PEM");
    unlink(file);
}

static void
an_empty_directory_is_refused(void **state)
{
    (void)state;
    assert_refused(NULL, directory, (struct whs_slice){0}, directory);
}

static void
without_memory_there_is_no_trust_and_no_certificate(void **state)
{
    (void)state;
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_trust *trust;
        enum whs_status status =
            whs_trust_create(NULL, NULL, whs_buf_slice(&ca), &trust, NULL);
        assert_int_equal(status, failing_alloc_happened() ? WHS_NO_MEMORY : WHS_OK);
        whs_trust_destroy(trust);
        failing_alloc_end();
    }
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_buf made[3] = {0};
        enum whs_status status =
            whs_tls_issue(NAMES, 1, &made[0], &made[1], &made[2], NULL);
        assert_int_equal(status == WHS_OK, !failing_alloc_happened());
        for (int b = 0; b < 3; b++)
            whs_buf_fini(&made[b]);
        failing_alloc_end();
    }
}

static void
session_keys_are_written_nowhere(void **state)
{
    (void)state;
    struct whs_trust *trust;
    SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_client_method());
    assert_int_equal(whs_trust_create(NULL, NULL, whs_buf_slice(&ca), &trust, NULL),
                     WHS_OK);
    SSL_CTX_set_keylog_callback(ssl_ctx, (SSL_CTX_keylog_cb_func)abort);
    whs_trust_install(trust, ssl_ctx);
    assert_true(SSL_CTX_get_keylog_callback(ssl_ctx) == NULL);
    whs_trust_destroy(trust);
    SSL_CTX_free(ssl_ctx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_issued_certificate_verifies_by_its_authority_alone),
        cmocka_unit_test(it_is_for_its_names_and_a_server_only),
        cmocka_unit_test(the_key_is_the_certificates),
        cmocka_unit_test(it_is_valid_now_and_so_many_days),
        cmocka_unit_test(names_that_are_none_get_no_certificate),
        cmocka_unit_test(authorities_come_from_a_file_a_directory_or_a_text),
        cmocka_unit_test(a_text_is_added_to_a_file),
        cmocka_unit_test(what_holds_no_authority_is_refused_by_name),
        cmocka_unit_test(an_empty_directory_is_refused),
        cmocka_unit_test(without_memory_there_is_no_trust_and_no_certificate),
        cmocka_unit_test(session_keys_are_written_nowhere),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
