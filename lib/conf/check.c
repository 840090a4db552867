#include "conf/origin.h"
#include "conf/read.h"
#include "conf/suggest.h"
#include "conf/value.h"
#include "http/url.h"

static const struct place nowhere = {NULL, 0, 0};

static bool is_loopback_host(struct slice host)
{
    struct addr a;

    if (slice_eq_ci(host, SLICE("localhost")))
        return true;
    return addr_parse(host, &a) == ERR_OK && addr_is_loopback(&a);
}

/* host:port, [::]:port, *:port or unix:/path. */
static bool split_address(struct slice text, struct slice *host, bool *is_unix)
{
    size_t colon = text.n;
    struct addr a;
    uint64_t port;

    *is_unix = slice_starts(text, SLICE("unix:"));
    *host = SLICE_NONE;
    if (*is_unix)
        return text.n > 6 && text.p[5] == '/' && text.n <= 5 + 107;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (colon < 2 || !slice_u64(slice_from(text, colon), 65535, &port))
        return false;
    *host = slice_to(text, colon - 1);
    if (host->n > 2 && host->p[0] == '[' && host->p[host->n - 1] == ']') {
        *host = slice_of(host->p + 1, host->n - 2);
        return memchr(host->p, ':', host->n) != NULL && addr_parse(*host, &a) == ERR_OK;
    }
    if (memchr(host->p, ':', host->n) != NULL)
        return false;
    return slice_eq_ci(*host, SLICE("localhost")) || addr_parse(*host, &a) == ERR_OK;
}

static bool is_private_address(struct slice text)
{
    struct slice host;
    bool is_unix;

    return split_address(text, &host, &is_unix) && (is_unix || is_loopback_host(host));
}

static void check_tls(const struct conf *conf, const struct conf_listen *l, struct complaints *c)
{
    if ((l->certificate.n > 0) != (l->key.n > 0))
        complain(c, origin_or(conf, l->certificate.n > 0 ? &l->certificate : &l->key, l->place),
                 false, "tls.certificate and tls.key go together; %s is missing",
                 l->certificate.n > 0 ? "key" : "certificate");
    else if (l->certificate.n == 0 && (l->client_ca.n > 0 || l->certificate_count > 0 ||
                                       l->client_certificate != CONF_client_certificate_NONE ||
                                       origin_find(conf, &l->min_version) != NULL))
        complain(c, l->place, false, "tls without certificate and key");
    if (l->client_certificate != CONF_client_certificate_NONE && l->client_ca.n == 0)
        complain(c, origin_or(conf, &l->client_certificate, l->place), false,
                 "client_certificate needs tls.client_ca to check against");
    for (size_t i = 0; i < l->certificate_count; i++)
        if (l->certificates[i].certificate.n == 0 || l->certificates[i].key.n == 0)
            complain(c, l->certificates[i].place, false, "an entry needs certificate and key");
}

static void check_listeners(const struct conf *conf, struct complaints *c)
{
    struct slice host;
    bool is_unix;

    for (size_t i = 0; i < conf->listen_count; i++) {
        const struct conf_listen *l = &conf->listen[i];
        struct place at = origin_or(conf, &l->address, l->place);

        if (l->address.n == 0)
            complain(c, at, false, "address is missing: host:port, [::]:port or unix:/path");
        else if (!split_address(l->address, &host, &is_unix))
            complain(c, at, false,
                     "'%.*s' is no address to listen on; write host:port with an IP address, "
                     "[::]:port or unix:/path",
                     SLICE_FMT(l->address));
        else if (conf->auth.mode == CONF_auth_mode_DEV && !is_private_address(l->address))
            complain(c, at, false,
                     "auth.mode dev lets everyone in, so every listener must be on loopback");
        for (size_t j = 0; j < i && l->address.n > 0; j++)
            if (slice_eq(conf->listen[j].address, l->address))
                complain(c, at, false, "%.*s is listened on twice", SLICE_FMT(l->address));
        if (l->proxy_protocol && conf->server.trusted_proxies.count == 0)
            complain(c, origin_or(conf, &l->proxy_protocol, l->place), false,
                     "proxy_protocol believes server.trusted_proxies only, and that list is empty");
        check_tls(conf, l, c);
    }
}

/* Incidents O5, O6: nothing of ours that is not for clients listens where clients are. */
static void check_admin(const struct conf *conf, struct complaints *c)
{
    if (conf->admin.address.n > 0 && !slice_eq(conf->admin.address, SLICE("off")) &&
        !is_private_address(conf->admin.address))
        complain(c, origin_or(conf, &conf->admin.address, nowhere), false,
                 "admin.address '%.*s' is public; write a loopback address, unix:/path or off",
                 SLICE_FMT(conf->admin.address));
}

