#include "surroundings.h"

#include "base/alloc.h"
#include "conf/origin.h"
#include "doctor.h"
#include "http/url.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

struct look {
    const struct conf *conf;
    struct complaints *complaints;
};

/* A file that only the gateway's user may read is no mistake. */
static bool look_at_file(const struct look *l, const struct slice *path, struct place whole)
{
    int fd = path->n > 0 ? open(path->p, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0 && path->n > 0)
        complain(l->complaints, origin_or(l->conf, path, whole), errno == EACCES, "%s: %s", path->p,
                 errno == EACCES ? "you may not read it; may the gateway?" : strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

static void look_at_pair(const struct look *l, const struct slice *certificate,
                         const struct slice *key, struct place whole)
{
    bool has_certificate = look_at_file(l, certificate, whole);

    if (look_at_file(l, key, whole) && has_certificate && !doctor_pair_fits(certificate->p, key->p))
        complain(l->complaints, origin_or(l->conf, certificate, whole), false,
                 "%s is no certificate, or %s is not its key", certificate->p, key->p);
}

static void look_at_host(const struct look *l, struct slice url_text, const void *field,
                         struct place whole)
{
    struct addrinfo *found = NULL;
    struct url url;
    char *host;
    int result;

    if (url_parse(url_text, &url) != ERR_OK || url.scheme == URL_UNIX)
        return;
    host = mem_strndup(url.host.p, url.host.n);
    result = getaddrinfo(host, NULL, NULL, &found);
    if (result != 0)
        complain(l->complaints, origin_or(l->conf, field, whole), true, "%s: %s", host,
                 gai_strerror(result));
    else
        freeaddrinfo(found);
    free(host);
}

static void look_at_listeners(const struct look *l)
{
    for (size_t i = 0; i < l->conf->listen_count; i++) {
        const struct conf_listen *one = &l->conf->listen[i];

        look_at_pair(l, &one->certificate, &one->key, one->place);
        (void)look_at_file(l, &one->client_ca, one->place);
        for (size_t k = 0; k < one->certificate_count; k++)
            look_at_pair(l, &one->certificates[k].certificate, &one->certificates[k].key,
                         one->certificates[k].place);
    }
}

static void look_at_issuers(const struct look *l)
{
    for (size_t i = 0; i < l->conf->issuer_count; i++) {
        const struct conf_issuer *one = &l->conf->issuers[i];

        (void)look_at_file(l, &one->jwks_file, one->place);
        (void)look_at_file(l, &one->key_file, one->place);
        (void)look_at_file(l, &one->ca, one->place);
        look_at_host(l, one->jwks_url, &one->jwks_url, one->place);
    }
}

static void look_at_upstreams(const struct look *l)
{
    for (size_t i = 0; i < l->conf->upstream_count; i++) {
        const struct conf_upstream *one = &l->conf->upstreams[i];

        (void)look_at_file(l, &one->ca, one->place);
        look_at_pair(l, &one->certificate, &one->key, one->place);
        for (size_t k = 0; k < one->servers.count; k++)
            look_at_host(l, one->servers.items[k], &one->servers, one->place);
    }
}

void surroundings_check(const struct conf *conf, struct complaints *c)
{
    const struct look l = {conf, c};

    look_at_listeners(&l);
    look_at_issuers(&l);
    look_at_upstreams(&l);
    (void)look_at_file(&l, &conf->redis.ca, (struct place){0});
    look_at_pair(&l, &conf->redis.certificate, &conf->redis.key, (struct place){0});
}
