#ifndef NET_CERT_H
#define NET_CERT_H

/* Certificates made for one run, in a folder of their own. */

#include "net_test.h"

#include "net/tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { PATH_ROOM = 160 };

struct cert {
    char path[PATH_ROOM], key_path[PATH_ROOM];
    X509 *x509;
    EVP_PKEY *key;
};

struct cert_dir {
    char path[64];
};

static inline void cert_dir_open(struct cert_dir *d)
{
    strcpy(d->path, "/tmp/postern-net-XXXXXX");
    assert_non_null(mkdtemp(d->path));
}

static inline void cert_dir_close(struct cert_dir *d)
{
    assert_int_equal(rmdir(d->path), 0); /* every cert has been freed */
}

static inline void add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;

    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
}

/*
 * san     "DNS:a.example,IP:127.0.0.1"; NULL: an authority
 * issuer  NULL: signs itself
 */
static inline void cert_make(struct cert *c, const struct cert_dir *d, const char *name,
                             const char *san, const struct cert *issuer, long life_s)
{
    static long serial = 1;
    FILE *file;
    X509 *x = X509_new();
    X509_NAME *subject = X509_get_subject_name(x);

    snprintf(c->path, sizeof(c->path), "%s/%s.pem", d->path, name);
    snprintf(c->key_path, sizeof(c->key_path), "%s/%s.key", d->path, name);
    c->key = EVP_EC_gen("P-256");
    c->x509 = x;
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), -10);
    X509_gmtime_adj(X509_getm_notAfter(x), life_s);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, issuer != NULL ? X509_get_subject_name(issuer->x509) : subject);
    X509_set_pubkey(x, c->key);
    if (san != NULL)
        add_extension(x, x, NID_subject_alt_name, san);
    if (issuer == NULL)
        add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(x, issuer != NULL ? issuer->key : c->key, EVP_sha256()) > 0);

    file = fopen(c->path, "w");
    assert_non_null(file);
    PEM_write_X509(file, x);
    fclose(file);
    file = fopen(c->key_path, "w");
    assert_non_null(file);
    PEM_write_PrivateKey(file, c->key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
}

static inline void cert_free(struct cert *c)
{
    unlink(c->path);
    unlink(c->key_path);
    X509_free(c->x509);
    EVP_PKEY_free(c->key);
}

static inline struct tls_server *make_server(const struct tls_server_conf *conf)
{
    struct tls_server *t = NULL;
    char *why = NULL;
    enum err e = tls_server_new(conf, &t, &why);

    if (e != ERR_OK)
        fail_msg("tls_server_new: %s", why);
    return t;
}

static inline struct tls_client *make_client(const struct tls_client_conf *conf)
{
    struct tls_client *t = NULL;
    char *why = NULL;
    enum err e = tls_client_new(conf, &t, &why);

    if (e != ERR_OK)
        fail_msg("tls_client_new: %s", why);
    return t;
}

#endif
