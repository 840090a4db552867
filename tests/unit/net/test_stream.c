#include "net_test.h"

#include <poll.h>

struct fixture {
    struct worker *w;
    struct ear ear;
    int fds[2]; /* [0] is the stream's, [1] the test's; -1: gone */
};

static void adopt(struct fixture *f)
{
    const struct addr nobody = {0};

    f->ear.s = stream_accept(f->w, f->fds[0], NULL, &nobody, 0, &EAR, &f->ear);
}

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    f->w = worker_new(0, quiet_log());
    tcp_pair(f->fds);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    ear_fini(&f->ear);
    if (f->fds[1] >= 0)
        close(f->fds[1]);
    turn_for(f->w, 1);
    worker_free(f->w);
    free(f);
    return 0;
}

/* What the test's end has received, up to room bytes. */
static size_t receive(struct fixture *f, char *to, size_t room)
{
    ssize_t n = recv(f->fds[1], to, room, 0);

    return n > 0 ? (size_t)n : 0;
}

static void sends_two_pieces_and_a_later_one_in_one_write(void **state)
{
    struct fixture *f = *state;
    char got[64];

    close(f->fds[0]);
    close(f->fds[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, f->fds), 0);
    adopt(f);
    stream_write2(f->ear.s, SLICE("head "), SLICE("body "));
    stream_write(f->ear.s, SLICE("more"));
    assert_int_equal(receive(f, got, sizeof(got)), 0);
    turn_for(f->w, 1);
    /* A packet is what one system call sent. */
    assert_int_equal(receive(f, got, sizeof(got)), 14);
    assert_memory_equal(got, "head body more", 14);
    assert_int_equal(receive(f, got, sizeof(got)), 0);
}

static void writes_much_at_once_without_waiting_for_the_turn(void **state)
{
    struct fixture *f = *state;
    char *much = pattern(20000), *got = mem_alloc(20000);

    adopt(f);
    stream_write2(f->ear.s, SLICE("x"), slice_of(much, 19999));
    assert_int_equal(stream_waiting_bytes(f->ear.s), 0);
    assert_int_equal(receive(f, got, 20000), 20000);
    assert_memory_equal(got + 1, much, 19999);
    free(much);
    free(got);
}

static void keeps_what_is_not_taken_and_offers_it_with_new_bytes_only(void **state)
{
    struct fixture *f = *state;

    adopt(f);
    f->ear.take_most = 2;
    send_all(f->fds[1], "abcde");
    assert_true(turn_until(f->w, has_data, &f->ear, SOON_MS));
    turn_for(f->w, 10);
    assert_int_equal(f->ear.datas, 1);
    assert_true(slice_eq(stream_kept(f->ear.s), SLICE("cde")));
    f->ear.take_most = 0;
    send_all(f->fds[1], "fg");
    turn_for(f->w, 10);
    assert_int_equal(f->ear.datas, 2);
    assert_got(&f->ear, "abcdefg");
}

static void resume_offers_kept_bytes_then_the_rest_in_order(void **state)
{
    struct fixture *f = *state;

    adopt(f);
    f->ear.take_most = 1;
    f->ear.pause_on_data = true;
    send_all(f->fds[1], "abc");
    assert_true(turn_until(f->w, has_data, &f->ear, SOON_MS));
    send_all(f->fds[1], "def");
    turn_for(f->w, 10);
    assert_int_equal(f->ear.datas, 1);
    f->ear.pause_on_data = false;
    f->ear.take_most = 0;
    stream_resume(f->ear.s);
    assert_int_equal(f->ear.datas, 1); /* never inside the call */
    turn_for(f->w, 10);
    assert_got(&f->ear, "abcdef");
}

static void unread_bytes_do_not_make_a_paused_stream_spin(void **state)
{
    struct fixture *f = *state;

    adopt(f);
    stream_pause(f->ear.s);
    send_all(f->fds[1], "abc");
    assert_true(count_wakes(f->w, 100) < 40);
    assert_int_equal(f->ear.datas, 0);
    stream_resume(f->ear.s);
    turn_for(f->w, 10);
    assert_got(&f->ear, "abc");
}

