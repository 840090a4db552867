/* What stands in the files that options name, read by the code that reads them at the start. */
#include "base/alloc.h"
#include "conf/issuer_keys.h"
#include "conf/origin.h"
#include "conf/read.h"
#include "crypto/tls_file.h"
#include "model/master.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct look {
    const struct conf *conf;
    bool is_reader;
    struct complaints *complaints;
};

/* One option that names a file: its field, and the place of what it is part of. */
struct named {
    const struct slice *path;
    struct place whole;
};

typedef enum err use_fn(SSL_CTX *context, const char *path, char **why);

static void complain_file(const struct look *l, const struct named *file, bool is_warning,
                          const char *trouble, const char *wanted)
{
    complain(l->complaints, origin_or(l->conf, file->path, file->whole), is_warning, "%s%s%s",
             trouble, wanted[0] != '\0' ? "; wanted is " : "", wanted);
}

/* True when it is there to be looked into; what is no plain file, such as a pipe, is left alone. */
static bool is_readable(const struct look *l, const struct named *file)
{
    int fd = file->path->n > 0 ? open(file->path->p, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    bool is_others = fd < 0 && errno == EACCES && !l->is_reader;
    struct stat about = {0};
    char *trouble = NULL;

    if (file->path->n == 0)
        return false;
    if (fd < 0 || fstat(fd, &about) != 0 || S_ISDIR(about.st_mode))
        CHECK(asprintf(&trouble, "%s: %s", file->path->p,
                       is_others ? "you may not read it; may the gateway?"
                                 : strerror(fd < 0 ? errno : EISDIR)) >= 0);
    if (trouble != NULL)
        complain_file(l, file, is_others, trouble, "");
    free(trouble);
    if (fd >= 0)
        (void)close(fd);
    return S_ISREG(about.st_mode);
}

/* False after a complaint, and when there was nothing to look into. */
static bool look_into(const struct look *l, SSL_CTX *context, use_fn *use, const struct named *file,
                      const char *wanted)
{
    char *why = NULL;
    bool is_good = is_readable(l, file);

    if (is_good && use(context, file->path->p, &why) != ERR_OK) {
        complain_file(l, file, false, why, wanted);
        is_good = false;
    }
    free(why);
    return is_good;
}

static SSL_CTX *new_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());

    CHECK(context != NULL);
    return context;
}

static void look_at_pair(const struct look *l, const struct slice *certificate,
                         const struct slice *key, struct place whole)
{
    const struct named files[] = {{certificate, whole}, {key, whole}};
    SSL_CTX *context = new_context();

    if (look_into(l, context, tls_file_certificate, &files[0], "a chain in PEM, leaf first"))
        (void)look_into(l, context, tls_file_key, &files[1],
                        "its private key in PEM, without a passphrase");
    else
        (void)is_readable(l, &files[1]);
    SSL_CTX_free(context);
}

static void look_at_authorities(const struct look *l, const struct slice *path, struct place whole,
                                use_fn *use)
{
    const struct named file = {path, whole};
    SSL_CTX *context = new_context();

    (void)look_into(l, context, use, &file, "PEM certificates of the authorities");
    SSL_CTX_free(context);
}

static void look_at_listeners(const struct look *l)
{
    for (size_t i = 0; i < l->conf->listen_count; i++) {
        const struct conf_listen *one = &l->conf->listen[i];

        look_at_pair(l, &one->certificate, &one->key, one->place);
        for (size_t k = 0; k < one->certificate_count; k++)
            look_at_pair(l, &one->certificates[k].certificate, &one->certificates[k].key,
                         one->certificates[k].place);
        look_at_authorities(l, &one->client_ca, one->place, tls_file_client_authorities);
    }
}

static void look_at_keys(const struct look *l, const struct conf_issuer *one)
{
    const bool is_jwks = one->jwks_file.n > 0;
    const struct named file = {is_jwks ? &one->jwks_file : &one->key_file, one->place};
    struct keyset *keys = NULL;
    struct buf why;

    buf_init(&why);
    if (is_readable(l, &file) && issuer_load(one, &keys, &why) != ERR_OK)
        complain_file(l, &file, false, buf_cstr(&why),
                      is_jwks ? "a JWKS document with a public key for one of the algorithms"
                              : "one PEM public key or certificate for one of the algorithms");
    keyset_unref(keys);
    buf_fini(&why);
}

static void look_at_issuers(const struct look *l)
{
    for (size_t i = 0; i < l->conf->issuer_count; i++) {
        const struct conf_issuer *one = &l->conf->issuers[i];

        if (one->secret == NULL && (one->jwks_file.n > 0 || one->key_file.n > 0))
            look_at_keys(l, one);
        look_at_authorities(l, &one->ca, one->place, tls_file_authorities);
    }
}

static void look_at_upstreams(const struct look *l)
{
    for (size_t i = 0; i < l->conf->upstream_count; i++) {
        const struct conf_upstream *one = &l->conf->upstreams[i];

        look_at_authorities(l, &one->ca, one->place, tls_file_authorities);
        look_at_pair(l, &one->certificate, &one->key, one->place);
    }
}

static void look_at_master_key(const struct look *l)
{
    const struct conf_auth *auth = &l->conf->auth;
    struct master *master = NULL;

    if (auth->master_key != NULL &&
        master_from_text(secret_slice(auth->master_key), &master) != ERR_OK)
        complain(l->complaints, origin_or(l->conf, &auth->master_key, (struct place){0}), false,
                 "auth.master_key is not 32 bytes in base64url; make one: "
                 "openssl rand -base64 32 | tr +/ -_ | tr -d =");
    master_free(master);
}

void check_files(const struct conf *conf, bool is_reader, struct complaints *c)
{
    const struct look l = {conf, is_reader, c};

    look_at_listeners(&l);
    look_at_issuers(&l);
    look_at_upstreams(&l);
    look_at_authorities(&l, &conf->redis.ca, (struct place){0}, tls_file_authorities);
    look_at_pair(&l, &conf->redis.certificate, &conf->redis.key, (struct place){0});
    look_at_master_key(&l);
}
