#include "fixture.h"

#include "upstream/h1_client.h"

/* What the server of this file answers with, whatever is asked, and whether it then closes. */
static const char *_Atomic answer;
static bool answer_closes;

static void speak(struct peer *p, int fd, unsigned nth)
{
    (void)nth;
    while (hear_head(p, fd)) {
        say(fd, answer);
        if (answer_closes)
            break;
    }
    if (!answer_closes)
        hear_end(p, fd);
}

struct stage {
    struct bench *b;
    struct peer *p;
    struct fake *f;
};

static int set_stage(void **state)
{
    struct stage *s = mem_zalloc(sizeof(*s));

    answer_closes = false;
    s->b = bench_new();
    s->p = peer_new(speak);
    bench_serve(s->b, 0, s->p->url);
    bench_load(s->b);
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
    peer_free(s->p);
    free(s);
    return 0;
}

/* Asks once and waits for the end. */
static struct fake *ask(struct stage *s, const char *method)
{
    if (s->f != NULL)
        fake_free(s->f);
    s->f = fake_new(s->b, method, "/x");
    fake_start(s->f);
    fake_finish(s->b, s->f);
    return s->f;
}

static unsigned connections_after_second(struct stage *s)
{
    ask(s, "GET");
    return atomic_load(&s->p->connections);
}

static void assert_hostile(struct stage *s, const char *text)
{
    struct fake *f;

    answer = text;
    f = ask(s, "GET");
    assert_int_equal(f->failures, 1);
    assert_int_equal(f->why, ERR_SYNTAX);
    assert_int_equal(f->ends, 0);
    assert_true(connections_after_second(s) > 1);
}

static void forwards_the_public_host_and_the_head(void **state)
{
    struct stage *s = *state;

    answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi";
    s->f = fake_new(s->b, "GET", "/a?b=c");
    head_add(&s->f->head, SLICE("X-User-Id"), SLICE("u1"));
    fake_start(s->f);
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->status, 200);
    assert_body(s->f, "hi");
    assert_int_equal(s->f->ready, 1);
    assert_true(peer_got(s->p, "GET /a?b=c HTTP/1.1\r\nHost: gw.example.com\r\n"));
    assert_true(peer_got(s->p, "X-User-Id: u1\r\n"));
    assert_true(s->f->response.has_body && s->f->response.length_known);
    assert_int_equal(s->f->response.length, 2);
}

static void hands_on_no_framing_fields(void **state)
{
    struct stage *s = *state;

    answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n";
    ask(s, "GET");
    assert_body(s->f, "hi");
    assert_int_equal(head_count(&s->f->response_head, HEADER_TRANSFER_ENCODING), 0);
    assert_true(s->f->response.has_body);
    assert_false(s->f->response.length_known);
    assert_non_null(s->f->trailers);
    assert_int_equal(s->f->trailers->count, 1);
    assert_int_equal(connections_after_second(s), 1);
}

static void reads_until_close(void **state)
{
    struct stage *s = *state;

    answer = "HTTP/1.1 200 OK\r\n\r\nall of it";
    answer_closes = true;
    ask(s, "GET");
    assert_int_equal(s->f->ends, 1);
    assert_body(s->f, "all of it");
}

static void reports_an_answer_cut_short(void **state)
{
    struct stage *s = *state;

    answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    answer_closes = true;
    ask(s, "GET");
    assert_int_equal(s->f->ends, 0);
    assert_int_equal(s->f->failures, 1);
    assert_int_equal(s->f->why, ERR_CLOSED);
    assert_int_equal(s->f->responses, 1);
}

static void tells_the_length_of_a_head_answer(void **state)
{
    struct stage *s = *state;

    answer = "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n";
    ask(s, "HEAD");
    assert_int_equal(s->f->ends, 1);
    assert_false(s->f->response.has_body);
    assert_true(s->f->response.length_known);
    assert_int_equal(s->f->response.length, 77);
    assert_int_equal(connections_after_second(s), 1);
}

static void hands_on_early_hints_and_drops_other_interim_answers(void **state)
{
    struct stage *s = *state;

    answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
             "HTTP/1.1 204 No Content\r\n\r\n";
    ask(s, "GET");
    assert_int_equal(s->f->hints, 1);
    assert_int_equal(s->f->responses, 1);
    assert_int_equal(s->f->status, 204);
    assert_int_equal(connections_after_second(s), 1);
}

static void refuses_endless_interim_answers(void **state)
{
    assert_hostile(*state, "HTTP/1.1 103 a\r\n\r\nHTTP/1.1 103 a\r\n\r\nHTTP/1.1 103 a\r\n\r\n"
                           "HTTP/1.1 103 a\r\n\r\nHTTP/1.1 103 a\r\n\r\nHTTP/1.1 103 a\r\n\r\n"
                           "HTTP/1.1 103 a\r\n\r\nHTTP/1.1 103 a\r\n\r\nHTTP/1.1 103 a\r\n\r\n"
                           "HTTP/1.1 204 a\r\n\r\n");
}