static void peer_that_leaves_a_paused_stream_is_reported_within_100_ms(void **state)
{
    struct fixture *f = *state;
    int64_t left_ms;

    adopt(f);
    stream_pause(f->ear.s);
    send_all(f->fds[1], "unread");
    turn_for(f->w, 10);
    left_ms = clock_mono_ms();
    close(f->fds[1]);
    f->fds[1] = -1;
    assert_true(turn_until(f->w, has_ended, &f->ear, SOON_MS));
    assert_true(f->ear.ended_ms - left_ms < 100);
    assert_int_equal(f->ear.why, ERR_CLOSED);
    assert_int_equal(f->ear.datas, 0);
    assert_true(count_wakes(f->w, 50) < 20);
    assert_int_equal(f->ear.ends, 1);
}

static void fin_right_behind_the_bytes_is_noticed_while_paused(void **state)
{
    struct fixture *f = *state;

    adopt(f);
    stream_pause(f->ear.s);
    send_all(f->fds[1], "unread");
    close(f->fds[1]);
    f->fds[1] = -1;
    assert_true(turn_until(f->w, has_ended, &f->ear, 100));
    assert_int_equal(f->ear.why, ERR_CLOSED);
}

static void reset_is_noticed_while_paused(void **state)
{
    struct fixture *f = *state;

    adopt(f);
    stream_pause(f->ear.s);
    turn_for(f->w, 5);
    close_with_reset(f->fds[1]);
    f->fds[1] = -1;
    assert_true(turn_until(f->w, has_ended, &f->ear, 100));
    assert_int_equal(f->ear.why, ERR_SYSTEM);
}

static void reset_is_noticed_while_paused_over_unread_bytes(void **state)
{
    struct fixture *f = *state;

    adopt(f);
    stream_pause(f->ear.s);
    send_all(f->fds[1], "unread");
    turn_for(f->w, 10);
    assert_int_equal(f->ear.s->watching, WATCH_EDGE);
    close_with_reset(f->fds[1]);
    f->fds[1] = -1;
    assert_true(turn_until(f->w, has_ended, &f->ear, 100));
    assert_true(count_wakes(f->w, 50) < 20);
}

static void reset_behind_the_bytes_is_noticed_after_a_short_read(void **state)
{
    struct fixture *f = *state;

    adopt(f);
    send_all(f->fds[1], "abc");
    close_with_reset(f->fds[1]);
    f->fds[1] = -1;
    assert_true(turn_until(f->w, has_ended, &f->ear, 100));
}

static void half_close_can_be_answered_and_its_last_bytes_read(void **state)
{
    struct fixture *f = *state;
    char got[16];

    adopt(f);
    stream_pause(f->ear.s);
    send_all(f->fds[1], "last");
    shutdown(f->fds[1], SHUT_WR);
    assert_true(turn_until(f->w, has_ended, &f->ear, SOON_MS));
    stream_resume(f->ear.s);
    stream_write(f->ear.s, SLICE("answer"));
    turn_for(f->w, 20);
    assert_got(&f->ear, "last");
    assert_int_equal(f->ear.ends, 2);
    assert_int_equal(receive(f, got, sizeof(got)), 6);
}

static void fin_comes_after_all_bytes_were_offered(void **state)
{
    struct fixture *f = *state;

    adopt(f);
    send_all(f->fds[1], "all of it");
    close(f->fds[1]);
    f->fds[1] = -1;
    assert_true(turn_until(f->w, has_ended, &f->ear, SOON_MS));
    assert_got(&f->ear, "all of it");
    assert_int_equal(f->ear.why, ERR_CLOSED);
    assert_true(count_wakes(f->w, 50) < 20);
}

static void stops_reading_when_too_much_is_kept(void **state)
{
    struct fixture *f = *state;
    char *much = pattern(1 << 20);
    size_t sent = 0;

    adopt(f);
    f->ear.take_most = 1;
    for (int i = 0; i < 200; i++) {
        ssize_t n = send(f->fds[1], much + sent, (1 << 20) - sent, MSG_NOSIGNAL);

        sent += n > 0 ? (size_t)n : 0;
        turn_for(f->w, 1);
    }
    assert_true(stream_kept(f->ear.s).n >= STREAM_KEEP_MAX - 64 * 1024);
    assert_true(stream_kept(f->ear.s).n <= STREAM_KEEP_MAX + 64 * 1024);
    assert_true(count_wakes(f->w, 50) < 20);
    free(much);
}

