#include "../conf/conf_fixture.h"

#include "policy/policy.h"

#define HEAD_OF_FILE                                                                               \
    "upstreams: {a: {servers: [http://127.0.0.1:1], timeouts: {idle: 7m}}, b: {servers: "          \
    "[http://127.0.0.1:2]}}\n"                                                                     \
    "limits: {default: {rate: 60/min}, big: {rate: [5/s, 100/h], burst: 9, kind: sliding}}\n"

static struct policy *policy_of(const char *yaml)
{
    return policy_new(read_good(yaml));
}

static struct route_match match_of(const struct policy *p, const char *method, const char *path)
{
    struct route_match m;

    policy_match(p, SLICE("gw.example.com"), slice_str(method), slice_str(path), &m);
    return m;
}

static const char *name_of(const struct policy *p, const char *method, const char *path)
{
    struct route_match m = match_of(p, method, path);

    return m.route != NULL ? m.route->name.p : "";
}

static void compiles_limits_timeouts_and_upstreams(void **state)
{
    struct policy *p = policy_of(
        HEAD_OF_FILE "cors: {origins: [https://a.example]}\n"
                     "routes:\n"
                     "  - {path: /one, upstream: b}\n"
                     "  - {path: /two, upstream: a, limit: [big, default], timeouts: {total: 1h}, "
                     "errors: coded}\n"
                     "  - {path: /three, upstream: a, limit: none, cors: {origins: []}}\n");

    (void)state;
    assert_int_equal(p->route_count, 3);
    assert_int_equal(p->routes[0].upstream, 1);
    assert_int_equal(p->routes[0].limit_count, 1);
    assert_slice(p->routes[0].limits[0]->name, "default");
    assert_slice(p->routes[0].name, "/one");
    assert_ptr_equal(p->routes[0].cors, &p->conf->cors);
    assert_int_equal(p->routes[1].limit_count, 2);
    assert_int_equal(p->routes[1].limits[0]->window_count, 2);
    assert_int_equal(p->routes[1].limits[0]->windows[0].burst, 9);
    assert_true(p->routes[1].limits[0]->windows[1].is_sliding);
    assert_int_equal(p->routes[1].limits[1]->windows[0].burst, 60);
    assert_int_equal(p->routes[1].idle_ms, 7 * 60000);
    assert_int_equal(p->routes[1].total_ms, 3600000);
    assert_int_equal(p->routes[1].errors, PROBLEM_STYLE_CODED);
    assert_int_equal(p->routes[2].limit_count, 0);
    assert_null(p->routes[2].cors);
    policy_unref(policy_ref(p));
    policy_unref(p);
}

static void simple_mode_asks_only_where_a_role_is(void **state)
{
    struct policy *p = policy_of(HEAD_OF_FILE "auth: {mode: simple}\nroutes:\n"
                                              "  - {path: /a, upstream: a}\n"
                                              "  - {path: /b, upstream: a, roles: [admin]}\n"
                                              "  - {path: /c, upstream: a, auth: public}\n");

    (void)state;
    assert_int_equal(p->routes[0].auth, CONF_route_auth_OPTIONAL);
    assert_int_equal(p->routes[1].auth, CONF_route_auth_REQUIRED);
    assert_int_equal(p->routes[2].auth, CONF_route_auth_PUBLIC);
    policy_unref(p);
}

static const char specific[] =
    HEAD_OF_FILE "routes:\n"
                 "  - {path: \"/**\", name: all, upstream: a}\n"
                 "  - {path: \"/jobs/**\", name: jobs, upstream: a}\n"
                 "  - {path: \"/jobs/{id}\", name: job, upstream: a}\n"
                 "  - {path: /jobs/new, name: new, upstream: a}\n"
                 "  - {path: \"/jobs/{id}/log\", name: log, upstream: a}\n"
                 "  - {path: \"/jobs/new/{x}/y\", name: deep, upstream: a}\n";

