#include "fixture.h"

/* ------- a resolver that says what the test wants ------- */

struct resolver {
    struct timer timer;
    void (*done)(void *arg, enum err e, const struct resolved *found);
    void *arg;
    unsigned asked;
    enum err e;
    struct resolved found;
    bool is_slow;
};

static void on_answer_time(void *arg)
{
    struct resolver *r = arg;

    if (!r->is_slow)
        r->done(r->arg, r->e, r->e == ERR_OK ? &r->found : NULL);
}

struct resolver *resolver_new(struct worker *control)
{
    struct resolver *r = mem_zalloc(sizeof(*r));

    timer_init(&r->timer, control, on_answer_time, r);
    return r;
}

void resolver_free(struct resolver *r)
{
    timer_fini(&r->timer);
    free(r);
}

void resolver_ask(struct resolver *r, const char *host, uint16_t port,
                  void (*done)(void *arg, enum err e, const struct resolved *found), void *arg)
{
    assert_string_equal(host, "ml.example");
    r->asked++;
    r->done = done;
    r->arg = arg;
    r->found.addrs[0].port = port;
    timer_set(&r->timer, 1);
}

static enum err at_start;

enum err resolve_now(const char *host, uint16_t port, int64_t wait_ms, struct resolved *out)
{
    (void)host;
    assert_in_range(wait_ms, 1, 2000);
    if (at_start != ERR_OK)
        return at_start;
    *out = (struct resolved){.count = 1, .ttl_s = 1};
    assert_int_equal(addr_parse(SLICE("127.0.0.1"), &out->addrs[0]), ERR_OK);
    out->addrs[0].port = port;
    return ERR_OK;
}

/* ------- */

struct stage {
    struct bench *b;
    struct peer *p;
    struct resolver *r;
    struct upstream_monitor *m;
    char named[64]; /* the peer by the name ml.example */
};

static atomic_uint status;

static void speak(struct peer *p, int fd, unsigned nth)
{
    char text[64];

    (void)nth;
    if (!hear_head(p, fd))
        return;
    snprintf(text, sizeof(text), "HTTP/1.1 %u X\r\nContent-Length: 0\r\n\r\n",
             atomic_load(&status));
    say(fd, text);
    hear_end(p, fd);
}

static void stay_silent(struct peer *p, int fd, unsigned nth)
{
    (void)nth;
    hear_end(p, fd);
}

static int set_stage(void **state)
{
    struct stage *s = mem_zalloc(sizeof(*s));

    atomic_store(&status, 200);
    at_start = ERR_OK;
    s->b = bench_new();
    s->p = peer_new(speak);
    s->r = resolver_new(s->b->w);
    s->m = upstream_monitor_new(s->b->w, s->r);
    snprintf(s->named, sizeof(s->named), "http://ml.example:%u", s->p->port);
    s->b->groups[0].health_interval_ms = 20;
    *state = s;
    return 0;
}

static int clear_stage(void **state)
{
    struct stage *s = *state;

    resolver_free(s->r);
    upstream_monitor_free(s->m);
    bench_free(s->b);
    peer_free(s->p);
    free(s);
    return 0;
}

static void follow(struct stage *s, const char *url)
{
    if (s->b->groups[0].servers.count == 0)
        bench_serve(s->b, 0, url);
    bench_load(s->b);
    upstream_monitor_follow(s->m, s->b->set);
}

static struct server *server(struct stage *s)
{
    return &s->b->set->servers[0];
}

static bool is_down(void *arg)
{
    return atomic_load(&server(arg)->state->health.is_down);
}

static bool is_up(void *arg)
{
    return !is_down(arg);
}

static bool was_asked_twice(void *arg)
{
    return atomic_load(&((struct stage *)arg)->p->requests) >= 2;
}

static void asks_the_health_path_again_and_again(void **state)
{
    struct stage *s = *state;

    s->b->groups[0].health_path = SLICE("/healthz?full=1");
    follow(s, s->p->url);
    assert_true(bench_until(s->b, was_asked_twice, s, PATIENCE_MS));
    assert_true(peer_got(s->p, "GET /healthz?full=1 HTTP/1.1\r\nHost: 127.0.0.1:"));
    assert_true(is_up(s));
}

static void takes_a_server_down_and_up_again(void **state)
{
    struct stage *s = *state;

    s->b->groups[0].health_path = SLICE("/h");
    atomic_store(&status, 503);
    follow(s, s->p->url);
    assert_true(bench_until(s->b, is_down, s, PATIENCE_MS));
    assert_int_equal(atomic_load(&s->p->requests), 3);
    atomic_store(&status, 204);
    assert_true(bench_until(s->b, is_up, s, PATIENCE_MS));
    assert_int_equal(atomic_load(&s->p->requests), 5);
}

