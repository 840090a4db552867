#include "fixture.h"

#include "base/json.h"

static int set_stage(void **state)
{
    *state = bench_new();
    return 0;
}

static int clear_stage(void **state)
{
    bench_free(*state);
    return 0;
}

static void assert_refused(struct bench *b, const char *url, const char *complaint)
{
    struct upstream_set *set = NULL;
    char *why = NULL;

    b->groups[0].servers.count = 0;
    bench_serve(b, 0, url);
    assert_int_not_equal(upstream_set_new(&b->conf, NULL, &set, &why), ERR_OK);
    assert_null(set);
    assert_non_null(why);
    assert_non_null(strstr(why, complaint));
    free(why);
}

static void says_which_server_is_wrong(void **state)
{
    struct bench *b = *state;

    assert_refused(b, "ftp://a", "upstreams.main: 'ftp://a'");
    assert_refused(b, "http://a:1/base", "upstreams.main: 'http://a:1/base'");
}

static void says_when_the_authorities_cannot_be_read(void **state)
{
    struct bench *b = *state;

    b->groups[0].ca = SLICE("/nonexistent/ca.pem");
    assert_refused(b, "https://127.0.0.1:1", "/nonexistent/ca.pem");
}

static void labels_servers(void **state)
{
    struct bench *b = *state;

    bench_serve(b, 0, "http://127.0.0.1");
    bench_serve(b, 0, "http://[::1]:81");
    bench_serve(b, 0, "unix:/run/x.sock");
    bench_load(b);
    assert_true(slice_eq(b->set->servers[0].label, SLICE("127.0.0.1:80")));
    assert_true(slice_eq(b->set->servers[1].label, SLICE("[::1]:81")));
    assert_true(slice_eq(b->set->servers[2].label, SLICE("unix:/run/x.sock")));
    assert_true(slice_eq(b->set->servers[2].authority, SLICE("localhost")));
}

static void a_reload_carries_health_and_slots_over(void **state)
{
    struct bench *b = *state;
    struct server_state *kept;

    bench_serve(b, 0, "http://127.0.0.1:1");
    bench_serve(b, 0, "http://127.0.0.1:2");
    bench_load(b);
    kept = b->set->servers[1].state;
    atomic_store(&kept->health.is_down, true);
    assert_true(server_slot_take(&b->set->servers[1]));
    b->urls[0][0] = b->urls[0][1];
    b->groups[0].servers.count = 1;
    bench_load(b);
    assert_int_equal(b->set->server_count, 1);
    assert_ptr_equal(b->set->servers[0].state, kept);
    assert_true(atomic_load(&kept->health.is_down));
    assert_int_equal(inflight(b), 1);
    server_slot_release(&b->set->servers[0]);
}

static void a_server_named_twice_is_one_server_with_two_shares(void **state)
{
    struct bench *b = *state;

    bench_serve(b, 0, "http://127.0.0.1:1");
    bench_serve(b, 0, "http://127.0.0.1:2");
    bench_serve(b, 0, "http://127.0.0.1:1");
    b->groups[0].max_inflight = 1;
    for (unsigned load = 0; load < 2; load++) {
        struct server *servers;

        bench_load(b);
        servers = b->set->groups[0].servers;
        assert_ptr_equal(servers[0].state, servers[2].state);
        assert_ptr_not_equal(servers[0].state, servers[1].state);
        assert_true(server_slot_take(&servers[0]));
        assert_false(server_slot_take(&servers[2]));
        server_slot_release(&servers[0]);
    }
}

static void the_same_server_in_another_group_is_another(void **state)
{
    struct bench *b = *state;

    bench_serve(b, 0, "http://127.0.0.1:1");
    bench_serve(b, 1, "http://127.0.0.1:1");
    bench_load(b);
    assert_ptr_not_equal(b->set->servers[0].state, b->set->servers[1].state);
}

static void outlives_the_configuration(void **state)
{
    struct bench *b = *state;
    char *name = mem_strdup("copied");

    b->groups[0].name = slice_str(name);
    bench_serve(b, 0, "http://127.0.0.1:1");
    bench_load(b);
    free(name);
    assert_non_null(upstream_set_group(b->set, SLICE("copied")));
    assert_null(upstream_set_group(b->set, SLICE("main")));
}

