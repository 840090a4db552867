#include "conf_fixture.h"

static const char design[] =
    "server:  {workers: 0, public_url: https://gw.example.com, state_dir: /var/lib/postern}\n"
    "listen:\n"
    "  - address: 0.0.0.0:8443\n"
    "    tls: {certificate: /etc/postern/tls/cert.pem, key: /etc/postern/tls/key.pem}\n"
    "admin:   {address: 127.0.0.1:9901}              # /metrics /livez /readyz, never public\n"
    "redis:   {url: rediss://redis.internal:6379/0}  # leave out: private redis-server\n"
    "auth:\n"
    "  mode: enforced                                # or simple (no auth), dev (loopback only)\n"
    "  jwt:  {issuer: https://gw.example.com, audience: [postern], algorithm: ES256, access_ttl: "
    "30m, refresh_ttl: 7d}\n"
    "  issuers:                                      # other people's tokens\n"
    "    - {issuer: https://idp.example.com, jwks_url: https://idp.example.com/jwks, audience: "
    "[ml], algorithms: [RS256], user_claim: sub, roles_claim: roles}\n"
    "limits:\n"
    "  default: {key: principal, rate: [60/min, 1000/h]}\n"
    "upstreams:\n"
    "  ocr:\n"
    "    servers: [http://127.0.0.1:8001]\n"
    "    balance: least_inflight\n"
    "    timeouts: {connect: 2s, first_byte: 10m, idle: 5m}\n"
    "    health: {path: /health, interval: 5s}\n"
    "routes:                                         # most specific wins; nothing matches: 404\n"
    "  - {path: /health, auth: public, upstream: ocr}\n"
    "  - {path: /predict, methods: [POST], auth: required, roles: [user], scopes: [write], limit: "
    "default, upstream: ocr}\n"
    "  - {path: \"/admin/**\", auth: required, roles: [admin], upstream: ocr}\n";

static void reads_the_example_of_the_design_page(void **state)
{
    struct conf *conf = read_good(design);

    (void)state;
    assert_slice(conf->server.public_url, "https://gw.example.com");
    assert_int_equal(conf->listen_count, 1);
    assert_slice(conf->listen[0].address, "0.0.0.0:8443");
    assert_slice(conf->listen[0].certificate, "/etc/postern/tls/cert.pem");
    assert_slice(conf->listen[0].key, "/etc/postern/tls/key.pem");
    assert_slice(conf->redis.url, "rediss://redis.internal:6379/0");
    assert_int_equal(conf->auth.mode, CONF_auth_mode_ENFORCED);
    assert_slice(conf->auth.jwt_issuer, "https://gw.example.com");
    assert_int_equal(conf->auth.jwt_algorithm, CONF_alg_ES256);
    assert_int_equal(conf->auth.jwt_access_ttl_ms, 30 * 60000);
    assert_int_equal(conf->auth.jwt_refresh_ttl_ms, 7 * 86400000LL);
    assert_int_equal(conf->issuer_count, 1);
    assert_slice(conf->issuers[0].algorithms.items[0], "RS256");
    assert_slice(conf->issuers[0].name_claim, "preferred_username");
    assert_int_equal(conf->limit_count, 1);
    assert_slice(conf->limits[0].name, "default");
    assert_int_equal(conf->limits[0].rate.count, 2);
    assert_int_equal(conf->limits[0].rate.items[1].units, 1000);
    assert_int_equal(conf->limits[0].rate.items[1].period_ms, 3600000);
    assert_int_equal(conf->upstream_count, 1);
    assert_slice(conf->upstreams[0].servers.items[0], "http://127.0.0.1:8001");
    assert_int_equal(conf->upstreams[0].balance, CONF_balance_LEAST_INFLIGHT);
    assert_int_equal(conf->upstreams[0].first_byte_ms, 600000);
    assert_slice(conf->upstreams[0].health_path, "/health");
    assert_int_equal(conf->route_count, 3);
    assert_int_equal(conf->routes[0].auth, CONF_route_auth_PUBLIC);
    assert_slice(conf->routes[1].limit.items[0], "default");
    assert_slice(conf->routes[2].path, "/admin/**");
    assert_int_equal(conf->routes[2].place.line, 23);
    conf_free(conf);
}

static void fills_in_the_defaults_of_the_table(void **state)
{
    struct conf *conf = read_good("");

    (void)state;
    assert_slice(conf->server.state_dir, "/var/lib/postern");
    assert_int_equal(conf->server.head_max_bytes, 32768);
    assert_int_equal(conf->redis.timeout_ms, 500);
    assert_slice(conf->auth.jwt_audience.items[0], "postern");
    assert_int_equal(conf->cors.methods.count, 6);
    assert_slice(conf->cors.methods.items[1], "HEAD");
    assert_true(conf->headers.security);
    assert_int_equal(conf->headers.hsts_ms, 365LL * 86400000);
    conf_free(conf);
}

static void reads_without_a_file(void **state)
{
    struct complaints c;
    struct conf *conf = NULL;

    (void)state;
    complaints_init(&c);
    assert_int_equal(conf_read(NULL, NULL, &c, &conf), ERR_OK);
    assert_int_equal(c.count, 0);
    assert_int_equal(conf->listen_count, 0);
    conf_free(conf);
    complaints_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_example_of_the_design_page),
        cmocka_unit_test(fills_in_the_defaults_of_the_table),
        cmocka_unit_test(reads_without_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
