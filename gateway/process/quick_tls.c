#include "process/quick_tls.h"

#include "base/random.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>

enum { VALID_S = 825 * 24 * 3600 };

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool ok;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ok = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_NAME *name;
    uint64_t serial;

    if (cert == NULL)
        return NULL;
    random_bytes(&serial, sizeof(serial));
    name = X509_get_subject_name(cert);
    if (X509_set_version(cert, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(cert), -60) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(cert), VALID_S) != NULL &&
        X509_set_pubkey(cert, key) == 1 &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1,
                                   -1, 0) == 1 &&
        X509_set_issuer_name(cert, name) == 1 &&
        add_extension(cert, NID_basic_constraints, "critical,CA:TRUE") &&
        add_extension(cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
        X509_sign(cert, key, EVP_sha256()) > 0)
        return cert;
    X509_free(cert);
    return NULL;
}

static FILE *create(const char *path, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    return fd >= 0 ? fdopen(fd, "w") : NULL;
}

enum err quick_certificate(const char *certificate_path, const char *key_path)
{
    enum err e = ERR_SYSTEM;
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    FILE *f = NULL;

    if (access(certificate_path, R_OK) == 0 && access(key_path, R_OK) == 0)
        return ERR_OK;
    key = EVP_EC_gen("P-256");
    if (key == NULL || (cert = make_certificate(key)) == NULL)
        goto out;
    if ((f = create(key_path, 0600)) == NULL ||
        PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) != 1 || fclose(f) != 0)
        goto out;
    f = create(certificate_path, 0644);
    if (f == NULL || PEM_write_X509(f, cert) != 1 || fclose(f) != 0)
        goto out;
    e = ERR_OK;
out:
    X509_free(cert);
    EVP_PKEY_free(key);
    return e;
}
