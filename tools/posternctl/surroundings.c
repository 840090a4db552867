#include "surroundings.h"

#include "base/alloc.h"
#include "conf/origin.h"
#include "http/url.h"

#include <netdb.h>
#include <stdlib.h>

struct look {
    const struct conf *conf;
    struct complaints *complaints;
};

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

void surroundings_check(const struct conf *conf, struct complaints *c)
{
    const struct look l = {conf, c};

    for (size_t i = 0; i < conf->issuer_count; i++)
        look_at_host(&l, conf->issuers[i].jwks_url, &conf->issuers[i].jwks_url,
                     conf->issuers[i].place);
    for (size_t i = 0; i < conf->upstream_count; i++) {
        const struct conf_upstream *one = &conf->upstreams[i];

        for (size_t k = 0; k < one->servers.count; k++)
            look_at_host(&l, one->servers.items[k], &one->servers, one->place);
    }
}
