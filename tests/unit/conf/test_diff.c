#include "conf_fixture.h"

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
                "- listen.127.0.0.1:1  RESTART\n+ listen.127.0.0.1:2  RESTART\n");
    assert_diff("", "auth: {mode: simple}\n", "~ auth.mode: enforced -> simple  MORE OPEN\n");
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
        cmocka_unit_test(a_changed_secret_is_seen_and_not_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