static void the_most_specific_route_wins(void **state)
{
    struct policy *p = policy_of(specific);

    (void)state;
    assert_string_equal(name_of(p, "GET", "/"), "all");
    assert_string_equal(name_of(p, "GET", "/other"), "all");
    assert_string_equal(name_of(p, "GET", "/jobs"), "jobs");
    assert_string_equal(name_of(p, "GET", "/jobs/17"), "job");
    assert_string_equal(name_of(p, "GET", "/jobs/new"), "new");
    assert_string_equal(name_of(p, "GET", "/jobs/17/log"), "log");
    assert_string_equal(name_of(p, "GET", "/jobs/17/logs"), "jobs");
    /* The literal "new" leads nowhere for /log: the search goes back to {id}. */
    assert_string_equal(name_of(p, "GET", "/jobs/new/log"), "log");
    assert_string_equal(name_of(p, "GET", "/jobs/new/1/y"), "deep");
    assert_string_equal(name_of(p, "GET", "/jobs/new/1/z"), "jobs");
    policy_unref(p);
}

static void gives_the_named_segments_and_the_rest(void **state)
{
    struct policy *p =
        policy_of(HEAD_OF_FILE "routes: [{path: \"/u/{user}/j/{job}/**\", upstream: a}]\n");
    struct route_match m = match_of(p, "GET", "/u/ann%20b/j/7/files/x.png");

    (void)state;
    assert_int_equal(m.param_count, 2);
    assert_slice(m.params[0].name, "user");
    assert_slice(m.params[0].value, "ann%20b");
    assert_slice(m.params[1].name, "job");
    assert_slice(m.params[1].value, "7");
    assert_slice(m.rest, "files/x.png");
    assert_slice(match_of(p, "GET", "/u/a/j/7").rest, "");
    policy_unref(p);
}

static void p7_a_prefix_means_whole_segments(void **state)
{
    struct policy *p =
        policy_of(HEAD_OF_FILE "routes: [{path: \"/pki/ca/prod/**\", upstream: a}]\n");

    (void)state;
    assert_non_null(match_of(p, "GET", "/pki/ca/prod").route);
    assert_non_null(match_of(p, "GET", "/pki/ca/prod/x").route);
    assert_null(match_of(p, "GET", "/pki/ca/prod-x").route);
    assert_null(match_of(p, "GET", "/pki/ca/pro").route);
    policy_unref(p);
}

static void p15_a_path_without_a_route_matches_nothing(void **state)
{
    struct policy *p = policy_of(HEAD_OF_FILE "routes: [{path: /v1/models, upstream: a}]\n");
    struct route_match m = match_of(p, "POST", "/invocations");

    (void)state;
    assert_null(m.route);
    assert_false(m.method_not_allowed);
    assert_null(match_of(p, "GET", "/").route);
    assert_null(match_of(p, "OPTIONS", "*").route);
    assert_null(match_of(p, "GET", "").route);
    policy_unref(p);
}

static void p6_letters_count_whether_escaped_or_not(void **state)
{
    struct policy *p =
        policy_of(HEAD_OF_FILE "routes:\n"
                               "  - {path: \"/v1/{m}\", name: weak, upstream: a}\n"
                               "  - {path: \"/v1/x:delete\", name: strong, upstream: a}\n"
                               "  - {path: /v1/caf%C3%A9, name: cafe, upstream: a}\n"
                               "  - {path: \"/v1/50%25\", name: half, upstream: a}\n");

    (void)state;
    assert_string_equal(name_of(p, "GET", "/v1/x:delete"), "strong");
    assert_string_equal(name_of(p, "GET", "/v1/x%3Adelete"), "strong");
    assert_string_equal(name_of(p, "GET", "/v1/X:delete"), "weak");
    assert_string_equal(name_of(p, "GET", "/v1/caf%C3%A9"), "cafe");
    assert_string_equal(name_of(p, "GET", "/v1/50%25"), "half");
    policy_unref(p);
}

static void a_slash_at_the_end_does_not_reach_a_weaker_route(void **state)
{
    struct policy *p = policy_of(HEAD_OF_FILE "routes:\n"
                                              "  - {path: \"/**\", name: weak, upstream: a}\n"
                                              "  - {path: /admin, name: strong, upstream: a}\n"
                                              "  - {path: /docs/, name: docs, upstream: a}\n");

    (void)state;
    assert_string_equal(name_of(p, "GET", "/admin/"), "strong");
    assert_string_equal(name_of(p, "GET", "/docs"), "docs");
    policy_unref(p);
}

