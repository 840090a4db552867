#include "fixture.h"

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct stage {
    struct bench *b;
    struct peer *peers[4];
    unsigned peer_count;
    struct fake *f;
};

static int set_stage(void **state)
{
    struct stage *s = mem_zalloc(sizeof(*s));

    s->b = bench_new();
    *state = s;
    return 0;
}

static int clear_stage(void **state)
{
    struct stage *s = *state;

    if (s->f != NULL)
        fake_free(s->f);
    assert_int_equal(inflight(s->b), 0);
    bench_free(s->b);
    for (unsigned i = 0; i < s->peer_count; i++)
        peer_free(s->peers[i]);
    free(s);
    return 0;
}

static struct peer *serve(struct stage *s, script_fn script)
{
    struct peer *p = peer_new(script);

    s->peers[s->peer_count++] = p;
    bench_serve(s->b, 0, p->url);
    return p;
}

static struct conf_upstream *group(struct stage *s)
{
    return &s->b->groups[0];
}

static void start(struct stage *s, const char *method)
{
    s->f = fake_new(s->b, method, "/x");
    fake_start(s->f);
}

/* ------- scripts ------- */

static void speak(struct peer *p, int fd, unsigned nth)
{
    (void)nth;
    while (hear_head(p, fd))
        say(fd, OK_ANSWER);
    atomic_fetch_add(&p->gone, 1);
}

static void hear_and_close(struct peer *p, int fd, unsigned nth)
{
    (void)nth;
    hear_head(p, fd);
}

static void stay_silent(struct peer *p, int fd, unsigned nth)
{
    (void)nth;
    hear_head(p, fd);
    hear_end(p, fd);
}

/* The first connection serves one request, waits and closes when the second comes; others serve. */
static void go_stale(struct peer *p, int fd, unsigned nth)
{
    if (nth > 0) {
        speak(p, fd, nth);
        return;
    }
    if (hear_head(p, fd))
        say(fd, OK_ANSWER);
    hear_head(p, fd);
}

static void speak_slowly(struct peer *p, int fd, unsigned nth)
{
    (void)nth;
    if (!hear_head(p, fd))
        return;
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    for (unsigned i = 0; i < 10; i++) {
        usleep(30000);
        say(fd, "x");
    }
    hear_end(p, fd);
}

static void begin_and_stall(struct peer *p, int fd, unsigned nth)
{
    (void)nth;
    if (hear_head(p, fd))
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx");
    hear_end(p, fd);
}

static void half_a_head_and_close(struct peer *p, int fd, unsigned nth)
{
    (void)nth;
    if (hear_head(p, fd))
        say(fd, "HTTP/1.1 200 OK\r\nContent-Le");
}

/* Answers only once the last chunk has come. */
static void want_last_chunk(struct peer *p, int fd, unsigned nth)
{
    (void)nth;
    if (hear_head(p, fd) && hear(p, fd, "0\r\n\r\n"))
        say(fd, OK_ANSWER);
    hear_end(p, fd);
}

enum { BIG_BYTES = 32 * 1024 * 1024 };

static void take_slowly(struct peer *p, int fd, unsigned nth)
{
    char some[64 * 1024];
    size_t got = 0;

    (void)nth;
    if (!hear_head(p, fd))
        return;
    usleep(100000);
    while (got < BIG_BYTES) {
        ssize_t n = recv(fd, some, sizeof(some), 0);

        if (n <= 0)
            return;
        got += (size_t)n;
    }
    say(fd, OK_ANSWER);
    hear_end(p, fd);
}

/* ------- attempts ------- */

static void reports_a_refused_connection(void **state)
{
    struct stage *s = *state;
    char url[64];

    url_of_nobody(url);
    bench_serve(s->b, 0, url);
    bench_load(s->b);
    start(s, "GET");
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->why, ERR_REFUSED);
    assert_int_equal(s->f->x.attempts, 1);
    assert_int_equal(s->f->ready, 0);
}

static void tries_another_server_when_one_refuses(void **state)
{
    struct stage *s = *state;
    char url[64];

    url_of_nobody(url);
    bench_serve(s->b, 0, url);
    serve(s, speak);
    bench_load(s->b);
    start(s, "POST");
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->status, 200);
    assert_int_equal(s->f->ready, 1);
    assert_int_equal(s->f->x.attempts, 2);
    assert_true(slice_ends(slice_str(s->peers[0]->url), s->f->x.upstream_name));
}