static void refuses_two_lengths(void **state)
{
    assert_hostile(*state, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!");
}

static void refuses_length_with_transfer_encoding(void **state)
{
    assert_hostile(*state, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

static void refuses_what_is_not_http(void **state)
{
    assert_hostile(*state, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
}

static void refuses_an_unasked_upgrade(void **state)
{
    assert_hostile(*state, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                           "Upgrade: websocket\r\n\r\n");
}

static void refuses_a_chunk_size_that_is_none(void **state)
{
    assert_hostile(*state, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
}

static void refuses_a_giant_head(void **state)
{
    static char text[128 * 1024]; /* the peer's thread may still send it when we are done */
    size_t n = (size_t)snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n");

    for (unsigned i = 0; i < 800; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "X-%u: %0100u\r\n", i, i);
    assert_hostile(*state, text);
}

static void never_reuses_a_connection_with_bytes_left_over(void **state)
{
    struct stage *s = *state;

    answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n"
             "Content-Length: 4\r\n\r\nevil";
    ask(s, "GET");
    assert_body(s->f, "hi");
    assert_int_equal(connections_after_second(s), 2);
    assert_body(s->f, "hi");
}

static void never_reuses_a_connection_after_connection_close(void **state)
{
    struct stage *s = *state;

    answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    ask(s, "GET");
    assert_int_equal(connections_after_second(s), 2);
}

/* ------- request bodies ------- */

static void f5_frames_the_body_of_a_delete(void **state)
{
    struct stage *s = *state;

    answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    s->f = fake_new(s->b, "DELETE", "/x");
    s->f->x.request.has_body = true;
    fake_start(s->f);
    assert_true(bench_until(s->b, is_ready, s->f, PATIENCE_MS));
    send_text(s->f, "hello");
    send_text(s->f, " there");
    send_end(s->f);
    fake_finish(s->b, s->f);
    bench_run(s->b, 20);
    assert_int_equal(s->f->status, 200);
    assert_false(s->f->response.has_body);
    assert_true(peer_got(s->p, "Transfer-Encoding: chunked\r\n\r\n"));
    assert_false(peer_got(s->p, "Content-Length"));
}

static void body_by_length(struct peer *p, int fd, unsigned nth)
{
    (void)nth;
    if (hear_head(p, fd) && hear(p, fd, "0123456789"))
        say(fd, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    hear_end(p, fd);
}

static void sends_a_body_by_its_length_and_no_byte_more(void **state)
{
    struct stage *s = *state;

    s->p->script = body_by_length;
    s->f = fake_new(s->b, "POST", "/x");
    s->f->x.request.has_body = s->f->x.request.length_known = true;
    s->f->x.request.length = 10;
    fake_start(s->f);
    assert_true(bench_until(s->b, is_ready, s->f, PATIENCE_MS));
    send_text(s->f, "01234");
    send_text(s->f, "56789GET /evil HTTP/1.1\r\n\r\n");
    send_end(s->f);
    fake_finish(s->b, s->f);
    bench_run(s->b, 20);
    assert_int_equal(s->f->status, 201);
    assert_true(peer_got(s->p, "Content-Length: 10\r\n\r\n0123456789"));
    assert_false(peer_got(s->p, "evil"));
}

static void early_refusal(struct peer *p, int fd, unsigned nth)
{
    (void)nth;
    if (hear_head(p, fd))
        say(fd, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    hear_end(p, fd);
}

static void takes_an_answer_while_the_body_is_still_sent(void **state)
{
    struct stage *s = *state;

    s->p->script = early_refusal;
    s->f = fake_new(s->b, "POST", "/x");
    s->f->x.request.has_body = true;
    fake_start(s->f);
    assert_true(bench_until(s->b, is_ready, s->f, PATIENCE_MS));
    send_text(s->f, "first");
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->status, 413);
    assert_body(s->f, "big");
    bench_run(s->b, 50);
    assert_int_equal(atomic_load(&s->p->gone), 1); /* incomplete: not kept */
}

/* ------- pauses ------- */

static void pause_it(struct fake *f)
{
    f->x.upstream->ops->pause(f->x.upstream);
}

static void resume_it(struct fake *f)
{
    f->on_response = f->on_body = NULL;
    f->inside = true;
    worker_enter(f->x.worker);
    f->x.upstream->ops->resume(f->x.upstream);
    f->inside = false;
}

static void holds_body_and_end_while_paused(void **state)
{
    struct stage *s = *state;

    answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    s->f = fake_new(s->b, "GET", "/x");
    s->f->on_response = pause_it;
    fake_start(s->f);
    assert_true(bench_until(s->b, has_response, s->f, PATIENCE_MS));
    bench_run(s->b, 50);
    assert_int_equal(s->f->body.n, 0);
    assert_int_equal(s->f->ends, 0);
    resume_it(s->f);
    fake_finish(s->b, s->f);
    assert_body(s->f, "hi");
    assert_int_equal(connections_after_second(s), 1);
}

static void holds_the_end_of_an_answer_without_body_while_paused(void **state)
{
    struct stage *s = *state;

    answer = "HTTP/1.1 204 No Content\r\n\r\n";
    s->f = fake_new(s->b, "GET", "/x");
    s->f->on_response = pause_it;
    fake_start(s->f);
    assert_true(bench_until(s->b, has_response, s->f, PATIENCE_MS));
    bench_run(s->b, 50);
    assert_int_equal(s->f->ends, 0);
    resume_it(s->f);
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->ends, 1);
}

static void loses_nothing_when_the_server_closes_during_a_pause(void **state)
{
    struct stage *s = *state;

    answer = "HTTP/1.1 200 OK\r\n\r\nall of it";
    answer_closes = true;
    s->f = fake_new(s->b, "GET", "/x");
    s->f->on_response = pause_it;
    fake_start(s->f);
    assert_true(bench_until(s->b, has_response, s->f, PATIENCE_MS));
    bench_run(s->b, 100);
    assert_int_equal(s->f->ends + s->f->failures, 0);
    resume_it(s->f);
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->ends, 1);
    assert_body(s->f, "all of it");
}

/* ------- upgrades ------- */

static void echo(struct peer *p, int fd, unsigned nth)
{
    char c;

    (void)nth;
    if (!hear_head(p, fd))
        return;
    say(fd, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Accept: x\r\n\r\n!");
    while (hear_byte(p, fd, &c))
        if (send(fd, &c, 1, MSG_NOSIGNAL) != 1)
            break;
    atomic_fetch_add(&p->gone, 1);
}

static void tunnel_it(struct fake *f)
{
    assert_true(f->response.is_websocket);
    f->x.upstream->ops->tunnel(f->x.upstream);
}

static bool has_echo(void *arg)
{
    return ((struct fake *)arg)->body.n == 6;
}

static void f6_tunnels_an_accepted_upgrade_and_never_pools_it(void **state)
{
    struct stage *s = *state;

    s->p->script = echo;
    s->f = fake_new(s->b, "GET", "/ws");
    s->f->x.request.is_websocket = true;
    s->f->on_response = tunnel_it;
    fake_start(s->f);
    send_text(s->f, "early"); /* before the 101: held back */
    assert_true(bench_until(s->b, has_echo, s->f, PATIENCE_MS));
    assert_body(s->f, "!early");
    assert_true(peer_got(s->p, "Upgrade: websocket\r\n"));
    assert_true(peer_got(s->p, "\r\n\r\nearly"));
    fake_release(s->f, true);
    bench_run(s->b, 50);
    assert_int_equal(atomic_load(&s->p->gone), 1);
}

static void refuse_upgrade(struct peer *p, int fd, unsigned nth)
{
    (void)nth;
    while (hear_head(p, fd))
        say(fd, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    hear_end(p, fd);
}

static void f6_sends_nothing_after_a_refused_upgrade(void **state)
{
    struct stage *s = *state;

    s->p->script = refuse_upgrade;
    s->f = fake_new(s->b, "GET", "/ws");
    s->f->x.request.is_websocket = true;
    fake_start(s->f);
    send_text(s->f, "GET /evil HTTP/1.1\r\n\r\n");
    fake_finish(s->b, s->f);
    assert_int_equal(s->f->status, 403);
    bench_run(s->b, 50);
    assert_false(peer_got(s->p, "evil"));
    assert_int_equal(atomic_load(&s->p->gone), 1);
}

#define ON_STAGE(name) cmocka_unit_test_setup_teardown(name, set_stage, clear_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAGE(forwards_the_public_host_and_the_head),
        ON_STAGE(hands_on_no_framing_fields),
        ON_STAGE(reads_until_close),
        ON_STAGE(reports_an_answer_cut_short),
        ON_STAGE(tells_the_length_of_a_head_answer),
        ON_STAGE(hands_on_early_hints_and_drops_other_interim_answers),
        ON_STAGE(refuses_endless_interim_answers),
        ON_STAGE(refuses_two_lengths),
        ON_STAGE(refuses_length_with_transfer_encoding),
        ON_STAGE(refuses_what_is_not_http),
        ON_STAGE(refuses_an_unasked_upgrade),
        ON_STAGE(refuses_a_chunk_size_that_is_none),
        ON_STAGE(refuses_a_giant_head),
        ON_STAGE(never_reuses_a_connection_with_bytes_left_over),
        ON_STAGE(never_reuses_a_connection_after_connection_close),
        ON_STAGE(f5_frames_the_body_of_a_delete),
        ON_STAGE(sends_a_body_by_its_length_and_no_byte_more),
        ON_STAGE(takes_an_answer_while_the_body_is_still_sent),
        ON_STAGE(holds_body_and_end_while_paused),
        ON_STAGE(holds_the_end_of_an_answer_without_body_while_paused),
        ON_STAGE(loses_nothing_when_the_server_closes_during_a_pause),
        ON_STAGE(f6_tunnels_an_accepted_upgrade_and_never_pools_it),
        ON_STAGE(f6_sends_nothing_after_a_refused_upgrade),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