/* Reads at the other end, a little a turn, until all n bytes came; checks them. */
static void drain_and_compare(struct fixture *f, const char *expected, size_t n)
{
    char *got = mem_alloc(n);
    size_t have = 0;
    const int64_t end_ms = clock_mono_ms() + SOON_MS;

    while (have < n && clock_mono_ms() < end_ms) {
        have += receive(f, got + have, n - have < 5000 ? n - have : 5000);
        event_base_loop(f->w->base, EVLOOP_NONBLOCK);
    }
    assert_int_equal(have, n);
    assert_memory_equal(got, expected, n);
    free(got);
}

static void full_socket_keeps_the_rest_in_order_and_says_when_it_is_drained(void **state)
{
    struct fixture *f = *state;
    const size_t n = 1 << 20;
    char *much = pattern(n);

    set_small_buffers(f->fds[0]);
    set_small_buffers(f->fds[1]);
    adopt(f);
    stream_write(f->ear.s, slice_of(much, 10));
    stream_write(f->ear.s, slice_of(much + 10, n / 2));
    stream_write2(f->ear.s, slice_of(much + 10 + n / 2, 20),
                  slice_of(much + 30 + n / 2, n / 2 - 30));
    assert_true(stream_is_congested(f->ear.s));
    turn_for(f->w, 5);
    assert_int_equal(f->ear.drains, 0);
    drain_and_compare(f, much, n);
    assert_int_equal(f->ear.drains, 1);
    assert_false(stream_is_congested(f->ear.s));
    turn_for(f->w, 5);
    assert_false(f->ear.s->is_writing_watched);
    assert_int_equal(stream_bytes_out(f->ear.s), n);
    free(much);
}

static void full_socket_drains_while_reading_is_paused_over_unread_bytes(void **state)
{
    struct fixture *f = *state;
    const size_t n = 1 << 20;
    char *much = pattern(n);

    set_small_buffers(f->fds[0]);
    adopt(f);
    stream_pause(f->ear.s);
    stream_write(f->ear.s, slice_of(much, n));
    assert_true(f->ear.s->is_writing_watched);
    send_all(f->fds[1], "unread");
    turn_for(f->w, 10);
    assert_int_equal(f->ear.s->watching, WATCH_EDGE);
    drain_and_compare(f, much, n);
    stream_resume(f->ear.s);
    turn_for(f->w, 10);
    assert_got(&f->ear, "unread");
    free(much);
}

static void peer_that_takes_nothing_is_given_up(void **state)
{
    struct fixture *f = *state;
    char *much = pattern(8 << 20);
    const int64_t began_ms = clock_mono_ms();

    adopt(f);
    stream_set_write_timeout(f->ear.s, 80);
    stream_write(f->ear.s, slice_of(much, 8 << 20));
    assert_true(turn_until(f->w, has_ended, &f->ear, SOON_MS));
    assert_int_equal(f->ear.why, ERR_TIMEOUT);
    assert_true(f->ear.ended_ms - began_ms >= 79);
    free(much);
}

static void progress_starts_the_write_deadline_again(void **state)
{
    struct fixture *f = *state;
    char *much = pattern(8 << 20), *sink = mem_alloc(1 << 20);

    set_small_buffers(f->fds[0]);
    set_small_buffers(f->fds[1]);
    adopt(f);
    stream_set_write_timeout(f->ear.s, 150);
    stream_write(f->ear.s, slice_of(much, 8 << 20));
    for (int i = 0; i < 5; i++) {
        turn_for(f->w, 60);
        receive(f, sink, 1 << 20);
    }
    assert_int_equal(f->ear.ends, 0);
    assert_true(turn_until(f->w, has_ended, &f->ear, SOON_MS));
    free(much);
    free(sink);
}

static void close_inside_on_data_ends_all_callbacks(void **state)
{
    struct fixture *f = *state;

    adopt(f);
    f->ear.close_on_data = true;
    send_all(f->fds[1], "abc");
    send_all(f->fds[1], "def");
    close(f->fds[1]);
    f->fds[1] = -1;
    turn_for(f->w, 20);
    assert_int_equal(f->ear.datas, 1);
    assert_int_equal(f->ear.ends, 0);
}

static void nothing_is_called_after_close(void **state)
{
    struct fixture *f = *state;

    adopt(f);
    send_all(f->fds[1], "abc");
    stream_resume(f->ear.s);
    stream_write(f->ear.s, SLICE("dropped"));
    stream_close(f->ear.s);
    f->ear.s = NULL;
    turn_for(f->w, 20);
    assert_int_equal(f->ear.datas + f->ear.ends, 0);
}