static void tries_no_other_server_without_retries(void **state)
{
    struct stage *s = *state;
    char url[64];

    group(s)->retries = 0;
    url_of_nobody(url);
    bench_serve(s->b, 0, url);
    serve(s, speak);
    bench_load(s->b);
    start(s, "GET");
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->why, ERR_REFUSED);
}

static void repeats_an_idempotent_request_elsewhere(void **state)
{
    struct stage *s = *state;

    serve(s, hear_and_close);
    serve(s, speak);
    bench_load(s->b);
    start(s, "GET");
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->status, 200);
    assert_int_equal(s->f->ready, 1);
    assert_int_equal(s->f->x.attempts, 2);
}

static void never_repeats_a_post_that_was_sent(void **state)
{
    struct stage *s = *state;

    serve(s, hear_and_close);
    serve(s, speak);
    bench_load(s->b);
    start(s, "POST");
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->why, ERR_CLOSED);
    assert_int_equal(s->f->x.attempts, 1);
    assert_int_equal(atomic_load(&s->peers[1]->connections), 0);
}

static void never_repeats_when_a_part_of_the_body_was_sent(void **state)
{
    struct stage *s = *state;

    serve(s, hear_and_close);
    serve(s, speak);
    bench_load(s->b);
    s->f = fake_new(s->b, "DELETE", "/x");
    s->f->x.request.has_body = true;
    fake_start(s->f);
    assert_true(bench_until(s->b, is_ready, s->f, PATIENCE_MS));
    send_text(s->f, "some");
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->failures, 1);
    assert_int_equal(atomic_load(&s->peers[1]->connections), 0);
}

static void never_repeats_after_a_part_of_an_answer(void **state)
{
    struct stage *s = *state;

    serve(s, begin_and_stall);
    serve(s, speak);
    group(s)->idle_ms = 60;
    bench_load(s->b);
    start(s, "GET");
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->why, ERR_TIMEOUT);
    assert_int_equal(s->f->responses, 1);
    assert_int_equal(atomic_load(&s->peers[1]->connections), 0);
}

static void never_repeats_after_a_part_of_a_head(void **state)
{
    struct stage *s = *state;

    serve(s, half_a_head_and_close);
    serve(s, speak);
    bench_load(s->b);
    start(s, "GET");
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->why, ERR_CLOSED);
    assert_int_equal(atomic_load(&s->peers[1]->connections), 0);
}

static void repeats_the_end_of_an_empty_body(void **state)
{
    struct stage *s = *state;

    serve(s, hear_and_close);
    serve(s, want_last_chunk);
    bench_load(s->b);
    s->f = fake_new(s->b, "DELETE", "/x");
    s->f->x.request.has_body = true;
    fake_start(s->f);
    assert_true(bench_until(s->b, is_ready, s->f, PATIENCE_MS));
    send_end(s->f);
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->status, 200);
    assert_int_equal(s->f->x.attempts, 2);
}

/* As an exchange does: sends until the leg is congested, goes on when it is drained. */
static void sends_a_large_body_no_faster_than_it_is_taken(void **state)
{
    struct stage *s = *state;
    static char piece[64 * 1024 + 1];
    unsigned drained = 0;
    size_t sent = 0;

    memset(piece, 'x', sizeof(piece) - 1);
    serve(s, take_slowly);
    bench_load(s->b);
    s->f = fake_new(s->b, "PUT", "/x");
    s->f->x.request.has_body = s->f->x.request.length_known = true;
    s->f->x.request.length = BIG_BYTES;
    fake_start(s->f);
    assert_true(bench_until(s->b, is_ready, s->f, PATIENCE_MS));
    while (sent < BIG_BYTES) {
        struct leg *leg = s->f->x.upstream;

        if (leg->ops->is_congested(leg)) {
            struct call *c = (struct call *)leg;

            assert_true(stream_waiting_bytes(c->conn->stream) < 2 * STREAM_HIGH_MARK);
            while (s->f->drained == drained)
                event_base_loop(s->b->w->base, EVLOOP_ONCE);
            drained = s->f->drained;
            continue;
        }
        send_text(s->f, piece);
        sent += sizeof(piece) - 1;
    }
    send_end(s->f);
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->status, 200);
    assert_true(drained > 0);
}

