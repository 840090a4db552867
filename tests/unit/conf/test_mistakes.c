#include "conf_fixture.h"

/* Twenty seeded mistakes, each with the line and column a person would look at. */

#define UP "upstreams: {ocr: {servers: [http://127.0.0.1:1]}}\n"

static const struct {
    const char *yaml, *wanted;
} mistakes[] = {
    {"server:\n  wokers: 2\n",
     "gw.yaml:2:3: error: unknown option 'wokers' in server; did you mean workers?"},
    {"servr: {workers: 2}\n", "gw.yaml:1:1: error: unknown option 'servr'; did you mean server?"},
    {"server:\n  workers: 5000\n", "gw.yaml:2:12: error: workers: 5000 is out of range, 0 to 1024"},
    {"server:\n  head_max: 5m\n", "gw.yaml:2:13: error: head_max takes a size such as 32KiB, 5MiB "
                                  "or 2GiB, not '5m'; did you mean 5MiB?"},
    {"redis:\n  timeout: 500\n", "gw.yaml:2:12: error: timeout takes a duration such as 500ms, "
                                 "30s, 5m, 2h or 7d, not '500'; did you mean 500s?"},
    {"auth:\n  mode: enforce\n", "gw.yaml:2:9: error: mode: 'enforce' is not one of enforced, "
                                 "simple, dev; did you mean enforced?"},
    {"headers:\n  security: yes\n", "gw.yaml:2:13: error: security takes true or false, not "
                                    "'yes'; did you mean true?"},
    {"limits:\n  default: {rate: 60/m}\n", "gw.yaml:2:19: error: rate takes rates such as 60/min "
                                           "or 1000/h, not '60/m'; did you mean 60/min?"},
    {UP "routes:\n  - {path: /a, upstream: orc}\n",
     "gw.yaml:3:26: error: no upstream is called 'orc'; did you mean ocr?"},
    {UP "limits: {default: {rate: 1/s}}\nroutes:\n  - {path: /a, upstream: ocr, limit: defualt}\n",
     "gw.yaml:4:38: error: no limit is called 'defualt'; did you mean default?"},
    {"upstreams:\n  ocr:\n    servers: [127.0.0.1:8001]\n",
     "gw.yaml:3:14: error: '127.0.0.1:8001' is no server; write http://host:port"},
    {"listen:\n  - address: 0.0.0.0:8443\n    tls: {certificate: /c.pem}\n",
     "gw.yaml:3:24: error: tls.certificate and tls.key go together; key is missing"},
    {"admin:\n  address: 0.0.0.0:9901\n", "gw.yaml:2:12: error: admin.address '0.0.0.0:9901' is "
                                          "public"},
    {"auth: {mode: dev}\nlisten:\n  - address: 0.0.0.0:80\n",
     "gw.yaml:3:14: error: auth.mode dev lets everyone in"},
    {"cors:\n  origins: ['*']\n  credentials: true\n",
     "gw.yaml:3:16: error: cors: credentials with origin *"},
    {UP "routes:\n  - {path: a/b, upstream: ocr}\n",
     "gw.yaml:3:12: error: path 'a/b': a path begins with '/'"},
    {UP "routes:\n  - {path: \"/a/{x}\", upstream: ocr}\n  - {path: \"/a/{y}/\", upstream: ocr}\n",
     "gw.yaml:4:5: error: /a/{y}/ matches the same requests as /a/{x} in line 3"},
    {"auth:\n  issuers:\n    - {issuer: https://i, jwks_url: https://i/j, algorithms: [RS256]}\n",
     "gw.yaml:3:7: error: audience is missing"},
    {"auth:\n  issuers:\n    - {issuer: https://i, jwks_url: http://i.example/j, audience: [a], "
     "algorithms: [RS256]}\n",
     "gw.yaml:3:37: error: jwks_url must be https"},
    {"server:\n  workers: 1\n  workers: 2\n",
     "gw.yaml:3:3: error: 'workers' is written twice; the first is in line 2"},
    {"server:\n\tworkers: 1\n",
     "gw.yaml:2:1: error: a tab indents this line; YAML takes spaces only"},
    {"server:\n  public_url: http://a: b\n", "gw.yaml:2:23: error: not valid YAML: a second ': '"},
    {"server: [1]\n", "gw.yaml:1:9: error: server takes a map of options"},
    {"listen: {address: 127.0.0.1:80}\n", "gw.yaml:1:9: error: listen is a list"},
    {"listen:\n  - {address: 127.0.0.1:80, certificate: /c.pem}\n",
     "gw.yaml:2:29: error: unknown option 'certificate' here; it belongs into listen[].tls"},
    {"workers: 3\n", "gw.yaml:1:1: error: unknown option 'workers' here; it belongs into server"},
};

