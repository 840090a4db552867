#include "doctor.h"

#include "base/clock.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { CERTIFICATE_WARN_DAYS = 14, DAY_S = 86400, TEXT_BYTES_MAX = 1024 };

/* A key with a passphrase is unusable for the gateway too; nobody is asked for one. */
static int refuse_passphrase(char *out, int room, int is_writing, void *arg)
{
    (void)out, (void)room, (void)is_writing, (void)arg;
    return -1;
}

static X509 *read_certificate(const char *path)
{
    FILE *file = fopen(path, "re");
    X509 *cert = file != NULL ? PEM_read_X509(file, NULL, refuse_passphrase, NULL) : NULL;

    if (file != NULL)
        (void)fclose(file);
    return cert;
}

static EVP_PKEY *read_key(const char *path)
{
    FILE *file = fopen(path, "re");
    EVP_PKEY *key = file != NULL ? PEM_read_PrivateKey(file, NULL, refuse_passphrase, NULL) : NULL;

    if (file != NULL)
        (void)fclose(file);
    return key;
}

static void look_at_mode(const char *path, bool is_needed, struct findings *f)
{
    char text[TEXT_BYTES_MAX], fix[TEXT_BYTES_MAX];
    struct stat s;

    (void)snprintf(text, sizeof(text), "%s is its owner's alone", path);
    (void)snprintf(fix, sizeof(fix), "chmod go= %s", path);
    if (stat(path, &s) == 0)
        finding_add(f, (s.st_mode & 077) == 0, text, fix);
    else if (is_needed)
        finding_add(f, false, text, "sudo posternctl bootstrap");
}

/* Whoever writes the configuration decides who gets in. */
static void look_at_writers(const char *path, struct findings *f)
{
    char text[TEXT_BYTES_MAX], fix[TEXT_BYTES_MAX];
    struct stat s;

    if (path == NULL || stat(path, &s) != 0)
        return;
    (void)snprintf(text, sizeof(text), "%s is written by its owner alone", path);
    (void)snprintf(fix, sizeof(fix), "chmod go-w %s", path);
    finding_add(f, (s.st_mode & 022) == 0, text, fix);
}

static bool pair_fits(const char *certificate, const char *key)
{
    X509 *x = read_certificate(certificate);
    EVP_PKEY *k = read_key(key);
    bool fits = x != NULL && k != NULL && X509_check_private_key(x, k) == 1;

    X509_free(x);
    EVP_PKEY_free(k);
    return fits;
}

static void look_at_pair(const char *certificate, const char *key_path, struct findings *f)
{
    X509 *cert = read_certificate(certificate);
    time_t soon = (time_t)clock_wall_s() + CERTIFICATE_WARN_DAYS * DAY_S;
    char text[TEXT_BYTES_MAX], fix[TEXT_BYTES_MAX];

    (void)snprintf(text, sizeof(text), "%s can be read and fits its key", certificate);
    (void)snprintf(fix, sizeof(fix), "ls -l %s %s; openssl x509 -noout -subject -in %s",
                   certificate, key_path, certificate);
    finding_add(f, pair_fits(certificate, key_path), text, fix);
    (void)snprintf(text, sizeof(text), "%s is valid for %d days at least", certificate,
                   CERTIFICATE_WARN_DAYS);
    (void)snprintf(fix, sizeof(fix),
                   "openssl x509 -noout -enddate -in %s   # renew, then: posternctl reload",
                   certificate);
    if (cert != NULL)
        finding_add(f,
                    X509_cmp_time(X509_get0_notAfter(cert), &soon) > 0 &&
                        X509_cmp_current_time(X509_get0_notBefore(cert)) < 0,
                    text, fix);
    X509_free(cert);
    look_at_mode(key_path, false, f);
}

void doctor_files(struct ctl *c, struct findings *f)
{
    char *master = ctl_state_path(c, "master.key");

    look_at_writers(c->conf_path, f);
    look_at_mode(c->conf->server.state_dir.p, true, f);
    look_at_mode(master, c->conf->auth.master_key == NULL, f);
    free(master);
    for (size_t i = 0; i < c->conf->listen_count; i++) {
        const struct conf_listen *l = &c->conf->listen[i];

        if (l->certificate.n > 0)
            look_at_pair(l->certificate.p, l->key.p, f);
        for (size_t k = 0; k < l->certificate_count; k++)
            look_at_pair(l->certificates[k].certificate.p, l->certificates[k].key.p, f);
    }
}