static void new_addresses_in_another_order_are_no_change(void **state)
{
    struct bench *b = *state;
    struct resolved found = {.count = 2};
    struct addr addrs[SERVER_ADDRS_MAX];
    unsigned version;

    bench_serve(b, 0, "http://127.0.0.1:1");
    bench_load(b);
    assert_int_equal(addr_parse(SLICE("10.0.0.1"), &found.addrs[0]), ERR_OK);
    assert_int_equal(addr_parse(SLICE("10.0.0.2"), &found.addrs[1]), ERR_OK);
    assert_true(server_set_addrs(&b->set->servers[0], &found));
    found.addrs[2] = found.addrs[0];
    found.addrs[0] = found.addrs[1];
    found.addrs[1] = found.addrs[2];
    assert_false(server_set_addrs(&b->set->servers[0], &found));
    found.count = 0;
    assert_false(server_set_addrs(&b->set->servers[0], &found));
    assert_int_equal(server_addrs(&b->set->servers[0], addrs, &version), 2);
}

static const char *text_of(const json_t *server, const char *name)
{
    return json_string_value(json_object_get(server, name));
}

static void writes_what_posternctl_shows(void **state)
{
    struct bench *b = *state;
    struct buf out;
    json_t *all = NULL, *servers;

    bench_serve(b, 0, "http://127.0.0.1:1");
    bench_serve(b, 0, "http://127.0.0.1:2");
    bench_serve(b, 1, "unix:/run/\"x\".sock");
    bench_load(b);
    atomic_store(&b->set->servers[1].state->health.is_down, true);
    assert_true(server_slot_take(&b->set->servers[0]));
    buf_init(&out);
    upstream_set_write(b->set, &out);
    assert_int_equal(json_read(buf_slice(&out), out.n, &all), ERR_OK);
    assert_int_equal(json_array_size(all), 2);
    assert_string_equal(text_of(json_array_get(all, 0), "name"), "main");
    servers = json_object_get(json_array_get(all, 0), "servers");
    assert_string_equal(text_of(json_array_get(servers, 0), "state"), "up");
    assert_string_equal(text_of(json_array_get(servers, 1), "state"), "down");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(servers, 0), "inflight")),
                     1);
    json_decref(all);
    buf_fini(&out);
    server_slot_release(&b->set->servers[0]);
}

/* ------- slots under concurrency ------- */

enum { THREADS = 4, ROUNDS = 300000 };

static atomic_ulong most;

static void *take_and_release(void *arg)
{
    struct server *s = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned long now;

        if (!server_slot_take(s))
            continue;
        now = atomic_load(&s->state->inflight);
        if (now > atomic_load(&most))
            atomic_store(&most, now);
        server_slot_release(s);
    }
    return NULL;
}

static void max_inflight_holds_across_threads(void **state)
{
    struct bench *b = *state;
    pthread_t threads[THREADS];

    b->groups[0].max_inflight = 2;
    bench_serve(b, 0, "http://127.0.0.1:1");
    bench_load(b);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_release, &b->set->servers[0]),
                         0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_in_range(atomic_load(&most), 1, 2);
    assert_int_equal(inflight(b), 0);
}

#define ON_STAGE(name) cmocka_unit_test_setup_teardown(name, set_stage, clear_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAGE(says_which_server_is_wrong),
        ON_STAGE(says_when_the_authorities_cannot_be_read),
        ON_STAGE(labels_servers),
        ON_STAGE(a_reload_carries_health_and_slots_over),
        ON_STAGE(a_server_named_twice_is_one_server_with_two_shares),
        ON_STAGE(the_same_server_in_another_group_is_another),
        ON_STAGE(outlives_the_configuration),
        ON_STAGE(new_addresses_in_another_order_are_no_change),
        ON_STAGE(writes_what_posternctl_shows),
        ON_STAGE(max_inflight_holds_across_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