static const char guarded[] =
    HEAD_OF_FILE "routes:\n"
                 "  - {path: \"/**\", name: all, upstream: a}\n"
                 "  - {path: \"/admin/**\", name: admin, roles: [admin], upstream: a}\n"
                 "  - {path: \"/files/{id}\", name: file, upstream: a}\n"
                 "  - {path: /files, name: files, upstream: a}\n"
                 "  - {path: /V2/Info, name: info, auth: public, upstream: a}\n"
                 "  - {path: /docs, name: docs, auth: public, upstream: a}\n"
                 "  - {path: \"/docs/**\", name: below, upstream: a}\n"
                 "  - {path: /open, name: open, upstream: a}\n"
                 "  - {path: \"/open/**\", name: opened, upstream: a}\n"
                 "  - {path: /named/, name: named, auth: public, upstream: a}\n"
                 "  - {path: \"/named/**\", name: unnamed, upstream: a}\n"
                 "  - {path: /below/it, name: it, auth: public, upstream: a}\n"
                 "  - {path: /strict, name: strict, scopes: [write], upstream: a}\n";

static void assert_ambiguous(const struct policy *p, const char *path, bool expected)
{
    struct route_match m = match_of(p, "GET", path);

    if (m.route == NULL || m.is_ambiguous != expected)
        fail_msg("%s is %s ambiguous", path, expected ? "not" : "");
}

static void p6_case_that_would_change_the_rule_is_ambiguous(void **state)
{
    struct policy *p = policy_of(guarded);

    (void)state;
    assert_ambiguous(p, "/admin/x", false);
    assert_ambiguous(p, "/Admin/x", true);
    assert_ambiguous(p, "/ADMIN", true);
    assert_ambiguous(p, "/admin/X", false);
    assert_ambiguous(p, "/files/ABC", false);
    assert_ambiguous(p, "/Files/ABC", true);
    assert_ambiguous(p, "/V2/Info", false);
    assert_ambiguous(p, "/v2/info", true);
    assert_ambiguous(p, "/Other/thing%2F", false);
    policy_unref(p);
}

static void p10_parameters_that_would_change_the_rule_are_ambiguous(void **state)
{
    struct policy *p = policy_of(guarded);

    (void)state;
    assert_ambiguous(p, "/admin;v=1/x", true);
    assert_ambiguous(p, "/admin%3Bv=1/x", true);
    assert_ambiguous(p, "/admin/x;v=1", false);
    assert_ambiguous(p, "/;v=1/admin/x", true);
    assert_ambiguous(p, "/;/;a/;/admin/x", true);
    assert_ambiguous(p, "/files/a;v=1", false);
    assert_ambiguous(p, "/files/;v=1", true);
    assert_ambiguous(p, "/other;v=1/x", false);
    policy_unref(p);
}

static void a_slash_that_hides_a_stronger_rule_is_ambiguous(void **state)
{
    struct policy *p = policy_of(guarded);

    (void)state;
    assert_ambiguous(p, "/docs", false);
    assert_ambiguous(p, "/docs/", true);
    assert_ambiguous(p, "/docs/x/", false);
    assert_ambiguous(p, "/open/", false);
    assert_ambiguous(p, "/named/", false);
    assert_ambiguous(p, "/named", true);
    assert_ambiguous(p, "/below/it", false);
    assert_ambiguous(p, "/below/it/", true);
    assert_ambiguous(p, "/strict/", false);
    assert_ambiguous(p, "/", false);
    policy_unref(p);
}

static void a_named_method_goes_before_any(void **state)
{
    struct policy *p =
        policy_of(HEAD_OF_FILE "routes:\n"
                               "  - {path: /a, name: any, upstream: a}\n"
                               "  - {path: /a, name: get, methods: [GET], upstream: a}\n"
                               "  - {path: /b, name: post, methods: [POST, GET], upstream: a}\n"
                               "  - {path: \"/b/**\", name: below, methods: [PUT], upstream: a}\n"
                               "  - {path: /c, name: get, methods: [GET], upstream: a}\n"
                               "  - {path: /c, name: head, methods: [HEAD], upstream: a}\n");
    struct route_match m;

    (void)state;
    assert_string_equal(name_of(p, "GET", "/a"), "get");
    assert_string_equal(name_of(p, "HEAD", "/a"), "get");
    assert_string_equal(name_of(p, "PUT", "/a"), "any");
    assert_string_equal(name_of(p, "HEAD", "/b"), "post");
    assert_string_equal(name_of(p, "PUT", "/b"), "below");
    assert_string_equal(name_of(p, "HEAD", "/c"), "head");
    m = match_of(p, "DELETE", "/b");
    assert_null(m.route);
    assert_true(m.method_not_allowed);
    assert_slice(m.methods, "GET, HEAD, POST");
    policy_unref(p);
}

