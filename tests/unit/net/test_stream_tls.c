#include "net_cert.h"

#include <netinet/tcp.h>
#include <openssl/err.h>

struct fixture {
    struct worker *w;
    struct cert_dir dir;
    struct cert authority, gw;
    struct tls_files file;
    struct tls_server *server;
    struct tls_client *client;
    struct sockaddr_any at;
    int listening;
    struct ear in, out; /* the accepted and the connected end */
    SSL_CTX *raw_context;
    SSL *raw; /* instead of out: OpenSSL by hand */
    int raw_fd;
};

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));
    struct tls_server_conf server = {.files = &f->file, .file_count = 1, .context_id = SLICE("x")};
    struct tls_client_conf client = {.verify = true};

    f->w = worker_new(0, quiet_log());
    cert_dir_open(&f->dir);
    cert_make(&f->authority, &f->dir, "authority", NULL, NULL, 3600);
    cert_make(&f->gw, &f->dir, "gw", "DNS:gw.example", &f->authority, 3600);
    f->file = (struct tls_files){f->gw.path, f->gw.key_path};
    f->server = make_server(&server);
    client.ca = f->authority.path;
    f->client = make_client(&client);
    f->listening = listen_tcp(&f->at, 8);
    f->raw_context = SSL_CTX_new(TLS_client_method());
    f->raw_fd = -1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    ear_fini(&f->in);
    ear_fini(&f->out);
    SSL_free(f->raw);
    SSL_CTX_free(f->raw_context);
    if (f->raw_fd >= 0)
        close(f->raw_fd);
    close(f->listening);
    turn_for(f->w, 1);
    worker_free(f->w);
    tls_server_unref(f->server);
    tls_client_unref(f->client);
    cert_free(&f->authority);
    cert_free(&f->gw);
    cert_dir_close(&f->dir);
    free(f);
    return 0;
}