static void names_line_column_and_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
        assert_refused(mistakes[i].yaml, mistakes[i].wanted);
}

static void tells_all_mistakes_at_once(void **state)
{
    struct reading r = read_yaml("server: {wokers: 1, head_max: 5m}\n"
                                 "auth: {mode: enforce}\n"
                                 "upstreams: {a: {}}\n"
                                 "routes:\n"
                                 "  - {path: /x, upstream: b}\n"
                                 "  - {path: nowhere, methods: [post]}\n");

    (void)state;
    assert_int_equal(r.result, ERR_SYNTAX);
    assert_int_equal(r.complaints.errors, 8);
    reading_fini(&r);
}

static void reserved_words_say_so(void **state)
{
    static const char *const yaml[] = {
        "acme: {email: a@b}\n",
        "http_redirect: true\n",
        "preset: vtt-transcribe\n",
        "ownership: {}\n",
        "vault: {}\n",
        "listen: [{address: 127.0.0.1:1, tls: auto}]\n",
        "routes: [{path: /a, ownership: {}}]\n",
        "tls: auto\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(yaml) / sizeof(yaml[0]); i++)
        assert_refused(yaml[i], "is reserved and not available in this version");
}

static void one_refusal_each(void **state)
{
    static const struct {
        const char *yaml, *wanted;
    } cases[] = {
        {"listen: [{}]\n", "address is missing"},
        {"listen: [{address: gw.example.com:80}]\n", "is no address to listen on"},
        {"listen: [{address: \"::1:80\"}]\n", "is no address to listen on"},
        {"listen: [{address: 127.0.0.1:1}, {address: 127.0.0.1:1}]\n", "listened on twice"},
        {"listen: [{address: 127.0.0.1:1, tls: {min_version: 1.3}}]\n",
         "tls without certificate and key"},
        {"listen: [{address: 127.0.0.1:1, tls: {certificate: /c, key: /k, client_certificate: "
         "required}}]\n",
         "needs tls.client_ca"},
        {"listen: [{address: 127.0.0.1:1, proxy_protocol: true}]\n", "that list is empty"},
        {"redis: {url: 127.0.0.1:6379}\n", "begins with redis://"},
        {"redis: {url: \"redis://:hunter2@h:6379/0\"}\n", "holds a password"},
        {"auth: {jwt: {access_ttl: 8d}}\n", "shorter than access_ttl"},
        {"log: {audit: off}\n", "the audit log cannot be off"},
        {"cors: {origins: [https://a.example/]}\n", "is no origin"},
        {"cors: {origins: ['*', https://a]}\n", "* stands alone"},
        {"limits: {none: {rate: 1/s}}\n", "'none' is the word for no limit"},
        {"limits: {a: {}}\n", "limit a has no rate"},
        {"limits: {a: {rate: 5/s, cost: 6}}\n", "costs more than"},
        {"limits: {a: {rate: [1/s, 2/s, 3/s, 4/s, 5/s]}}\n", "at most 4 windows"},
        {"limits: {a: {rate: 0/s}}\n", "rate takes"},
        {"limits: {a b: {rate: 1/s}}\n", "is no name"},
        {"upstreams: {a: {servers: []}}\n", "has no servers"},
        {"upstreams: {a: {servers: [http://h:1/base]}}\n", "a server has no path"},
        {"upstreams: {a: {servers: [http://h:1], tls: {key: /k}}}\n", "certificate is missing"},
        {"upstreams: {a: {servers: [http://h:1], health: {path: x}}}\n", "begins with '/'"},
        {UP "routes: [{upstream: ocr}]\n", "a route needs a path"},
        {UP "routes: [{path: /a}]\n", "has no upstream"},
        {UP "routes: [{path: \"/a//b\", upstream: ocr}]\n", "an empty segment"},
        {UP "routes: [{path: \"/a/../b\", upstream: ocr}]\n", "can stand in no"},
        {UP "routes: [{path: \"/a/**/b\", upstream: ocr}]\n", "as a last segment"},
        {UP "routes: [{path: \"/a/x{n}\", upstream: ocr}]\n", "a whole segment"},
        {UP "routes: [{path: \"/a/{n}/{n}\", upstream: ocr}]\n", "is there twice"},
        {UP "routes: [{path: \"/a?b\", upstream: ocr}]\n", "routes see the path only"},
        {UP "routes: [{path: \"/%61\", upstream: ocr}]\n", "normalised to 'a'"},
        {UP "routes: [{path: /a, upstream: ocr, methods: [post]}]\n", "upper case: POST"},
        {UP "routes: [{path: /a, upstream: ocr, methods: ['*']}]\n", "is no method"},
        {UP "routes: [{path: /a, upstream: ocr, hosts: ['*.b']}]\n", "is no host name"},
        {UP "routes: [{path: /a, upstream: ocr, methods_auth: [jwtt]}]\n", "did you mean jwt?"},
        {UP "routes: [{path: /a, upstream: ocr, auth: public, roles: [admin]}]\n",
         "roles on a public route"},
        {UP "routes: [{path: /a, upstream: ocr, limit: [none, x]}]\n", "none stands alone"},
        {UP "routes: [{path: /a, upstream: ocr, strip_prefix: /b}]\n", "is not how /a begins"},
        {UP "routes: [{path: \"/ab/**\", upstream: ocr, strip_prefix: /a}]\n", "is not how"},
        {UP "routes: [{path: /a, upstream: ocr, strip_prefix: /a, rewrite: /b}]\n", "exclude"},
        {UP "routes: [{path: /a, upstream: ocr, rewrite: \"/b/{x}\"}]\n", "{x} is not in the path"},
        {UP "routes: [{path: /a, upstream: ocr, rewrite: \"/b/{rest}\"}]\n", "ends in /**"},
        {UP "routes: [{path: /a, upstream: ocr, rewrite: \"/b/{x\"}]\n", "is not closed"},
        {UP "routes: [{path: /a, upstream: ocr, methods: [GET]}, {path: /a, upstream: ocr, "
            "methods: [POST, GET]}]\n",
         "matches the same requests"},
        {UP "routes: [{path: \"/a:b\", upstream: ocr}, {path: \"/a%3Ab\", upstream: ocr}]\n",
         "matches the same requests"},
        {"auth: {issuers: [{audience: [a], algorithms: [RS256], jwks_file: /j}]}\n",
         "issuer is missing"},
        {"auth: {issuers: [{issuer: i, audience: [a], jwks_file: /j}]}\n", "algorithms is missing"},
        {"auth: {issuers: [{issuer: i, audience: [a], algorithms: [RS256]}]}\n", "here are 0"},
        {"auth: {issuers: [{issuer: i, audience: [a], algorithms: [RS256], jwks_file: /j, "
         "key_file: /k}]}\n",
         "here are 2"},
        {"auth: {issuers: [{issuer: i, audience: [a], algorithms: [none], jwks_file: /j}]}\n",
         "'none' is not taken"},
        {"auth: {issuers: [{issuer: i, audience: [a], algorithms: [HS256], jwks_file: /j}]}\n",
         "HS256 needs secret"},
        {"auth: {issuers: [{issuer: i, audience: [a], algorithms: [HS256], secret: short}]}\n",
         "shorter than HS256 needs"},
        {"server: {public_url: https://g}\nauth: {issuers: [{issuer: https://g, audience: [a], "
         "algorithms: [RS256], jwks_file: /j}]}\n",
         "is this gateway itself"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_refused(cases[i].yaml, cases[i].wanted);
}

static void o5_o6_the_admin_listener_is_never_public(void **state)
{
    static const char *const refused[] = {"0.0.0.0:9901", "[::]:9901", "10.0.0.1:9901",
                                          "gw.example:1", "9901",      "*:9901"};
    static const char *const taken[] = {"127.0.0.1:9901", "[::1]:9901", "localhost:9901",
                                        "unix:/run/a", "off"};
    char yaml[100];

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        (void)snprintf(yaml, sizeof(yaml), "admin: {address: \"%s\"}\n", refused[i]);
        assert_refused(yaml, "is public");
    }
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        (void)snprintf(yaml, sizeof(yaml), "admin: {address: \"%s\"}\n", taken[i]);
        conf_free(read_good(yaml));
    }
}

static void complaints_cannot_steer_a_terminal(void **state)
{
    struct reading r = read_yaml("auth: {mode: \"\\e[2Jx\\n\"}\n");

    (void)state;
    assert_int_equal(r.result, ERR_SYNTAX);
    assert_null(memchr(buf_cstr(&r.text), '\x1b', r.text.n));
    assert_non_null(strstr(buf_cstr(&r.text), "'?[2Jx?'"));
    reading_fini(&r);
}

static void a_secret_is_never_quoted(void **state)
{
    struct reading r = read_yaml("redis: {password: {hunter2: 1}}\nauth: {issuers: [{issuer: i, "
                                 "audience: [a], algorithms: [HS256], secret: hunter2}]}\n");

    (void)state;
    assert_int_equal(r.result, ERR_SYNTAX);
    assert_null(strstr(buf_cstr(&r.text), "hunter2"));
    reading_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_line_column_and_remedy),
        cmocka_unit_test(tells_all_mistakes_at_once),
        cmocka_unit_test(reserved_words_say_so),
        cmocka_unit_test(one_refusal_each),
        cmocka_unit_test(o5_o6_the_admin_listener_is_never_public),
        cmocka_unit_test(complaints_cannot_steer_a_terminal),
        cmocka_unit_test(a_secret_is_never_quoted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