static void a_host_of_its_own_goes_before_any_host(void **state)
{
    struct policy *p =
        policy_of(HEAD_OF_FILE "routes:\n"
                               "  - {path: /a, name: any, methods: [GET], upstream: a}\n"
                               "  - {path: /a, name: here, hosts: [GW.example.com], upstream: a}\n"
                               "  - {path: /a, name: there, hosts: [b.example], upstream: a}\n"
                               "  - {path: /b, hosts: [b.example], upstream: a}\n");
    struct route_match m;

    (void)state;
    assert_string_equal(name_of(p, "GET", "/a"), "here");
    assert_null(match_of(p, "GET", "/b").route);
    assert_false(match_of(p, "GET", "/b").method_not_allowed);
    policy_match(p, SLICE("B.Example"), SLICE("GET"), SLICE("/a"), &m);
    assert_slice(m.route->name, "there");
    policy_match(p, SLICE("other"), SLICE("GET"), SLICE("/a"), &m);
    assert_slice(m.route->name, "any");
    policy_unref(p);
}

static const char *rewritten(const struct policy *p, struct arena *arena, const char *target)
{
    struct path path;
    struct route_match m;
    struct slice out;

    assert_int_equal(path_normalise(slice_str(target), true, arena, &path), ERR_OK);
    policy_match(p, SLICE_NONE, SLICE("GET"), path.text, &m);
    assert_non_null(m.route);
    return policy_rewrite(&m, &path, arena, &out) == ERR_OK ? out.p : NULL;
}

static void rewrites_and_strips(void **state)
{
    struct policy *p = policy_of(
        HEAD_OF_FILE "routes:\n"
                     "  - {path: \"/api/v1/**\", strip_prefix: /api/v1, upstream: a}\n"
                     "  - {path: \"/o/{id}/**\", rewrite: \"/v2/{rest}/of/{id}\", upstream: a}\n"
                     "  - {path: \"/p/{id}\", rewrite: \"/q-{id}\", upstream: a}\n"
                     "  - {path: \"/x:y/**\", strip_prefix: \"/x:y\", upstream: a}\n"
                     "  - {path: /as/is, upstream: a}\n");
    struct arena arena;

    (void)state;
    arena_init(&arena);
    assert_string_equal(rewritten(p, &arena, "/api/v1/jobs/?a=%2F&b"), "/jobs/?a=%2F&b");
    assert_string_equal(rewritten(p, &arena, "/api/v1"), "/");
    assert_string_equal(rewritten(p, &arena, "/api/v1/?"), "/?");
    assert_string_equal(rewritten(p, &arena, "/x%3Ay/z"), "/z");
    assert_string_equal(rewritten(p, &arena, "/o/7/a/b"), "/v2/a/b/of/7");
    assert_string_equal(rewritten(p, &arena, "/p/7?x=1"), "/q-7?x=1");
    assert_string_equal(rewritten(p, &arena, "/as/./is?x"), "/as/is?x");
    arena_fini(&arena);
    policy_unref(p);
}

static void p5_a_rewrite_that_is_not_normal_is_refused(void **state)
{
    struct policy *p = policy_of(
        HEAD_OF_FILE
        "routes:\n"
        "  - {path: \"/o/{id}/**\", rewrite: \"/v2/{rest}/x\", upstream: a}\n"
        "  - {path: \"/d/{id}\", rewrite: \"/.{id}/admin\", upstream: a}\n"
        "  - {path: \"/k/{id}\", rewrite: \"/{id}/x\", upstream: a, encoded_slash: keep}\n");
    struct arena arena;

    (void)state;
    arena_init(&arena);
    /* "//" inside, and a dot that becomes a ".." segment behind the dot of the template. */
    assert_null(rewritten(p, &arena, "/o/7"));
    assert_null(rewritten(p, &arena, "/o/7/a/"));
    assert_string_equal(rewritten(p, &arena, "/d/well-known"), "/.well-known/admin");
    assert_string_equal(rewritten(p, &arena, "/k/a%2Fb"), "/a%2Fb/x");
    arena_fini(&arena);
    policy_unref(p);
}