static void holds_a_body_that_comes_while_another_server_is_tried(void **state)
{
    struct stage *s = *state;

    serve(s, hear_and_close);
    serve(s, speak);
    bench_load(s->b);
    s->f = fake_new(s->b, "DELETE", "/x");
    s->f->x.request.has_body = s->f->x.request.length_known = true;
    s->f->x.request.length = 4;
    fake_start(s->f);
    assert_true(bench_until(s->b, is_ready, s->f, PATIENCE_MS));
    while (s->f->x.attempts < 2)
        event_base_loop(s->b->w->base, EVLOOP_ONCE);
    send_text(s->f, "body");
    assert_true(s->f->x.upstream->ops->is_congested(s->f->x.upstream));
    send_end(s->f);
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->status, 200);
    assert_int_equal(s->f->ready, 1);
    assert_int_equal(s->f->drained, 1);
    bench_run(s->b, 30);
}

static void an_unknown_group_is_unavailable(void **state)
{
    struct stage *s = *state;

    serve(s, speak);
    bench_load(s->b);
    s->f = fake_new(s->b, "GET", "/x");
    fake_start_want(s->f, (struct upstream_want){.group = SLICE("gone")});
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->why, ERR_UNAVAILABLE);
}

static void max_inflight_is_never_passed(void **state)
{
    struct stage *s = *state;
    enum err why = ERR_OK;

    serve(s, stay_silent);
    group(s)->max_inflight = 1;
    bench_load(s->b);
    start(s, "GET");
    assert_true(bench_until(s->b, is_ready, s->f, PATIENCE_MS));
    assert_int_equal(get(s->b, "/y", &why, NULL, 0), 0);
    assert_int_equal(why, ERR_UNAVAILABLE);
    fake_release(s->f, false);
    assert_int_equal(inflight(s->b), 0);
}

/* ------- time ------- */

static void gives_up_without_a_first_byte(void **state)
{
    struct stage *s = *state;
    int64_t began;

    serve(s, stay_silent);
    serve(s, speak);
    group(s)->first_byte_ms = 80;
    bench_load(s->b);
    start(s, "GET");
    began = clock_mono_ms();
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->why, ERR_TIMEOUT);
    assert_in_range(clock_mono_ms() - began, 60, 1000);
    assert_string_equal(s->f->reason, "first_byte_timeout");
    assert_int_equal(atomic_load(&s->peers[1]->connections), 0);
}

static void row_21_an_answer_may_take_long_when_its_pieces_keep_coming(void **state)
{
    struct stage *s = *state;

    serve(s, speak_slowly);
    group(s)->idle_ms = 150; /* ten pieces, 30 ms apart */
    group(s)->first_byte_ms = 150;
    bench_load(s->b);
    start(s, "GET");
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->ends, 1);
    assert_body(s->f, "xxxxxxxxxx");
}

static void total_bounds_the_whole(void **state)
{
    struct stage *s = *state;

    serve(s, speak_slowly);
    group(s)->total_ms = 100;
    bench_load(s->b);
    start(s, "GET");
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->why, ERR_TIMEOUT);
    assert_int_equal(s->f->responses, 1);
}

static void a_route_may_say_other_times(void **state)
{
    struct stage *s = *state;

    serve(s, stay_silent);
    bench_load(s->b);
    s->f = fake_new(s->b, "GET", "/x");
    fake_start_want(s->f, (struct upstream_want){.first_byte_ms = 50});
    assert_true(bench_until(s->b, is_over, s->f, 1000));
    assert_int_equal(s->f->why, ERR_TIMEOUT);
}

/* ------- cancelling ------- */

static bool peer_saw_end(void *arg)
{
    return atomic_load(&((struct peer *)arg)->gone) > 0;
}

static void row_9_the_server_hears_of_a_cancel_within_100_ms(void **state)
{
    struct stage *s = *state;
    struct peer *p = serve(s, stay_silent);

    bench_load(s->b);
    start(s, "POST");
    assert_true(bench_until(s->b, is_ready, s->f, PATIENCE_MS));
    bench_run(s->b, 20);
    fake_release(s->f, false);
    assert_true(bench_until(s->b, peer_saw_end, p, 100));
}

static bool has_two_bytes(void *arg)
{
    return ((struct fake *)arg)->body.n >= 2;
}