static void accept_one(struct fixture *f, struct worker *w, int64_t handshake_ms)
{
    const struct addr nobody = {0};
    int fd = accept4(f->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    assert_true(fd >= 0);
    f->in.s = stream_accept(w, fd, tls_server_ssl(f->server), &nobody, handshake_ms, &EAR, &f->in);
}

static bool both_opened(void *arg)
{
    const struct fixture *f = arg;

    return f->in.opens == 1 && f->out.opens == 1;
}

static void start_pair(struct fixture *f, const char *name)
{
    f->out.s = stream_connect(f->w, sockaddr_of(&f->at), f->at.n, tls_client_ssl(f->client, name),
                              2000, &EAR, &f->out);
    accept_one(f, f->w, 2000);
}

static void open_pair(struct fixture *f)
{
    start_pair(f, "gw.example");
    assert_true(turn_until(f->w, both_opened, f, SOON_MS));
}

static bool raw_shakes(void *arg)
{
    struct fixture *f = arg;

    ERR_clear_error();
    return SSL_do_handshake(f->raw) == 1 && f->in.opens == 1;
}

static void connect_raw(struct fixture *f)
{
    const int on = 1;

    f->raw_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(f->raw_fd, sockaddr_of(&f->at), f->at.n), 0);
    setsockopt(f->raw_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    set_nonblocking(f->raw_fd);
}

static void open_raw(struct fixture *f)
{
    char byte;

    connect_raw(f);
    accept_one(f, f->w, 2000);
    f->raw = SSL_new(f->raw_context);
    SSL_set_fd(f->raw, f->raw_fd);
    SSL_set_tlsext_host_name(f->raw, "GW.Example");
    SSL_set_connect_state(f->raw);
    assert_true(turn_until(f->w, raw_shakes, f, SOON_MS));
    /* Takes the tickets: unread, they would turn a close into a reset. */
    assert_int_equal(SSL_read(f->raw, &byte, 1), -1);
    assert_int_equal(SSL_get_error(f->raw, -1), SSL_ERROR_WANT_READ);
}

static void knows_its_peer_once_open(void **state)
{
    struct fixture *f = *state;
    const struct stream_peer *peer;

    open_raw(f);
    peer = stream_peer(f->in.s);
    assert_true(peer->is_tls);
    assert_true(slice_eq(peer->server_name, SLICE("gw.example")));
    assert_true(slice_eq(peer->tls_version, SLICE("TLSv1.3")));
    assert_true(peer->tls_cipher.n > 0);
    assert_int_equal(peer->alpn.n, 0);
    assert_null(peer->certificate);
}

static bool both_have_all(void *arg)
{
    const struct fixture *f = arg;

    return f->in.got.n == 4 << 20 && f->out.got.n == 4 << 20;
}

static void moves_much_both_ways_through_full_sockets(void **state)
{
    struct fixture *f = *state;
    const size_t n = 4 << 20;
    char *much = pattern(n);

    open_pair(f);
    set_small_buffers(f->in.s->fd);
    set_small_buffers(f->out.s->fd);
    stream_write2(f->in.s, slice_of(much, 7), slice_of(much + 7, n - 7));
    for (size_t at = 0; at < n; at += 10001) /* never a whole number of records */
        stream_write(f->out.s, slice_of(much + at, n - at < 10001 ? n - at : 10001));
    assert_true(stream_is_congested(f->in.s) && stream_is_congested(f->out.s));
    assert_true(turn_until(f->w, both_have_all, f, 2 * SOON_MS));
    assert_memory_equal(buf_slice(&f->in.got).p, much, n);
    assert_memory_equal(buf_slice(&f->out.got).p, much, n);
    assert_int_equal(f->in.drains, 1);
    assert_int_equal(stream_bytes_out(f->in.s), n);
    assert_int_equal(stream_bytes_in(f->in.s), n);
    free(much);
}

static void head_and_first_body_piece_share_a_record(void **state)
{
    struct fixture *f = *state;
    char got[64];

    open_raw(f);
    stream_write2(f->in.s, SLICE("head "), SLICE("body"));
    turn_for(f->w, 5);
    assert_int_equal(SSL_read(f->raw, got, sizeof(got)), 9); /* reads one record at most */
}

static bool in_has_200k(void *arg)
{
    return ((struct fixture *)arg)->in.got.n == 200000;
}

static void bytes_inside_openssl_come_without_a_socket_event(void **state)
{
    struct fixture *f = *state;
    char *much = pattern(200000);
    int written = 0;

    open_raw(f);
    f->in.pause_on_data = true;
    while (written < 200000) {
        int n = SSL_write(f->raw, much + written, 200000 - written < 777 ? 200000 - written : 777);

        assert_true(n > 0);
        written += n;
    }
    assert_true(turn_until(f->w, has_data, &f->in, SOON_MS));
    turn_for(f->w, 10);
    assert_int_equal(f->in.datas, 1);
    f->in.pause_on_data = false;
    stream_resume(f->in.s);
    assert_true(turn_until(f->w, in_has_200k, f, SOON_MS));
    assert_memory_equal(buf_slice(&f->in.got).p, much, 200000);
    free(much);
}

/*
 * Three full records and three small ones. The scratch buffer has room for a record
 * less than the first four, and OpenSSL has read the last two ahead: the socket is
 * empty.
 */
static void records_read_ahead_are_offered_on_resume(void **state)
{
    struct fixture *f = *state;
    const size_t full = 3 * TLS_RECORD_BYTES, small = 56;
    char *much = pattern(full + 3 * small);

    open_raw(f);
    f->in.pause_on_data = true;
    assert_int_equal(SSL_write(f->raw, much, (int)full), (int)full);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(SSL_write(f->raw, much + full + i * small, (int)small), (int)small);
    assert_true(turn_until(f->w, has_data, &f->in, SOON_MS));
    assert_int_equal(f->in.got.n, full + small);
    f->in.pause_on_data = false;
    stream_resume(f->in.s);
    turn_for(f->w, 20);
    assert_int_equal(f->in.got.n, full + 3 * small);
    assert_memory_equal(buf_slice(&f->in.got).p, much, full + 3 * small);
    free(much);
}

static void close_notify_is_an_orderly_end_behind_all_bytes(void **state)
{
    struct fixture *f = *state;

    open_raw(f);
    SSL_write(f->raw, "last", 4);
    SSL_shutdown(f->raw);
    assert_true(turn_until(f->w, has_ended, &f->in, SOON_MS));
    assert_got(&f->in, "last");
    assert_int_equal(f->in.why, ERR_CLOSED);
}

static void fin_without_close_notify_is_not_an_orderly_end(void **state)
{
    struct fixture *f = *state;

    open_raw(f);
    SSL_write(f->raw, "cut", 3);
    close(f->raw_fd);
    f->raw_fd = -1;
    assert_true(turn_until(f->w, has_ended, &f->in, SOON_MS));
    assert_got(&f->in, "cut");
    assert_int_equal(f->in.why, ERR_TLS);
}

static void peer_that_leaves_a_paused_tls_stream_is_reported_within_100_ms(void **state)
{
    struct fixture *f = *state;

    open_raw(f);
    stream_pause(f->in.s);
    SSL_write(f->raw, "unread", 6);
    turn_for(f->w, 10);
    SSL_shutdown(f->raw);
    close(f->raw_fd);
    f->raw_fd = -1;
    assert_true(turn_until(f->w, has_ended, &f->in, 100));
    assert_int_equal(f->in.why, ERR_CLOSED);
}

static void silent_client_ends_at_the_handshake_deadline(void **state)
{
    struct fixture *f = *state;

    connect_raw(f);
    accept_one(f, f->w, 60);
    assert_true(turn_until(f->w, has_ended, &f->in, SOON_MS));
    assert_int_equal(f->in.why, ERR_TIMEOUT);
    assert_int_equal(f->in.opens, 0);
}

static void deadline_does_not_outlive_the_handshake(void **state)
{
    struct fixture *f = *state;

    connect_raw(f);
    accept_one(f, f->w, 300);
    f->raw = SSL_new(f->raw_context);
    SSL_set_fd(f->raw, f->raw_fd);
    SSL_set_connect_state(f->raw);
    assert_true(turn_until(f->w, raw_shakes, f, SOON_MS));
    turn_for(f->w, 400);
    assert_int_equal(f->in.ends, 0);
}

static void plain_http_on_a_tls_port_fails_the_handshake(void **state)
{
    struct fixture *f = *state;

    connect_raw(f);
    accept_one(f, f->w, 2000);
    send_all(f->raw_fd, "GET / HTTP/1.1\r\n\r\n");
    assert_true(turn_until(f->w, has_ended, &f->in, SOON_MS));
    assert_int_equal(f->in.why, ERR_TLS);
}

static void wrong_name_ends_the_connect(void **state)
{
    struct fixture *f = *state;

    start_pair(f, "elsewhere.example");
    assert_true(turn_until(f->w, has_ended, &f->out, SOON_MS));
    assert_int_equal(f->out.why, ERR_TLS);
    assert_int_equal(f->out.opens, 0);
}

static void finish_says_close_notify_then_fin(void **state)
{
    struct fixture *f = *state;
    char got[16];

    open_raw(f);
    stream_write(f->in.s, SLICE("bye"));
    stream_finish(f->in.s, 1000);
    f->in.s = NULL;
    turn_for(f->w, 10);
    assert_int_equal(SSL_read(f->raw, got, sizeof(got)), 3);
    assert_int_equal(SSL_read(f->raw, got, sizeof(got)), 0);
    assert_int_equal(SSL_get_shutdown(f->raw), SSL_RECEIVED_SHUTDOWN);
    assert_int_equal(recv(f->raw_fd, got, sizeof(got), 0), 0);
    close(f->raw_fd);
    f->raw_fd = -1;
    turn_for(f->w, 10);
    assert_int_equal(f->w->lingering_count, 0);
}

static void sessions_resume_on_another_worker(void **state)
{
    struct fixture *f = *state;
    struct worker *other = worker_new(1, quiet_log());
    const int64_t end_ms = clock_mono_ms() + SOON_MS;

    open_pair(f);
    turn_for(f->w, 10); /* for the ticket */
    ear_fini(&f->in);
    ear_fini(&f->out);
    f->in = f->out = (struct ear){0};
    f->out.s = stream_connect(f->w, sockaddr_of(&f->at), f->at.n,
                              tls_client_ssl(f->client, "gw.example"), 2000, &EAR, &f->out);
    accept_one(f, other, 2000);
    while (!both_opened(f) && clock_mono_ms() < end_ms) {
        turn_for(f->w, 1);
        turn_for(other, 1);
    }
    assert_true(both_opened(f));
    assert_int_equal(SSL_session_reused(f->in.s->ssl), 1);
    ear_fini(&f->in);
    worker_free(other);
}

static const struct CMUnitTest TESTS[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    CASE(knows_its_peer_once_open),
    CASE(moves_much_both_ways_through_full_sockets),
    CASE(head_and_first_body_piece_share_a_record),
    CASE(bytes_inside_openssl_come_without_a_socket_event),
    CASE(records_read_ahead_are_offered_on_resume),
    CASE(close_notify_is_an_orderly_end_behind_all_bytes),
    CASE(fin_without_close_notify_is_not_an_orderly_end),
    CASE(peer_that_leaves_a_paused_tls_stream_is_reported_within_100_ms),
    CASE(silent_client_ends_at_the_handshake_deadline),
    CASE(deadline_does_not_outlive_the_handshake),
    CASE(plain_http_on_a_tls_port_fails_the_handshake),
    CASE(wrong_name_ends_the_connect),
    CASE(finish_says_close_notify_then_fin),
    CASE(sessions_resume_on_another_worker),
};

int main(void)
{
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
