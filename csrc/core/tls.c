/* SPDX-License-Identifier: MIT */
#include "tls.h"

#include <dirent.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "alloc.h"

/* No RSA below 2048 bits, no SHA-1: OpenSSL's own default since 3.2. */
#define SECURITY_LEVEL 2

struct whs_trust {
    X509_STORE *store;
};

/* Certificates of a PEM text, added to the store; how many. */
static int
add_pem(X509_STORE *store, struct whs_slice pem)
{
    BIO *bio = pem.len > INT32_MAX ? NULL : BIO_new_mem_buf(pem.ptr, (int)pem.len);
    int count = 0;
    X509 *certificate;
    while (bio && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        count += X509_STORE_add_cert(store, certificate) == 1;
        X509_free(certificate);
    }
    BIO_free(bio);
    /* The end of the text is an error to OpenSSL, and not to us. */
    ERR_clear_error();
    return count;
}

/* "5f3b2c1a.0": how OpenSSL finds a certificate in a directory. */
static bool
is_hashed_name(const char *name)
{
    return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' && name[9] >= '0' &&
           name[9] <= '9';
}

/* OpenSSL looks into the directory only when it needs a certificate, and would find out
 * then that it is empty or missing. */
static bool
has_hashed_names(const char *path)
{
    DIR *directory = opendir(path);
    bool found = false;
    for (struct dirent *entry; directory && !found && (entry = readdir(directory));)
        found = is_hashed_name(entry->d_name);
    if (directory)
        closedir(directory);
    return found;
}

static enum whs_status
fill_store(X509_STORE *store, const char *ca_file, const char *ca_dir,
           struct whs_slice extra_pem, struct whs_error *err)
{
    ERR_clear_error();
    if (ca_file && X509_STORE_load_file(store, ca_file) != 1) {
        ERR_clear_error();
        return whs_error_set(err, WHS_CONFIGURATION,
                             "%s holds no readable certificates", ca_file);
    }
    if (ca_dir &&
        (!has_hashed_names(ca_dir) || X509_STORE_load_path(store, ca_dir) != 1)) {
        ERR_clear_error();
        return whs_error_set(err, WHS_CONFIGURATION,
                             "%s is no directory of hashed certificates", ca_dir);
    }
    if (extra_pem.ptr && add_pem(store, extra_pem) == 0)
        return whs_error_set(err, WHS_CONFIGURATION,
                             "the PEM text holds no certificate");
    if (!ca_file && !ca_dir && !extra_pem.ptr)
        return whs_error_set(err, WHS_CONFIGURATION,
                             "no certificate authority is named");
    return WHS_OK;
}

/* libcurl falls back to the common name where a certificate names no host, which nobody
 * who issues certificates checks any more (RFC 9525). */
static int
require_named_host(int ok, X509_STORE_CTX *verified)
{
    const X509 *certificate = X509_STORE_CTX_get_current_cert(verified);
    if (!ok || X509_STORE_CTX_get_error_depth(verified) > 0 ||
        X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) >= 0)
        return ok;
    X509_STORE_CTX_set_error(verified, X509_V_ERR_HOSTNAME_MISMATCH);
    return 0;
}

enum whs_status
whs_trust_create(const char *ca_file, const char *ca_dir, struct whs_slice extra_pem,
                 struct whs_trust **out, struct whs_error *err)
{
    *out = NULL;
    struct whs_trust *trust = whs_calloc(1, sizeof(*trust));
    if (!trust || !(trust->store = X509_STORE_new())) {
        whs_free(trust);
        return whs_error_set(err, WHS_NO_MEMORY, "out of memory");
    }
    X509_STORE_set_verify_cb(trust->store, require_named_host);
    enum whs_status status = fill_store(trust->store, ca_file, ca_dir, extra_pem, err);
    if (status != WHS_OK) {
        whs_trust_destroy(trust);
        return status;
    }
    *out = trust;
    return WHS_OK;
}

void
whs_trust_destroy(struct whs_trust *trust)
{
    if (!trust)
        return;
    X509_STORE_free(trust->store);
    whs_free(trust);
}

void
whs_trust_install(struct whs_trust *trust, void *ssl_ctx)
{
    SSL_CTX_set1_cert_store(ssl_ctx, trust->store);
    /* SSLKEYLOGFILE in the environment must not give the session keys away. */
    SSL_CTX_set_keylog_callback(ssl_ctx, NULL);
    /* Nor may an OPENSSL_CONF that was meant for somebody else bring short keys back.
     */
    if (SSL_CTX_get_security_level(ssl_ctx) < SECURITY_LEVEL)
        SSL_CTX_set_security_level(ssl_ctx, SECURITY_LEVEL);
}

/* --- A throwaway authority.
 * ----------------------------------------------------------- */

struct issued {
    EVP_PKEY *ca_key, *key;
    X509 *ca, *certificate;
};

