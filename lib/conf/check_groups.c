#include "conf/origin.h"
#include "conf/read.h"
#include "conf/suggest.h"
#include "crypto/jwk.h"
#include "http/url.h"

/* Issuers, limits and upstreams: what stands for itself and is referred to by others. */

enum { WINDOWS_MAX = 4 };

static bool is_loopback_url(const struct url *url)
{
    struct addr a;

    if (url->scheme == URL_UNIX || slice_eq_ci(url->host, SLICE("localhost")))
        return true;
    return addr_parse(url->host, &a) == ERR_OK && addr_is_loopback(&a);
}

static void complain_alg(const struct conf *conf, const struct conf_issuer *i, struct slice name,
                         struct complaints *c)
{
    struct place at = origin_or(conf, &i->algorithms, i->place);
    struct suggest near;

    suggest_init(&near, name);
    for (unsigned a = ALG_NONE + 1; a < ALG_COUNT; a++) {
        suggest_offer(&near, alg_name((enum alg)a));
        if (slice_eq_ci(alg_name((enum alg)a), name))
            near = (struct suggest){name, alg_name((enum alg)a), 0};
    }
    if (slice_eq_ci(name, SLICE("none")))
        complain(c, at, false, "algorithm 'none' is not taken: such a token proves nothing");
    else
        complain(c, at, false, "unknown algorithm '%.*s'%s%.*s%s", SLICE_FMT(slice_to(name, 40)),
                 suggest_best(&near).n > 0 ? "; did you mean " : "", SLICE_FMT(suggest_best(&near)),
                 suggest_best(&near).n > 0 ? "?" : "");
}

static bool is_hmac(enum alg a)
{
    return a == ALG_HS256 || a == ALG_HS384 || a == ALG_HS512;
}

/* The algorithm belongs to the key (D8): a shared secret and a public key never mix. */
static void check_algorithms(const struct conf *conf, const struct conf_issuer *i,
                             struct complaints *c)
{
    struct place at = origin_or(conf, &i->algorithms, i->place);

    if (i->algorithms.count == 0)
        complain(c, at, false, "algorithms is missing: those the issuer signs with, such as RS256");
    for (size_t n = 0; n < i->algorithms.count; n++) {
        enum alg a = alg_find(i->algorithms.items[n]);

        if (a == ALG_NONE)
            complain_alg(conf, i, i->algorithms.items[n], c);
        else if (is_hmac(a) != (i->secret != NULL))
            complain(c, at, false,
                     is_hmac(a) ? "%.*s needs secret; a public key is no secret"
                                : "%.*s needs jwks_url, jwks_file or key_file, not a secret",
                     SLICE_FMT(alg_name(a)));
        else if (is_hmac(a) && i->secret->n < (a == ALG_HS256 ? 32 : a == ALG_HS384 ? 48 : 64))
            complain(c, origin_or(conf, &i->secret, i->place), false,
                     "the secret is shorter than %.*s needs (RFC 7518 3.2)",
                     SLICE_FMT(alg_name(a)));
    }
}

static void check_key_source(const struct conf *conf, const struct conf_issuer *i,
                             struct complaints *c)
{
    bool has_secret = i->secret != NULL || origin_find(conf, &i->secret) != NULL;
    int sources = (i->jwks_url.n > 0 || origin_find(conf, &i->jwks_url) != NULL) +
                  (i->jwks_file.n > 0) + (i->key_file.n > 0) + has_secret;
    struct url url;

    if (sources != 1)
        complain(
            c, i->place, false,
            "an issuer has exactly one of jwks_url, jwks_file, key_file and secret; here are %d",
            sources);
    if (i->jwks_url.n > 0 && url_parse(i->jwks_url, &url) == ERR_OK && url.scheme == URL_HTTP &&
        !is_loopback_url(&url))
        complain(c, origin_or(conf, &i->jwks_url, i->place), false,
                 "jwks_url must be https: whoever can change the answer can sign tokens");
}

