#include "conf_fixture.h"

#include "conf/option.h"

#define BASE "upstreams: {u: {servers: ['http://h:1']}}\nlimits: {a: {rate: 60/min}}\n"

static void assert_diff(const char *old, const char *new, const char *wanted)
{
    struct conf *a = read_good(old), *b = read_good(new);
    struct buf out;
    size_t lines, ends = 0;

    buf_init(&out);
    lines = conf_diff(a, b, &out);
    for (size_t i = 0; i < out.n; i++)
        ends += out.p[out.off + i] == '\n';
    assert_int_equal(lines, ends);
    assert_string_equal(buf_cstr(&out), wanted);
    buf_fini(&out);
    conf_free(a);
    conf_free(b);
}

static void opening_a_route_prints_more_open(void **state)
{
    (void)state;
    assert_diff(BASE "routes: [{path: /a, upstream: u}]\n",
                BASE "routes: [{path: /a, upstream: u, auth: public}]\n",
                "~ routes./a.auth: required -> public  MORE OPEN\n");
    assert_diff(BASE "routes: [{path: /a, upstream: u, auth: public}]\n",
                BASE "routes: [{path: /a, upstream: u}]\n",
                "~ routes./a.auth: public -> required\n");
    assert_diff(BASE "routes: [{path: /a, upstream: u, roles: [admin]}]\n",
                BASE "routes: [{path: /a, upstream: u, roles: [admin, user]}]\n",
                "~ routes./a.roles: [admin] -> [admin, user]  MORE OPEN\n");
    assert_diff(BASE "routes: [{path: /a, upstream: u, roles: [admin, user]}]\n",
                BASE "routes: [{path: /a, upstream: u}]\n",
                "~ routes./a.roles: [admin, user] -> []  MORE OPEN\n");
    assert_diff(BASE "routes: [{path: /a, upstream: u, scopes: [r]}]\n",
                BASE "routes: [{path: /a, upstream: u, scopes: [r, w]}]\n",
                "~ routes./a.scopes: [r] -> [r, w]\n");
    assert_diff(BASE "routes: [{path: /a, upstream: u, scopes: [r, w]}]\n",
                BASE "routes: [{path: /a, upstream: u, scopes: [r]}]\n",
                "~ routes./a.scopes: [r, w] -> [r]  MORE OPEN\n");
    assert_diff(BASE "routes: [{path: /a, upstream: u, limit: a}]\n",
                BASE "routes: [{path: /a, upstream: u, limit: none}]\n",
                "~ routes./a.limit: [a] -> [none]  MORE OPEN\n");
    assert_diff(BASE "routes: [{path: /a, upstream: u}]\n",
                BASE "routes: [{path: /a, upstream: u}, {path: /b, upstream: u}]\n",
                "+ routes./b  MORE OPEN\n");
}

static void a_route_that_goes_may_uncover_a_weaker_one(void **state)
{
    (void)state;
    assert_diff(BASE "routes: [{path: '/**', upstream: u}, {path: /admin, upstream: u}]\n",
                BASE "routes: [{path: '/**', upstream: u}]\n", "- routes./admin  MORE OPEN\n");
    assert_diff(BASE "routes: [{path: '/{x}', upstream: u}, {path: /admin, upstream: u}]\n",
                BASE "routes: [{path: '/{x}', upstream: u}]\n", "- routes./admin  MORE OPEN\n");
    assert_diff(BASE "routes: [{path: '/b/**', upstream: u}, {path: /admin, upstream: u}]\n",
                BASE "routes: [{path: '/b/**', upstream: u}]\n", "- routes./admin\n");
}

static void limits_open_when_they_admit_more(void **state)
{
    (void)state;
    assert_diff("limits: {a: {rate: [60/min, 100/h]}}\n", "limits: {a: {rate: [61/min, 100/h]}}\n",
                "~ limits.a.rate: [60/min, 100/h] -> [61/min, 100/h]  MORE OPEN\n");
    assert_diff("limits: {a: {rate: [60/min, 100/h]}}\n", "limits: {a: {rate: [60/min]}}\n",
                "~ limits.a.rate: [60/min, 100/h] -> [60/min]  MORE OPEN\n");
    assert_diff("limits: {a: {rate: [60/min]}}\n", "limits: {a: {rate: [9/min, 100/h]}}\n",
                "~ limits.a.rate: [60/min] -> [9/min, 100/h]\n");
    assert_diff("limits: {a: {rate: 1/s}}\n", "limits: {a: {rate: 1/s, on_store_down: open}}\n",
                "~ limits.a.on_store_down: closed -> open  MORE OPEN\n");
    assert_diff("limits: {a: {rate: 1/s}}\n", "", "- limits.a  MORE OPEN\n");
}