static void answer_before_a_broken_pipe_is_still_read(void **state)
{
    struct fixture *f = *state;
    char *much = pattern(4 << 20);

    adopt(f);
    stream_write(f->ear.s, slice_of(much, 4 << 20));
    send_all(f->fds[1], "413");
    close_with_reset(f->fds[1]);
    f->fds[1] = -1;
    stream_write(f->ear.s, SLICE("more"));
    assert_true(turn_until(f->w, has_ended, &f->ear, SOON_MS));
    assert_got(&f->ear, "413");
    assert_int_equal(f->ear.why, ERR_SYSTEM);
    free(much);
}

static void finish_sends_all_then_fin_and_waits_for_the_peer(void **state)
{
    struct fixture *f = *state;
    const size_t n = 1 << 20;
    char *much = pattern(n), rest;

    set_small_buffers(f->fds[0]);
    adopt(f);
    stream_write(f->ear.s, slice_of(much, n));
    stream_finish(f->ear.s, 5000);
    f->ear.s = NULL;
    assert_int_equal(f->w->lingering_count, 1);
    drain_and_compare(f, much, n);
    turn_for(f->w, 5);
    assert_int_equal(recv(f->fds[1], &rest, 1, 0), 0); /* FIN */
    send_all(f->fds[1], "too late, dropped");          /* no RST in answer */
    turn_for(f->w, 5);
    assert_int_equal(f->w->lingering_count, 1);
    shutdown(f->fds[1], SHUT_WR);
    turn_for(f->w, 20);
    assert_int_equal(f->w->lingering_count, 0);
    assert_int_equal(f->ear.datas + f->ear.ends, 0);
    free(much);
}

static void finish_waits_a_bounded_time(void **state)
{
    struct fixture *f = *state;

    adopt(f);
    stream_write(f->ear.s, SLICE("bye"));
    stream_finish(f->ear.s, 50);
    f->ear.s = NULL;
    turn_for(f->w, 20);
    assert_int_equal(f->w->lingering_count, 1);
    turn_for(f->w, 100);
    assert_int_equal(f->w->lingering_count, 0);
}

static void idle_stream_holds_no_buffers_and_little_memory(void **state)
{
    struct fixture *f = *state;
    char got[4];

    adopt(f);
    f->ear.take_most = 1;
    send_all(f->fds[1], "ab");
    assert_true(turn_until(f->w, has_data, &f->ear, SOON_MS));
    f->ear.take_most = 0;
    stream_resume(f->ear.s);
    stream_write(f->ear.s, SLICE("ok"));
    turn_for(f->w, 5);
    assert_int_equal(receive(f, got, sizeof(got)), 2);
    assert_null(f->ear.s->kept.p);
    assert_null(f->ear.s->waiting.p);
    assert_null(f->ear.s->out);
    assert_null(f->ear.s->timer.event);
    assert_true(sizeof(struct stream) <= 640);
}

static const struct CMUnitTest TESTS[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    CASE(sends_two_pieces_and_a_later_one_in_one_write),
    CASE(writes_much_at_once_without_waiting_for_the_turn),
    CASE(keeps_what_is_not_taken_and_offers_it_with_new_bytes_only),
    CASE(resume_offers_kept_bytes_then_the_rest_in_order),
    CASE(unread_bytes_do_not_make_a_paused_stream_spin),
    CASE(peer_that_leaves_a_paused_stream_is_reported_within_100_ms),
    CASE(fin_right_behind_the_bytes_is_noticed_while_paused),
    CASE(reset_is_noticed_while_paused),
    CASE(reset_is_noticed_while_paused_over_unread_bytes),
    CASE(reset_behind_the_bytes_is_noticed_after_a_short_read),
    CASE(half_close_can_be_answered_and_its_last_bytes_read),
    CASE(fin_comes_after_all_bytes_were_offered),
    CASE(stops_reading_when_too_much_is_kept),
    CASE(full_socket_keeps_the_rest_in_order_and_says_when_it_is_drained),
    CASE(full_socket_drains_while_reading_is_paused_over_unread_bytes),
    CASE(peer_that_takes_nothing_is_given_up),
    CASE(progress_starts_the_write_deadline_again),
    CASE(close_inside_on_data_ends_all_callbacks),
    CASE(nothing_is_called_after_close),
    CASE(answer_before_a_broken_pipe_is_still_read),
    CASE(finish_sends_all_then_fin_and_waits_for_the_peer),
    CASE(finish_waits_a_bounded_time),
    CASE(idle_stream_holds_no_buffers_and_little_memory),
};

int main(void)
{
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