static bool may_become(const struct policy *p, struct arena *arena, const char *target)
{
    struct path path;
    struct route_match m;
    struct slice out;

    assert_int_equal(path_normalise(slice_str(target), false, arena, &path), ERR_OK);
    policy_match(p, SLICE_NONE, SLICE("GET"), path.text, &m);
    assert_int_equal(policy_rewrite(&m, &path, arena, &out), ERR_OK);
    return policy_rewrite_is_allowed(p, &m, SLICE_NONE, SLICE("GET"), out);
}

static void p5_a_rewrite_leads_under_no_other_rule(void **state)
{
    struct policy *p = policy_of(
        HEAD_OF_FILE
        "routes:\n"
        "  - {path: \"/open/**\", strip_prefix: /open, auth: public, upstream: a}\n"
        "  - {path: \"/elsewhere/**\", strip_prefix: /elsewhere, auth: public, upstream: b}\n"
        "  - {path: \"/by/{what}\", rewrite: \"/{what}/x\", auth: public, upstream: a}\n"
        "  - {path: /alias, rewrite: /admin/health, auth: public, upstream: a}\n"
        "  - {path: \"/admin/**\", roles: [admin], upstream: a}\n");
    struct arena arena;

    (void)state;
    arena_init(&arena);
    assert_true(may_become(p, &arena, "/open/x?to=/admin"));
    assert_false(may_become(p, &arena, "/open/admin/x?y"));
    assert_false(may_become(p, &arena, "/by/admin"));
    assert_true(may_become(p, &arena, "/by/others"));
    assert_true(may_become(p, &arena, "/elsewhere/admin/x"));
    assert_true(may_become(p, &arena, "/alias"));
    arena_fini(&arena);
    policy_unref(p);
}

static void knows_whether_encoded_slashes_are_kept(void **state)
{
    struct policy *p = policy_of(HEAD_OF_FILE "routes: [{path: /a, upstream: a}]\n");
    struct policy *q =
        policy_of(HEAD_OF_FILE "routes: [{path: /a, upstream: a, encoded_slash: keep}]\n");

    (void)state;
    assert_false(policy_keeps_encoded_slash(p));
    assert_true(policy_keeps_encoded_slash(q));
    policy_unref(p);
    policy_unref(q);
}

static void generations_grow(void **state)
{
    struct policy *p = policy_of(""), *q = policy_of("");

    (void)state;
    assert_true(q->generation > p->generation);
    policy_unref(p);
    policy_unref(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compiles_limits_timeouts_and_upstreams),
        cmocka_unit_test(simple_mode_asks_only_where_a_role_is),
        cmocka_unit_test(the_most_specific_route_wins),
        cmocka_unit_test(gives_the_named_segments_and_the_rest),
        cmocka_unit_test(p7_a_prefix_means_whole_segments),
        cmocka_unit_test(p15_a_path_without_a_route_matches_nothing),
        cmocka_unit_test(p6_letters_count_whether_escaped_or_not),
        cmocka_unit_test(a_slash_at_the_end_does_not_reach_a_weaker_route),
        cmocka_unit_test(p6_case_that_would_change_the_rule_is_ambiguous),
        cmocka_unit_test(p10_parameters_that_would_change_the_rule_are_ambiguous),
        cmocka_unit_test(a_slash_that_hides_a_stronger_rule_is_ambiguous),
        cmocka_unit_test(a_named_method_goes_before_any),
        cmocka_unit_test(a_host_of_its_own_goes_before_any_host),
        cmocka_unit_test(rewrites_and_strips),
        cmocka_unit_test(p5_a_rewrite_that_is_not_normal_is_refused),
        cmocka_unit_test(p5_a_rewrite_leads_under_no_other_rule),
        cmocka_unit_test(knows_whether_encoded_slashes_are_kept),
        cmocka_unit_test(generations_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