static void says_what_needs_a_restart(void **state)
{
    (void)state;
    assert_diff("", "server: {workers: 2}\nlog: {level: debug}\n",
                "~ server.workers: 0 -> 2  RESTART\n~ log.level: info -> debug\n");
    assert_diff("listen: [{address: 127.0.0.1:1}]\n", "listen: [{address: 127.0.0.1:2}]\n",
                "- listen.127.0.0.1:1  RESTART\n+ listen.127.0.0.1:2  RESTART  MORE OPEN\n");
    assert_diff("", "auth: {mode: simple}\n", "~ auth.mode: enforced -> simple  MORE OPEN\n");
}

/* One line, which is marked or is not. */
static void assert_opens(bool is_opening, const char *old, const char *new)
{
    struct conf *a = read_good(old), *b = read_good(new);
    struct buf out;

    buf_init(&out);
    assert_int_equal(conf_diff(a, b, &out), 1);
    if ((strstr(buf_cstr(&out), "  MORE OPEN\n") != NULL) != is_opening)
        fail_msg("%s%s", is_opening ? "not marked: " : "marked: ", buf_cstr(&out));
    buf_fini(&out);
    conf_free(a);
    conf_free(b);
}

static void a_method_that_a_route_gives_up_may_reach_a_weaker_one(void **state)
{
    (void)state;
    assert_opens(true,
                 BASE "routes: [{path: '/**', upstream: u}, {path: /a, methods: [GET, POST], "
                      "upstream: u}]\n",
                 BASE "routes: [{path: '/**', upstream: u}, {path: /a, methods: [GET], "
                      "upstream: u}]\n");
    assert_opens(false, BASE "routes: [{path: /a, methods: [GET, POST], upstream: u}]\n",
                 BASE "routes: [{path: /a, methods: [GET], upstream: u}]\n");
}

static void blocks_of_addresses_hold_smaller_ones(void **state)
{
    (void)state;
    assert_opens(true, "server: {trusted_proxies: [10.0.0.0/16]}\n",
                 "server: {trusted_proxies: [10.0.0.0/8]}\n");
    assert_opens(false, "server: {trusted_proxies: [10.0.0.0/8]}\n",
                 "server: {trusted_proxies: [10.0.0.0/16]}\n");
    assert_opens(true, BASE "routes: [{path: /a, upstream: u, deny: [10.0.0.0/8]}]\n",
                 BASE "routes: [{path: /a, upstream: u, deny: [10.0.0.0/16]}]\n");
    assert_opens(false, BASE "routes: [{path: /a, upstream: u, deny: [10.0.0.0/16]}]\n",
                 BASE "routes: [{path: /a, upstream: u, deny: [10.0.0.0/8]}]\n");
}

static void a_burst_opens_when_more_may_come_at_once(void **state)
{
    (void)state;
    assert_opens(true, "limits: {a: {rate: 60/min}}\n", "limits: {a: {rate: 60/min, burst: 61}}\n");
    assert_opens(false, "limits: {a: {rate: 60/min}}\n", "limits: {a: {rate: 60/min, burst: 5}}\n");
    assert_opens(true, "limits: {a: {rate: 60/min, burst: 5}}\n", "limits: {a: {rate: 60/min}}\n");
}