void check_issuers(const struct conf *conf, struct complaints *c)
{
    for (size_t n = 0; n < conf->issuer_count; n++) {
        const struct conf_issuer *i = &conf->issuers[n];
        struct place at = origin_or(conf, &i->issuer, i->place);

        if (i->issuer.n == 0)
            complain(c, at, false, "issuer is missing: the iss of its tokens");
        else if (slice_eq(i->issuer, conf_token_issuer(conf)))
            complain(c, at, false, "issuer '%.*s' is this gateway itself", SLICE_FMT(i->issuer));
        for (size_t j = 0; j < n && i->issuer.n > 0; j++)
            if (slice_eq(conf->issuers[j].issuer, i->issuer))
                complain(c, at, false, "issuer '%.*s' is there twice", SLICE_FMT(i->issuer));
        if (i->audience.count == 0)
            complain(c, origin_or(conf, &i->audience, i->place), false,
                     "audience is missing: without it tokens meant for others would be taken");
        if (i->user_claim.n == 0)
            complain(c, origin_or(conf, &i->user_claim, i->place), false, "user_claim is empty");
        check_algorithms(conf, i, c);
        check_key_source(conf, i, c);
    }
}

void check_limits(const struct conf *conf, struct complaints *c)
{
    for (size_t n = 0; n < conf->limit_count; n++) {
        const struct conf_limit *l = &conf->limits[n];
        struct place at = origin_or(conf, &l->rate, l->place);

        if (slice_eq(l->name, SLICE("none")))
            complain(c, l->place, false, "'none' is the word for no limit; choose another name");
        if (l->rate.count == 0 && origin_find(conf, &l->rate) == NULL)
            complain(c, at, false, "limit %.*s has no rate, such as 60/min", SLICE_FMT(l->name));
        if (l->rate.count > WINDOWS_MAX)
            complain(c, at, false, "at most %d windows in one limit", WINDOWS_MAX);
        for (size_t i = 0; i < l->rate.count; i++) {
            uint64_t most = l->burst > 0 ? l->burst : l->rate.items[i].units;

            if (l->cost > most)
                complain(c, origin_or(conf, &l->cost, at), false,
                         "limit %.*s: a request costs more than can ever be there at once",
                         SLICE_FMT(l->name));
        }
    }
}

static void check_servers(const struct conf *conf, const struct conf_upstream *u,
                          struct complaints *c)
{
    struct place at = origin_or(conf, &u->servers, u->place);
    bool has_tls = false;
    struct url url;

    if (u->servers.count == 0)
        complain(c, at, false, "upstream %.*s has no servers", SLICE_FMT(u->name));
    for (size_t i = 0; i < u->servers.count; i++) {
        struct slice s = u->servers.items[i];

        if (url_parse(s, &url) != ERR_OK)
            complain(c, at, false,
                     "'%.*s' is no server; write http://host:port, https://host:port or unix:/path",
                     SLICE_FMT(slice_to(s, 100)));
        else if (url.path.n > 1)
            complain(
                c, at, false,
                "'%.*s': a server has no path; a route's rewrite or strip_prefix changes paths",
                SLICE_FMT(slice_to(s, 100)));
        else
            has_tls = has_tls || url.scheme == URL_HTTPS;
        for (size_t j = 0; j < i; j++)
            if (slice_eq(u->servers.items[j], s))
                complain(c, at, true, "server %.*s is there twice", SLICE_FMT(slice_to(s, 100)));
    }
    if (!u->verify && has_tls)
        complain(c, origin_or(conf, &u->verify, u->place), true,
                 "tls.verify is false: upstream %.*s could be anybody", SLICE_FMT(u->name));
}

void check_upstreams(const struct conf *conf, struct complaints *c)
{
    for (size_t n = 0; n < conf->upstream_count; n++) {
        const struct conf_upstream *u = &conf->upstreams[n];

        check_servers(conf, u, c);
        if ((u->certificate.n > 0) != (u->key.n > 0))
            complain(c, origin_or(conf, u->key.n > 0 ? &u->key : &u->certificate, u->place), false,
                     "tls.certificate and tls.key go together; %s is missing",
                     u->certificate.n > 0 ? "key" : "certificate");
        if (u->health_path.n > 0 && u->health_path.p[0] != '/')
            complain(c, origin_or(conf, &u->health_path, u->place), false,
                     "health.path begins with '/'");
    }
}