static void check_redis(const struct conf *conf, struct complaints *c)
{
    struct slice url = conf->redis.url;
    struct place at = origin_or(conf, &conf->redis.url, nowhere);
    size_t user = slice_starts(url, SLICE("rediss://")) ? 9 : 8;
    size_t at_sign = slice_find(url, '@', 0);

    if (url.n == 0)
        return;
    if (!slice_starts(url, SLICE("redis://")) && !slice_starts(url, SLICE("rediss://")) &&
        !slice_starts(url, SLICE("unix:/")))
        complain(c, at, false, "redis.url begins with redis://, rediss:// or unix:/");
    else if (at_sign < url.n && slice_find(url, ':', user) < at_sign)
        complain(c, at, false,
                 "redis.url holds a password; put it into redis.password as file:PATH, "
                 "credential:NAME or POSTERN_REDIS__PASSWORD");
    if ((conf->redis.certificate.n > 0) != (conf->redis.key.n > 0))
        complain(c, at, false, "redis.certificate and redis.key go together; %s is missing",
                 conf->redis.key.n > 0 ? "certificate" : "key");
    if (conf->redis.ca.n > 0 && !slice_starts(url, SLICE("rediss://")))
        complain(c, origin_or(conf, &conf->redis.ca, at), true,
                 "redis.ca is only used with rediss://");
}

static bool is_origin(struct slice s)
{
    static const char sep[] = "://";
    const char *at = memmem(s.p, s.n, sep, 3);
    struct slice host;

    if (at == NULL || at == s.p)
        return false;
    host = slice_from(s, (size_t)(at - s.p) + 3);
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] == '/' || host.p[i] == '*' || host.p[i] == '@' || host.p[i] == '?' ||
            (unsigned char)host.p[i] <= ' ')
            return false;
    return host.n > 0;
}

void check_cors(const struct conf *conf, const struct conf_cors *cors, struct complaints *c)
{
    struct place at = origin_or(conf, &cors->origins, nowhere);

    for (size_t i = 0; i < cors->origins.count; i++) {
        struct slice origin = cors->origins.items[i];

        if (slice_eq(origin, SLICE("*"))) {
            if (cors->credentials)
                complain(c, origin_or(conf, &cors->credentials, at), false,
                         "cors: credentials with origin * would let every site act as the user; "
                         "name the origins");
            if (cors->origins.count > 1)
                complain(c, at, false, "cors.origins: * stands alone");
        } else if (!is_origin(origin)) {
            complain(c, at, false,
                     "cors.origins: '%.*s' is no origin; write scheme://host[:port] without a path",
                     SLICE_FMT(origin));
        }
    }
}

static void check_log(const struct conf *conf, struct complaints *c)
{
    if (slice_eq(conf->log.audit, SLICE("off")) || conf->log.audit.n == 0)
        complain(c, origin_or(conf, &conf->log.audit, nowhere), false,
                 "the audit log cannot be off; write stdout, stderr or a file");
}

static void check_auth(const struct conf *conf, struct complaints *c)
{
    bool has_client_ca = false;

    if (conf->auth.jwt_audience.count == 0)
        complain(c, origin_or(conf, &conf->auth.jwt_audience, nowhere), false,
                 "auth.jwt.audience must name at least one");
    for (size_t i = 0; i < conf->listen_count; i++)
        has_client_ca = has_client_ca || conf->listen[i].client_ca.n > 0;
    if (conf->auth.mtls_user != CONF_mtls_user_NONE && !has_client_ca)
        complain(c, origin_or(conf, &conf->auth.mtls_user, nowhere), true,
                 "auth.mtls_user has no effect: no listener has tls.client_ca");
    if (conf->auth.assertion &&
        slice_starts(slice_str(word_text(conf->auth.jwt_algorithm)), SLICE("HS")))
        complain(c, origin_or(conf, &conf->auth.assertion, nowhere), false,
                 "auth.assertion needs an auth.jwt.algorithm with a public key, such as ES256: "
                 "whoever can check an HS256 can also sign");
    if (conf->auth.jwt_refresh_ttl_ms < conf->auth.jwt_access_ttl_ms)
        complain(c, origin_or(conf, &conf->auth.jwt_refresh_ttl_ms, nowhere), false,
                 "auth.jwt.refresh_ttl is shorter than access_ttl");
}

void check_conf(const struct conf *conf, struct complaints *c)
{
    check_listeners(conf, c);
    check_admin(conf, c);
    check_redis(conf, c);
    check_auth(conf, c);
    check_issuers(conf, c);
    check_limits(conf, c);
    check_upstreams(conf, c);
    check_cors(conf, &conf->cors, c);
    check_routes(conf, c);
    check_log(conf, c);
}