static void row_8_every_cancel_gives_its_slot_back(void **state)
{
    struct stage *s = *state;
    bool (*const moments[])(void *) = {is_ready, has_response, has_two_bytes, is_over};

    serve(s, speak_slowly);
    group(s)->keepalive = 0;
    bench_load(s->b);
    for (unsigned i = 0; i < 10; i++) {
        struct fake *f = fake_new(s->b, "GET", "/x");

        fake_start(f);
        assert_int_equal(inflight(s->b), 1);
        if (i % 5 > 0)
            assert_true(bench_until(s->b, moments[i % 5 - 1], f, PATIENCE_MS));
        fake_release(f, false);
        assert_int_equal(inflight(s->b), 0);
        bench_run(s->b, 2);
        fake_free(f);
    }
}

/* ------- health ------- */

static void ejects_a_failing_server_and_asks_it_again_later(void **state)
{
    struct stage *s = *state;
    struct peer *p = serve(s, hear_and_close);
    unsigned before;

    serve(s, speak);
    group(s)->eject_ms = 200;
    bench_load(s->b);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(get(s->b, "/x", NULL, NULL, 0), 200);
    assert_int_equal(atomic_load(&p->connections), 3);
    bench_run(s->b, 250);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(get(s->b, "/x", NULL, NULL, 0), 200);
    assert_int_equal(atomic_load(&p->connections), 4); /* one trial a rest */
    p->script = speak;
    bench_run(s->b, 250);
    before = atomic_load(&p->requests);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(get(s->b, "/x", NULL, NULL, 0), 200);
    assert_int_equal(atomic_load(&p->requests) - before, 4);
}

/* A listener whose queue is full drops what comes: a machine that is gone looks like that. */
struct hole {
    int listen_fd, fill[4];
    char url[64];
};

static void hole_open(struct hole *h)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(in);

    h->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(h->listen_fd, (struct sockaddr *)&in, n), 0);
    assert_int_equal(listen(h->listen_fd, 0), 0);
    assert_int_equal(getsockname(h->listen_fd, (struct sockaddr *)&in, &n), 0);
    snprintf(h->url, sizeof(h->url), "http://127.0.0.1:%u", ntohs(in.sin_port));
    for (unsigned i = 0; i < 4; i++) {
        h->fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(h->fill[i], (struct sockaddr *)&in, n);
    }
}

static void hole_close(struct hole *h)
{
    for (unsigned i = 0; i < 4; i++)
        close(h->fill[i]);
    close(h->listen_fd);
}

static void row_20_one_dead_server_holds_up_no_more_than_a_few_requests(void **state)
{
    struct stage *s = *state;
    struct hole hole;

    hole_open(&hole);
    bench_serve(s->b, 0, hole.url);
    serve(s, speak);
    serve(s, speak);
    group(s)->connect_ms = 100;
    group(s)->eject_ms = 60000;
    bench_load(s->b);
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(get(s->b, "/x", NULL, NULL, 0), 200);
    /* health.fall requests waited 100 ms each; then it rests. */
    assert_int_equal(atomic_load(&s->b->w->counters->values[METRIC_UPSTREAM_RETRIES]), 3);
    /* And its share goes to both of the others. */
    assert_in_range(atomic_load(&s->peers[0]->requests), 29, 31);
    hole_close(&hole);
}

static void asks_the_only_server_although_it_fails(void **state)
{
    struct stage *s = *state;
    struct peer *p = serve(s, hear_and_close);
    enum err why;

    group(s)->eject_ms = 60000;
    bench_load(s->b);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(get(s->b, "/x", &why, NULL, 0), 0);
        assert_int_equal(why, ERR_CLOSED);
    }
    p->script = speak;
    assert_int_equal(get(s->b, "/x", NULL, NULL, 0), 200);
}

static void never_asks_a_server_that_is_down(void **state)
{
    struct stage *s = *state;
    struct peer *p = serve(s, speak);
    enum err why;

    bench_load(s->b);
    atomic_store(&s->b->set->servers[0].state->health.is_down, true);
    assert_int_equal(get(s->b, "/x", &why, NULL, 0), 0);
    assert_int_equal(why, ERR_UNAVAILABLE);
    assert_int_equal(atomic_load(&p->connections), 0);
}

/* ------- kept connections ------- */

