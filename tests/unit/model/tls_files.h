#ifndef UNIT_MODEL_TLS_FILES_H
#define UNIT_MODEL_TLS_FILES_H

#include "fixture.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* A certificate for 127.0.0.1 that signs itself, and its key, as PEM files in dir. */
HELPER void tls_files_make(const char *dir)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    char path[128];
    FILE *f;

    assert_true(X509_set_version(cert, X509_VERSION_3));
    assert_true(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1));
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), -3600));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 3600));
    assert_true(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test",
                                           -1, -1, 0));
    assert_true(X509_set_issuer_name(cert, name) && X509_set_pubkey(cert, key));
    assert_true(X509_add_ext(cert, names, -1) && X509_sign(cert, key, EVP_sha256()) > 0);
    (void)snprintf(path, sizeof(path), "%s/cert.pem", dir);
    f = fopen(path, "we");
    assert_true(f != NULL && PEM_write_X509(f, cert));
    assert_int_equal(fclose(f), 0);
    (void)snprintf(path, sizeof(path), "%s/key.pem", dir);
    f = fopen(path, "we");
    assert_true(f != NULL && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
    assert_int_equal(fclose(f), 0);
    X509_EXTENSION_free(names);
    X509_free(cert);
    EVP_PKEY_free(key);
}

#endif