static void
free_issued(struct issued *issued)
{
    EVP_PKEY_free(issued->ca_key);
    EVP_PKEY_free(issued->key);
    X509_free(issued->ca);
    X509_free(issued->certificate);
}

static bool
set_serial(X509 *certificate)
{
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return ok;
}

static bool
add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return ok;
}

static X509 *
make_certificate(EVP_PKEY *key, const char *name, int days)
{
    X509 *made = X509_new();
    if (!made)
        return NULL;
    X509_NAME *subject = X509_get_subject_name(made);
    bool ok = X509_set_version(made, X509_VERSION_3) && set_serial(made) &&
              /* An hour back: clocks of two machines differ. */
              X509_gmtime_adj(X509_getm_notBefore(made), -3600) &&
              X509_gmtime_adj(X509_getm_notAfter(made), (long)days * 86400) &&
              X509_set_pubkey(made, key) &&
              X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                         (const unsigned char *)name, -1, -1, 0);
    if (ok)
        return made;
    X509_free(made);
    return NULL;
}

static bool
issue_authority(struct issued *issued, int days)
{
    issued->ca_key = EVP_EC_gen("P-256");
    if (!issued->ca_key || !(issued->ca = make_certificate(
                                 issued->ca_key, "webhooksub throwaway CA", days)))
        return false;
    X509 *ca = issued->ca;
    return X509_set_issuer_name(ca, X509_get_subject_name(ca)) &&
           add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(ca, ca, NID_key_usage, "critical,keyCertSign") &&
           add_extension(ca, ca, NID_subject_key_identifier, "hash") &&
           X509_sign(ca, issued->ca_key, EVP_sha256()) > 0;
}

/* "localhost,127.0.0.1" → "DNS:localhost,IP:127.0.0.1". */
static void
append_alternative_names(struct whs_buf *buf, struct whs_slice names)
{
    while (names.len > 0) {
        const char *comma = memchr(names.ptr, ',', names.len);
        size_t len = comma ? (size_t)(comma - names.ptr) : names.len;
        bool address =
            memchr(names.ptr, ':', len) ||
            (len > 0 && names.ptr[len - 1] >= '0' && names.ptr[len - 1] <= '9');
        if (buf->len > 0)
            whs_buf_append_char(buf, ',');
        whs_buf_append_slice(buf, whs_slice_of(address ? "IP:" : "DNS:"));
        whs_buf_append(buf, names.ptr, len);
        names.ptr += len + (comma ? 1 : 0);
        names.len -= len + (comma ? 1 : 0);
    }
    whs_buf_append_char(buf, '\0');
}

static bool
issue_leaf(struct issued *issued, struct whs_slice names, int days)
{
    struct whs_buf alternatives = {0};
    append_alternative_names(&alternatives, names);
    issued->key = alternatives.failed ? NULL : EVP_EC_gen("P-256");
    bool ok = issued->key &&
              (issued->certificate = make_certificate(issued->key, "webhooksub", days));
    X509 *leaf = issued->certificate, *ca = issued->ca;
    ok = ok && X509_set_issuer_name(leaf, X509_get_subject_name(ca)) &&
         add_extension(leaf, ca, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(leaf, ca, NID_key_usage, "critical,digitalSignature") &&
         add_extension(leaf, ca, NID_ext_key_usage, "serverAuth") &&
         add_extension(leaf, ca, NID_authority_key_identifier, "keyid") &&
         add_extension(leaf, ca, NID_subject_alt_name, alternatives.ptr) &&
         X509_sign(leaf, issued->ca_key, EVP_sha256()) > 0;
    whs_buf_fini(&alternatives);
    return ok;
}

static bool
append_pem(struct whs_buf *buf, X509 *certificate, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio && (certificate ? PEM_write_bio_X509(bio, certificate)
                                  : PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0,
                                                             NULL, NULL));
    char *bytes = NULL;
    long len = ok ? BIO_get_mem_data(bio, &bytes) : 0;
    whs_buf_append(buf, bytes, (size_t)len);
    BIO_free(bio);
    return ok && !buf->failed;
}

enum whs_status
whs_tls_issue(struct whs_slice names, int days, struct whs_buf *ca_pem,
              struct whs_buf *cert_pem, struct whs_buf *key_pem, struct whs_error *err)
{
    struct issued issued = {0};
    bool ok = issue_authority(&issued, days) && issue_leaf(&issued, names, days) &&
              append_pem(ca_pem, issued.ca, NULL) &&
              append_pem(cert_pem, issued.certificate, NULL) &&
              append_pem(key_pem, NULL, issued.key);
    free_issued(&issued);
    ERR_clear_error();
    return ok ? WHS_OK
              : whs_error_set(err, WHS_SYSTEM,
                              "no certificate could be made for these names");
}