static void a_kept_connection_that_went_stale_is_no_failure(void **state)
{
    struct stage *s = *state;
    struct peer *p = serve(s, go_stale);

    group(s)->retries = 0;
    bench_load(s->b);
    assert_int_equal(get(s->b, "/x", NULL, NULL, 0), 200);
    assert_int_equal(get(s->b, "/x", NULL, NULL, 0), 200);
    assert_int_equal(atomic_load(&p->connections), 2);
    assert_int_equal(atomic_load(&s->b->set->servers[0].state->health.failures), 0);
}

static void a_post_on_a_stale_connection_is_not_repeated(void **state)
{
    struct stage *s = *state;
    struct peer *p = serve(s, go_stale);

    bench_load(s->b);
    assert_int_equal(get(s->b, "/x", NULL, NULL, 0), 200);
    start(s, "POST");
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->why, ERR_CLOSED);
    assert_int_equal(atomic_load(&p->connections), 1);
}

/* ------- other sockets ------- */

static void speaks_over_a_unix_socket(void **state)
{
    struct stage *s = *state;
    struct peer *p = peer_new_unix(speak);

    s->peers[s->peer_count++] = p;
    bench_serve(s->b, 0, p->url);
    bench_load(s->b);
    assert_int_equal(get(s->b, "/x", NULL, NULL, 0), 200);
    assert_int_equal(get(s->b, "/x", NULL, NULL, 0), 200);
    assert_int_equal(atomic_load(&p->connections), 1);
}

/* The second address of a name answers when the first does not, without a retry. */
static void tries_every_address_of_a_name(void **state)
{
    struct stage *s = *state;
    struct peer *p = serve(s, speak);
    struct resolved two = {.count = 2};

    group(s)->retries = 0;
    bench_load(s->b);
    assert_int_equal(addr_parse(SLICE("127.0.0.9"), &two.addrs[0]), ERR_OK);
    assert_int_equal(addr_parse(SLICE("127.0.0.1"), &two.addrs[1]), ERR_OK);
    two.addrs[0].port = two.addrs[1].port = p->port;
    assert_true(server_set_addrs(&s->b->set->servers[0], &two));
    for (unsigned i = 0; i < 3; i++) {
        start(s, "POST");
        fake_finish(s->b, s->f);
        assert_int_equal(s->f->status, 200);
        assert_int_equal(s->f->x.attempts, 1);
        fake_free(s->f);
        s->f = NULL;
    }
}

#define ON_STAGE(name) cmocka_unit_test_setup_teardown(name, set_stage, clear_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAGE(reports_a_refused_connection),
        ON_STAGE(tries_another_server_when_one_refuses),
        ON_STAGE(tries_no_other_server_without_retries),
        ON_STAGE(repeats_an_idempotent_request_elsewhere),
        ON_STAGE(never_repeats_a_post_that_was_sent),
        ON_STAGE(never_repeats_when_a_part_of_the_body_was_sent),
        ON_STAGE(never_repeats_after_a_part_of_an_answer),
        ON_STAGE(never_repeats_after_a_part_of_a_head),
        ON_STAGE(repeats_the_end_of_an_empty_body),
        ON_STAGE(sends_a_large_body_no_faster_than_it_is_taken),
        ON_STAGE(row_20_one_dead_server_holds_up_no_more_than_a_few_requests),
        ON_STAGE(holds_a_body_that_comes_while_another_server_is_tried),
        ON_STAGE(an_unknown_group_is_unavailable),
        ON_STAGE(max_inflight_is_never_passed),
        ON_STAGE(gives_up_without_a_first_byte),
        ON_STAGE(row_21_an_answer_may_take_long_when_its_pieces_keep_coming),
        ON_STAGE(total_bounds_the_whole),
        ON_STAGE(a_route_may_say_other_times),
        ON_STAGE(row_9_the_server_hears_of_a_cancel_within_100_ms),
        ON_STAGE(row_8_every_cancel_gives_its_slot_back),
        ON_STAGE(ejects_a_failing_server_and_asks_it_again_later),
        ON_STAGE(asks_the_only_server_although_it_fails),
        ON_STAGE(never_asks_a_server_that_is_down),
        ON_STAGE(a_kept_connection_that_went_stale_is_no_failure),
        ON_STAGE(a_post_on_a_stale_connection_is_not_repeated),
        ON_STAGE(speaks_over_a_unix_socket),
        ON_STAGE(tries_every_address_of_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
