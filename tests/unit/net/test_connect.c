#include "net_test.h"

#include <sys/un.h>

struct fixture {
    struct worker *w;
    struct ear ear;
    struct sockaddr_any at;
    int listening, peer; /* -1: gone */
};

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    f->w = worker_new(0, quiet_log());
    f->listening = listen_tcp(&f->at, 8);
    f->peer = -1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    ear_fini(&f->ear);
    if (f->peer >= 0)
        close(f->peer);
    if (f->listening >= 0)
        close(f->listening);
    turn_for(f->w, 1);
    worker_free(f->w);
    free(f);
    return 0;
}

static void start(struct fixture *f, int64_t connect_ms)
{
    f->ear.s = stream_connect(f->w, sockaddr_of(&f->at), f->at.n, NULL, connect_ms, &EAR, &f->ear);
}

static void open_it(struct fixture *f)
{
    start(f, 1000);
    assert_int_equal(f->ear.opens, 0); /* never inside the call */
    assert_true(turn_until(f->w, has_opened, &f->ear, SOON_MS));
    f->peer = accept(f->listening, NULL, NULL);
    assert_true(f->peer >= 0);
}

static void opens_and_sends_what_was_written_before(void **state)
{
    struct fixture *f = *state;
    char got[8];

    start(f, 1000);
    stream_write(f->ear.s, SLICE("early"));
    assert_true(turn_until(f->w, has_opened, &f->ear, SOON_MS));
    f->peer = accept(f->listening, NULL, NULL);
    turn_for(f->w, 5);
    assert_int_equal(recv(f->peer, got, sizeof(got), MSG_DONTWAIT), 5);
    assert_true(addr_is_loopback(&stream_peer(f->ear.s)->addr));
    assert_int_not_equal(stream_peer(f->ear.s)->local.port, 0);
}

static void refusal_is_told_after_the_call(void **state)
{
    struct fixture *f = *state;

    close(f->listening);
    f->listening = -1;
    start(f, 1000);
    assert_int_equal(f->ear.ends, 0);
    assert_true(turn_until(f->w, has_ended, &f->ear, SOON_MS));
    assert_int_equal(f->ear.why, ERR_REFUSED);
    assert_int_equal(f->ear.opens, 0);
}

static void missing_unix_socket_is_refused_after_the_call(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sockaddr_from_path("/nonexistent/postern.sock", &f->at), ERR_OK);
    start(f, 1000);
    assert_int_equal(f->ear.ends, 0);
    turn_for(f->w, 5);
    assert_int_equal(f->ear.ends, 1);
    assert_int_equal(f->ear.why, ERR_REFUSED);
}

static void connect_that_hangs_ends_at_its_deadline(void **state)
{
    struct fixture *f = *state;
    int fillers[4];
    const int64_t began_ms = clock_mono_ms();

    /* A full backlog drops the SYN. */
    close(f->listening);
    f->listening = listen_tcp(&f->at, 0);
    for (int i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fillers[i], sockaddr_of(&f->at), f->at.n);
    }
    start(f, 60);
    assert_true(turn_until(f->w, has_ended, &f->ear, SOON_MS));
    assert_int_equal(f->ear.why, ERR_TIMEOUT);
    assert_true(f->ear.ended_ms - began_ms >= 59);
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
}

static void close_before_the_connection_stands_calls_nothing(void **state)
{
    struct fixture *f = *state;

    start(f, 1000);
    stream_close(f->ear.s);
    f->ear.s = NULL;
    turn_for(f->w, 20);
    assert_int_equal(f->ear.opens + f->ear.ends, 0);
}

static void fin_waits_while_a_connected_stream_is_paused(void **state)
{
    struct fixture *f = *state;

    open_it(f);
    stream_pause(f->ear.s);
    send_all(f->peer, "an answer that ends with the connection");
    close(f->peer);
    f->peer = -1;
    assert_true(count_wakes(f->w, 60) < 30);
    assert_int_equal(f->ear.ends, 0);
    stream_resume(f->ear.s);
    assert_true(turn_until(f->w, has_ended, &f->ear, SOON_MS));
    assert_got(&f->ear, "an answer that ends with the connection");
    assert_int_equal(f->ear.why, ERR_CLOSED);
}

static void reset_does_not_wait_while_a_connected_stream_is_paused(void **state)
{
    struct fixture *f = *state;

    open_it(f);
    stream_pause(f->ear.s);
    turn_for(f->w, 5);
    close_with_reset(f->peer);
    f->peer = -1;
    assert_true(turn_until(f->w, has_ended, &f->ear, 100));
    assert_int_equal(f->ear.why, ERR_SYSTEM);
}

static void pooled_connection_that_the_peer_closes_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct ear other = {0};

    open_it(f);
    other.s = f->ear.s;
    stream_set_handler(f->ear.s, &EAR, &other);
    close(f->peer);
    f->peer = -1;
    assert_true(turn_until(f->w, has_ended, &other, SOON_MS));
    assert_int_equal(f->ear.ends, 0);
    assert_int_equal(other.why, ERR_CLOSED);
}

static const struct CMUnitTest TESTS[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    CASE(opens_and_sends_what_was_written_before),
    CASE(refusal_is_told_after_the_call),
    CASE(missing_unix_socket_is_refused_after_the_call),
    CASE(connect_that_hangs_ends_at_its_deadline),
    CASE(close_before_the_connection_stands_calls_nothing),
    CASE(fin_waits_while_a_connected_stream_is_paused),
    CASE(reset_does_not_wait_while_a_connected_stream_is_paused),
    CASE(pooled_connection_that_the_peer_closes_is_noticed),
};

int main(void)
{
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
