#include "conf_fixture.h"

#include "conf/node.h"

/* YAML 1.1 traps, variables, and what is refused before any option is looked at. */

static void n_o_and_its_kin_stay_text(void **state)
{
    struct conf *conf = read_good("upstreams: {no: {servers: [http://h:1], hash_on: user, "
                                  "tls: {server_name: no}}}\n"
                                  "limits: {012: {rate: 1/s}}\n"
                                  "routes:\n"
                                  "  - {path: /a, name: 1e3, upstream: no, limit: 012, "
                                  "roles: [off, 12:30, ~, null, 0x1F, 1_000, .inf]}\n");
    const struct texts *roles = &conf->routes[0].roles;

    (void)state;
    assert_slice(conf->upstreams[0].name, "no");
    assert_slice(conf->upstreams[0].server_name, "no");
    assert_slice(conf->limits[0].name, "012");
    assert_slice(conf->routes[0].name, "1e3");
    assert_int_equal(roles->count, 7);
    assert_slice(roles->items[0], "off");
    assert_slice(roles->items[1], "12:30");
    assert_slice(roles->items[2], "~");
    assert_slice(roles->items[3], "null");
    assert_slice(roles->items[4], "0x1F");
    assert_slice(roles->items[5], "1_000");
    assert_slice(roles->items[6], ".inf");
    conf_free(conf);
}

static void numbers_with_two_readings_are_refused(void **state)
{
    (void)state;
    assert_refused("server: {workers: 012}\n", "did you mean 12?");
    assert_refused("server: {workers: 1e3}\n", "whole number");
    assert_refused("server: {workers: 1_000}\n", "whole number");
    assert_refused("server: {workers: -1}\n", "whole number");
    assert_refused("server: {workers: 99999999999999999999}\n", "whole number");
}

static void nothing_after_a_key_is_as_if_it_were_absent(void **state)
{
    struct conf *conf = read_good("server:\nredis:\n  timeout:\nroutes:\nlimits:\nlisten:\n");

    (void)state;
    assert_int_equal(conf->redis.timeout_ms, 500);
    assert_int_equal(conf->route_count, 0);
    conf_free(conf);
}

static void lists_are_lists_or_cut_at_commas(void **state)
{
    struct conf *conf = read_good("upstreams: {a: {servers: http://h:1}}\n"
                                  "routes:\n"
                                  "  - {path: /a, upstream: a, methods: \"GET, POST\"}\n"
                                  "  - {path: /b, upstream: a, roles: [\"a,b\"]}\n");

    (void)state;
    assert_int_equal(conf->upstreams[0].servers.count, 1);
    assert_int_equal(conf->routes[0].methods.count, 2);
    assert_slice(conf->routes[0].methods.items[1], "POST");
    assert_int_equal(conf->routes[1].roles.count, 1);
    conf_free(conf);
}

static void an_alias_repeats_a_node(void **state)
{
    struct conf *conf = read_good("upstreams: {a: {servers: &s [http://h:1]}, b: {servers: *s}}\n");

    (void)state;
    assert_slice(conf->upstreams[1].servers.items[0], "http://h:1");
    conf_free(conf);
    assert_refused("upstreams: {a: {servers: *s}}\n", "1:26: error: nothing above is marked &s");
    assert_refused("server: &a {hosts: *a}\n", "nothing above is marked &a");
}

static void refuses_what_hides_structure(void **state)
{
    (void)state;
    assert_refused("a: &a {workers: 1}\nserver: {<<: *a}\n", "merge keys");
    assert_refused("server: {workers: !!int 3}\n", "tags");
    assert_refused("server: {}\n---\nredis: {}\n", "2:1: error: a second document");
    assert_refused("? [a]\n: 1\n", "a key must be plain text");
    assert_refused("server: {state_dir: \"a\\0b\"}\n", "NUL");
    assert_refused("server: {state_dir: \xff}\n", "gw.yaml:1:21: error: not valid YAML");
    assert_refused("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "nested");
    assert_refused("server: {workers: 1\n", "not valid YAML");
    assert_refused("just text\n", "a configuration takes a map");
}

static char *const environment[] = {"HOST=redis.internal", "EVIL=a: b\n#c", "EMPTY=", "WORKERS=4",
                                    NULL};

static void variables_are_put_in_after_parsing(void **state)
{
    struct reading r =
        read_with("redis: {url: 'redis://${HOST}:${PORT:-6379}/0', prefix: '${EVIL}'}\n"
                  "server: {workers: '${WORKERS}', state_dir: '${EMPTY:-/x}'}\n"
                  "auth: {jwt: {issuer: 'a$b$${HOST}$'}}\n",
                  environment);

    (void)state;
    assert_int_equal(r.result, ERR_OK);
    assert_slice(r.conf->redis.url, "redis://redis.internal:6379/0");
    assert_slice(r.conf->redis.prefix, "a: b\n#c");
    assert_int_equal(r.conf->server.workers, 4);
    assert_slice(r.conf->server.state_dir, "/x");
    assert_slice(r.conf->auth.jwt_issuer, "a$b${HOST}$");
    reading_fini(&r);
}

static void an_unset_or_malformed_variable_is_an_error(void **state)
{
    (void)state;
    assert_refused("server:\n  state_dir: ${NOWHERE}\n",
                   "gw.yaml:2:14: error: environment variable NOWHERE is not set");
    assert_refused("server: {state_dir: '${A:?x}'}\n", "is not understood");
    assert_refused("server:\n  state_dir: ${A\n", "without its '}'");
    assert_refused("server: {state_dir: ${A}}\n", "a ${variable} needs quotes");
    assert_refused("server: {state_dir: '${}'}\n", "is not understood");
    assert_refused("server: {'${HOST}': 1}\n", "unknown option '${HOST}'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(n_o_and_its_kin_stay_text),
        cmocka_unit_test(numbers_with_two_readings_are_refused),
        cmocka_unit_test(nothing_after_a_key_is_as_if_it_were_absent),
        cmocka_unit_test(lists_are_lists_or_cut_at_commas),
        cmocka_unit_test(an_alias_repeats_a_node),
        cmocka_unit_test(refuses_what_hides_structure),
        cmocka_unit_test(variables_are_put_in_after_parsing),
        cmocka_unit_test(an_unset_or_malformed_variable_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