static void listeners_proxies_cors_and_issuers_open(void **state)
{
#define LISTEN "listen: [{address: 127.0.0.1:1"
#define TLS ", tls: {certificate: a, key: b}"
#define ISSUER "auth: {issuers: [{issuer: i, audience: [a], algorithms: [RS256], jwks_file: a"
    static const struct {
        bool is_opening;
        const char *old, *new;
    } cases[] = {
        {true, "", LISTEN "}]\n"},
        {false, LISTEN "}]\n", ""},
        {true, "admin: {address: 'off'}\n", ""},
        {false, "", "admin: {address: 'off'}\n"},
        {true, "cors: {origins: ['https://a']}\n", "cors: {origins: ['https://a', 'https://b']}\n"},
        {true, "cors: {origins: ['https://a']}\n", "cors: {origins: ['*']}\n"},
        {false, "cors: {origins: ['https://a', 'https://b']}\n",
         "cors: {origins: ['https://a']}\n"},
        {true, ISSUER "}]}\n", ISSUER ", default_roles: [user, admin]}]}\n"},
        {true, ISSUER ", user_prefix: x}]}\n", ISSUER "}]}\n"},
        {true, BASE "routes: [{path: /a, upstream: u}]\n",
         BASE "routes: [{path: /a, upstream: u, keep_credential: true}]\n"},
        {true, BASE "routes: [{path: /a, upstream: u, websocket: false}]\n",
         BASE "routes: [{path: /a, upstream: u}]\n"},
        {true, "", "headers: {security: false}\n"},
        {true, "", "redis: {max_stale: 5s}\n"},
        {true, BASE,
         "upstreams: {u: {servers: ['http://h:1'], tls: {verify: false}}}\n"
         "limits: {a: {rate: 60/min}}\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_opens(cases[i].is_opening, cases[i].old, cases[i].new);
}

static void an_unencrypted_listener_is_more_open(void **state)
{
    struct conf *a = read_good(LISTEN TLS "}]\n"), *b = read_good(LISTEN "}]\n");
    struct buf out;

    (void)state;
    buf_init(&out);
    assert_int_equal(conf_diff(a, b, &out), 2); /* and the key */
    assert_non_null(strstr(buf_cstr(&out), "certificate: a -> \"\"  MORE OPEN\n"));
    buf_fini(&out);
    conf_free(a);
    conf_free(b);
}

static void a_routes_own_cors_that_goes_leaves_the_general_one(void **state)
{
    (void)state;
    assert_opens(true,
                 BASE "cors: {origins: ['https://a']}\nroutes: [{path: /a, upstream: u, cors: "
                      "{origins: ['https://b']}}]\n",
                 BASE "cors: {origins: ['https://a']}\nroutes: [{path: /a, upstream: u}]\n");
    assert_opens(false, BASE "routes: [{path: /a, upstream: u, cors: {origins: ['https://b']}}]\n",
                 BASE "routes: [{path: /a, upstream: u}]\n");
}

static void every_opening_names_an_option(void **state)
{
    static const char *const names[][2] = {
#define OPENING(section, name, how) {#section, #name},
#include "conf/opening.def"
#undef OPENING
    };
    size_t count;
    const struct option *options = option_all(&count);

    (void)state;
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        bool is_there = false;

        for (size_t i = 0; i < count; i++)
            is_there = is_there || (strcmp(options[i].section, names[n][0]) == 0 &&
                                    strcmp(options[i].name, names[n][1]) == 0);
        if (!is_there)
            fail_msg("no option %s.%s", names[n][0], names[n][1]);
    }
}

static void a_changed_secret_is_seen_and_not_shown(void **state)
{
    struct reading a = read_yaml("redis: {password: one}\n"),
                   b = read_yaml("redis: {password: two}\n");
    struct buf out;

    (void)state;
    buf_init(&out);
    assert_int_equal(conf_diff(a.conf, b.conf, &out), 1);
    assert_string_equal(buf_cstr(&out),
                        "~ redis.password: \"********\" -> \"********\"  RESTART\n");
    buf_fini(&out);
    reading_fini(&a);
    reading_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_a_route_prints_more_open),
        cmocka_unit_test(a_route_that_goes_may_uncover_a_weaker_one),
        cmocka_unit_test(limits_open_when_they_admit_more),
        cmocka_unit_test(says_what_needs_a_restart),
        cmocka_unit_test(a_method_that_a_route_gives_up_may_reach_a_weaker_one),
        cmocka_unit_test(blocks_of_addresses_hold_smaller_ones),
        cmocka_unit_test(a_burst_opens_when_more_may_come_at_once),
        cmocka_unit_test(listeners_proxies_cors_and_issuers_open),
        cmocka_unit_test(an_unencrypted_listener_is_more_open),
        cmocka_unit_test(a_routes_own_cors_that_goes_leaves_the_general_one),
        cmocka_unit_test(every_opening_names_an_option),
        cmocka_unit_test(a_changed_secret_is_seen_and_not_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