static void silence_is_a_failure(void **state)
{
    struct stage *s = *state;

    s->p->script = stay_silent;
    s->b->groups[0].health_path = SLICE("/h");
    s->b->groups[0].health_timeout_ms = 30;
    follow(s, s->p->url);
    assert_true(bench_until(s->b, is_down, s, PATIENCE_MS));
}

static void does_not_ask_without_a_path(void **state)
{
    struct stage *s = *state;

    follow(s, s->p->url);
    bench_run(s->b, 60);
    assert_int_equal(atomic_load(&s->p->connections), 0);
    assert_int_equal(s->r->asked, 0); /* and a literal address is not resolved */
}

static void a_reload_without_checks_brings_a_server_back(void **state)
{
    struct stage *s = *state;

    s->b->groups[0].health_path = SLICE("/h");
    atomic_store(&status, 500);
    follow(s, s->p->url);
    assert_true(bench_until(s->b, is_down, s, PATIENCE_MS));
    s->b->groups[0].health_path = SLICE_NONE;
    follow(s, s->p->url);
    assert_true(is_up(s));
}

static bool has_changed(void *arg)
{
    return atomic_load(&server(arg)->state->version) == 2;
}

static void a_name_is_asked_again_and_the_addresses_change(void **state)
{
    struct stage *s = *state;
    struct addr addrs[SERVER_ADDRS_MAX];
    unsigned version;

    s->r->found = (struct resolved){.count = 1, .ttl_s = 1};
    assert_int_equal(addr_parse(SLICE("127.0.0.7"), &s->r->found.addrs[0]), ERR_OK);
    follow(s, s->named);
    assert_int_equal(atomic_load(&server(s)->state->addr_count), 1); /* from resolve_now */
    assert_true(bench_until(s->b, has_changed, s, PATIENCE_MS));
    assert_int_equal(server_addrs(server(s), addrs, &version), 1);
    assert_true(addr_eq(&addrs[0], &s->r->found.addrs[0]));
    assert_int_equal(addrs[0].port, s->p->port);
    bench_run(s->b, 1100);
    assert_int_equal(s->r->asked, 2); /* once the TTL had passed */
}

static void a_name_that_is_not_found_keeps_its_addresses(void **state)
{
    struct stage *s = *state;

    s->r->e = ERR_NOT_FOUND;
    follow(s, s->named);
    bench_run(s->b, 50);
    assert_int_equal(s->r->asked, 1);
    assert_int_equal(atomic_load(&server(s)->state->addr_count), 1);
}

static bool is_resolved(void *arg)
{
    return server_is_resolved(server(arg));
}

static void a_name_unknown_at_start_is_served_once_it_is_found(void **state)
{
    struct stage *s = *state;
    enum err why = ERR_OK;

    at_start = ERR_NOT_FOUND;
    s->r->found = (struct resolved){.count = 1, .ttl_s = 60};
    assert_int_equal(addr_parse(SLICE("127.0.0.1"), &s->r->found.addrs[0]), ERR_OK);
    follow(s, s->named);
    s->r->is_slow = true;
    assert_int_equal(get(s->b, "/x", &why, NULL, 0), 0);
    assert_int_equal(why, ERR_UNAVAILABLE);
    s->r->is_slow = false;
    bench_run(s->b, 10);
    follow(s, s->named);
    assert_true(bench_until(s->b, is_resolved, s, PATIENCE_MS));
    assert_int_equal(get(s->b, "/x", NULL, NULL, 0), 200);
}

/* The answer comes when its watch is gone. */
static void a_reload_during_a_question_is_harmless(void **state)
{
    struct stage *s = *state;
    void *first;

    s->r->is_slow = true;
    s->r->found = (struct resolved){.count = 1, .ttl_s = 60};
    assert_int_equal(addr_parse(SLICE("127.0.0.7"), &s->r->found.addrs[0]), ERR_OK);
    follow(s, s->named);
    bench_run(s->b, 30);
    assert_int_equal(s->r->asked, 1);
    first = s->r->arg;
    follow(s, s->named);
    s->r->done(first, ERR_OK, &s->r->found);
    assert_int_equal(atomic_load(&server(s)->state->version), 1);
    bench_run(s->b, 30);
    assert_int_equal(s->r->asked, 2); /* and freed with that one unanswered */
}

#define ON_STAGE(name) cmocka_unit_test_setup_teardown(name, set_stage, clear_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAGE(asks_the_health_path_again_and_again),
        ON_STAGE(takes_a_server_down_and_up_again),
        ON_STAGE(silence_is_a_failure),
        ON_STAGE(does_not_ask_without_a_path),
        ON_STAGE(a_reload_without_checks_brings_a_server_back),
        ON_STAGE(a_name_is_asked_again_and_the_addresses_change),
        ON_STAGE(a_name_that_is_not_found_keeps_its_addresses),
        ON_STAGE(a_name_unknown_at_start_is_served_once_it_is_found),
        ON_STAGE(a_reload_during_a_question_is_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
