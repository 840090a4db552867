#include "net_cert.h"

#include "net/listener.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/resource.h>

enum { STREAMS_MAX = 16 };

struct fixture {
    struct worker *w;
    struct listener *l;
    struct listener_conf conf;
    struct cidr trusted;
    struct ear ears[STREAMS_MAX];
    int count;
    struct sockaddr_any at;
    int fd; /* the test's end */
};

static void on_stream(void *arg, struct stream *s)
{
    struct fixture *f = arg;
    struct ear *ear = &f->ears[f->count++];

    ear->s = s;
    ear->opens = 1;
    stream_set_handler(s, &EAR, ear);
}

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    f->w = worker_new(0, quiet_log());
    f->conf = (struct listener_conf){.address = "127.0.0.1:0", .fd = -1, .handshake_ms = 2000};
    assert_int_equal(cidr_parse(SLICE("127.0.0.0/8"), &f->trusted), ERR_OK);
    f->fd = -1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < f->count; i++)
        ear_fini(&f->ears[i]);
    listener_free(f->l);
    if (f->fd >= 0)
        close(f->fd);
    turn_for(f->w, 1);
    worker_free(f->w);
    listener_set_max_connections(0);
    free(f);
    return 0;
}

static void listen_on(struct fixture *f)
{
    char *why = NULL;
    struct addr at = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};

    if (listener_new(f->w, &f->conf, on_stream, f, &f->l, &why) != ERR_OK)
        fail_msg("%s", why);
    at.port = listener_port(f->l);
    sockaddr_from_addr(&at, &f->at);
}

static int dial(struct fixture *f)
{
    int fd = socket(sockaddr_of(&f->at)->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, sockaddr_of(&f->at), f->at.n), 0);
    set_nonblocking(fd);
    return fd;
}

static bool has_stream(void *arg)
{
    return ((struct fixture *)arg)->count > 0;
}

/* The peer closed, and nothing came before that. */
static bool is_closed(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);

    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static bool is_shut(void *arg)
{
    return is_closed(((struct fixture *)arg)->fd);
}

static void hands_over_plain_streams_tuned(void **state)
{
    struct fixture *f = *state;
    int on = 0;
    socklen_t n = sizeof(on);

    listen_on(f);
    f->fd = dial(f);
    assert_true(turn_until(f->w, has_stream, f, SOON_MS));
    assert_true(addr_is_loopback(&stream_peer(f->ears[0].s)->addr));
    assert_int_equal(stream_peer(f->ears[0].s)->local.port, listener_port(f->l));
    getsockopt(f->ears[0].s->fd, IPPROTO_TCP, TCP_NODELAY, &on, &n);
    assert_int_not_equal(on, 0);
    send_all(f->fd, "hello");
    assert_true(turn_until(f->w, has_data, &f->ears[0], SOON_MS));
    assert_got(&f->ears[0], "hello");
}

static void several_workers_listen_on_one_port(void **state)
{
    struct fixture *f = *state;
    struct listener *second = NULL;
    char address[32], *why = NULL;

    listen_on(f);
    snprintf(address, sizeof(address), "127.0.0.1:%d", listener_port(f->l));
    f->conf.address = address;
    assert_int_equal(listener_new(f->w, &f->conf, on_stream, f, &second, &why), ERR_OK);
    assert_int_equal(listener_port(second), listener_port(f->l));
    listener_free(second);
}

static void open_streams_survive_the_stop(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_any at;

    listen_on(f);
    at = f->at;
    f->fd = dial(f);
    assert_true(turn_until(f->w, has_stream, f, SOON_MS));
    listener_stop(f->l);
    send_all(f->fd, "still here");
    assert_true(turn_until(f->w, has_data, &f->ears[0], SOON_MS));
    assert_int_equal(connect(socket(AF_INET, SOCK_STREAM, 0), sockaddr_of(&at), at.n), -1);
}

static void stop_takes_who_waits_in_the_backlog(void **state)
{
    struct fixture *f = *state;

    listen_on(f);
    f->fd = dial(f);
    send_all(f->fd, "in time");
    assert_int_equal(f->count, 0);
    listener_stop(f->l);
    assert_true(turn_until(f->w, has_data, &f->ears[0], SOON_MS));
    assert_got(&f->ears[0], "in time");
    assert_true(listener_is_settled(f->l));
}

static void bad_addresses_are_refused_with_a_sentence(void **state)
{
    static const char *const BAD[] = {
        "",       "127.0.0.1",     ":80",     "127.0.0.1:",           "127.0.0.1:65536",
        "::1:80", "127.0.0.1:80x", "[::1:80", "256.0.0.1.invalid:80", "192.0.2.1:80",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        char *why = NULL;

        f->conf.address = BAD[i];
        assert_int_not_equal(listener_new(f->w, &f->conf, on_stream, f, &f->l, &why), ERR_OK);
        assert_non_null(strstr(why, BAD[i]));
        free(why);
    }
}

static void replaces_a_unix_socket_that_nobody_answers(void **state)
{
    struct fixture *f = *state;
    struct cert_dir dir;
    struct listener *second = NULL;
    char address[PATH_ROOM], *why = NULL;

    cert_dir_open(&dir);
    snprintf(address, sizeof(address), "unix:%s/sock", dir.path);
    f->conf.address = address;
    listen_on(f);
    assert_int_equal(listener_new(f->w, &f->conf, on_stream, f, &second, &why), ERR_SYSTEM);
    assert_non_null(strstr(why, "in use"));
    free(why);
    listener_free(f->l); /* leaves the file behind, as a crash would */
    f->l = NULL;
    listen_on(f);
    assert_int_equal(sockaddr_from_path(address + 5, &f->at), ERR_OK);
    f->fd = dial(f);
    assert_true(turn_until(f->w, has_stream, f, SOON_MS));
    assert_true(stream_peer(f->ears[0].s)->is_unix);
    assert_int_equal(listener_port(f->l), 0);
    unlink(address + 5);
    cert_dir_close(&dir);
}

static void shares_an_inherited_socket(void **state)
{
    struct fixture *f = *state;
    int fd = listen_tcp(&f->at, 8);

    f->conf.fd = fd;
    listen_on(f);
    close(fd);
    f->fd = dial(f);
    assert_true(turn_until(f->w, has_stream, f, SOON_MS));
}

static void closes_more_connections_than_the_bound_and_counts_down(void **state)
{
    struct fixture *f = *state;
    int second;

    listener_set_max_connections(1);
    listen_on(f);
    f->fd = dial(f);
    assert_true(turn_until(f->w, has_stream, f, SOON_MS));
    second = dial(f);
    turn_for(f->w, 20);
    assert_true(is_closed(second));
    close(second);
    ear_fini(&f->ears[0]);
    turn_for(f->w, 5);
    second = dial(f);
    turn_for(f->w, 20);
    assert_int_equal(f->count, 2);
    close(second);
}

static void silent_handshakes_are_closed_and_counted_down(void **state)
{
    struct fixture *f = *state;
    struct cert_dir dir;
    struct cert gw;
    struct tls_files file;
    const struct tls_server_conf conf = {.files = &file, .file_count = 1};

    cert_dir_open(&dir);
    cert_make(&gw, &dir, "gw", "DNS:gw.example", NULL, 3600);
    file = (struct tls_files){gw.path, gw.key_path};
    f->conf.tls = make_server(&conf);
    f->conf.handshake_ms = 50;
    listener_set_max_connections(1);
    listen_on(f);
    tls_server_unref(f->conf.tls); /* the listener has its own */
    for (int i = 0; i < 3; i++) {
        f->fd = dial(f);
        assert_true(turn_until(f->w, is_shut, f, SOON_MS));
        close(f->fd);
        f->fd = -1;
    }
    f->fd = dial(f);
    turn_for(f->w, 20);
    listener_free(f->l); /* with one in its handshake */
    f->l = NULL;
    assert_true(is_closed(f->fd));
    assert_int_equal(f->count, 0);
    cert_free(&gw);
    cert_dir_close(&dir);
}

/* Out of descriptors: the backlog is emptied, nothing spins, and it recovers. */
static void survives_without_descriptors(void **state)
{
    struct fixture *f = *state;
    struct rlimit old, tight;
    int held[64], callers[4], n = 0;

    listen_on(f);
    for (int i = 0; i < 4; i++) {
        callers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        set_nonblocking(callers[i]);
    }
    getrlimit(RLIMIT_NOFILE, &old);
    tight = old;
    tight.rlim_cur = 64;
    setrlimit(RLIMIT_NOFILE, &tight);
    while (n < 64 && (held[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        n++;
    for (int i = 0; i < 4; i++)
        connect(callers[i], sockaddr_of(&f->at), f->at.n);
    assert_true(count_wakes(f->w, 100) < 60);
    assert_int_equal(f->count, 0);
    for (int i = 0; i < 4; i++) {
        assert_true(is_closed(callers[i]));
        close(callers[i]);
    }
    while (n > 0)
        close(held[--n]);
    setrlimit(RLIMIT_NOFILE, &old);
    f->fd = dial(f);
    assert_true(turn_until(f->w, has_stream, f, 1000));
}

/* Even the reserve was taken by another thread. */
static void pauses_when_even_the_reserve_is_gone(void **state)
{
    struct fixture *f = *state;
    struct rlimit old, tight;
    int held[64], caller, n = 0;

    listen_on(f);
    caller = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    getrlimit(RLIMIT_NOFILE, &old);
    tight = old;
    tight.rlim_cur = 64;
    setrlimit(RLIMIT_NOFILE, &tight);
    while (n < 64 && (held[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        n++;
    /* Below what is open already: closing the reserve does not help any more. */
    tight.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &tight);
    connect(caller, sockaddr_of(&f->at), f->at.n);
    assert_true(count_wakes(f->w, 150) < 80);
    while (n > 0)
        close(held[--n]);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_true(turn_until(f->w, has_stream, f, 1000));
    close(caller);
}

static const char V1[] = "PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n";

/* Sends a PROXY header slice by slice, then bytes of the client. */
static void send_header(struct fixture *f, const char *header, size_t n, size_t slice)
{
    for (size_t at = 0; at < n; at += slice) {
        const size_t k = n - at < slice ? n - at : slice;

        assert_int_equal(send(f->fd, header + at, k, MSG_NOSIGNAL), (ssize_t)k);
        turn_for(f->w, 1);
    }
}

static void assert_client(struct fixture *f, const char *address, uint16_t port)
{
    char text[ADDR_TEXT_MAX + 1];
    struct slice got;

    assert_true(turn_until(f->w, has_stream, f, SOON_MS));
    got = addr_write(&stream_peer(f->ears[f->count - 1].s)->addr, text);
    assert_true(slice_eq(got, slice_str(address)));
    if (port != 0)
        assert_int_equal(stream_peer(f->ears[f->count - 1].s)->addr.port, port);
}

static void trust(struct fixture *f)
{
    f->conf.proxy_protocol = true;
    f->conf.trusted = &f->trusted;
    f->conf.trusted_count = 1;
}

static void f12_header_in_slices_names_the_client_and_ends_where_it_says(void **state)
{
    struct fixture *f = *state;

    trust(f);
    listen_on(f);
    for (size_t slice = 1; slice < sizeof(V1); slice += 5) {
        f->fd = dial(f);
        send_header(f, V1, sizeof(V1) - 1, slice);
        send_all(f->fd, "GET");
        assert_client(f, "203.0.113.7", 4711);
        assert_true(turn_until(f->w, has_data, &f->ears[f->count - 1], SOON_MS));
        assert_got(&f->ears[f->count - 1], "GET");
        ear_fini(&f->ears[f->count - 1]);
        f->count = 0;
        f->ears[0] = (struct ear){0};
        close(f->fd);
        f->fd = -1;
    }
}

static void f12_binary_header_with_its_records_is_skipped_whole(void **state)
{
    struct fixture *f = *state;
    static const char header[] = "\r\n\r\n\0\r\nQUIT\n"
                                 "\x21\x11\x00\x11" /* version 2 PROXY, TCP over IPv4, 17 bytes */
                                 "\xcb\x00\x71\x07\xc0\x00\x02\x01\x12\x67\x01\xbb"
                                 "\x04\x00\x02zz"; /* a record */

    trust(f);
    listen_on(f);
    f->fd = dial(f);
    send_header(f, header, sizeof(header) - 1, 3);
    send_all(f->fd, "GET");
    assert_client(f, "203.0.113.7", 4711);
    assert_true(turn_until(f->w, has_data, &f->ears[0], SOON_MS));
    assert_got(&f->ears[0], "GET");
}

static void f12_header_from_a_stranger_is_only_bytes(void **state)
{
    struct fixture *f = *state;

    trust(f);
    assert_int_equal(cidr_parse(SLICE("10.0.0.0/8"), &f->trusted), ERR_OK);
    listen_on(f);
    f->fd = dial(f);
    send_all(f->fd, V1);
    assert_client(f, "127.0.0.1", 0);
    assert_true(turn_until(f->w, has_data, &f->ears[0], SOON_MS));
    assert_got(&f->ears[0], V1);
}

static void f12_malformed_header_closes(void **state)
{
    struct fixture *f = *state;

    trust(f);
    listen_on(f);
    f->fd = dial(f);
    send_all(f->fd, "GET / HTTP/1.1\r\n\r\n");
    assert_true(turn_until(f->w, is_shut, f, SOON_MS));
    assert_int_equal(f->count, 0);
}

static void f12_header_that_never_ends_is_closed_at_the_deadline(void **state)
{
    struct fixture *f = *state;

    trust(f);
    f->conf.handshake_ms = 50;
    listen_on(f);
    f->fd = dial(f);
    send_all(f->fd, "PROXY TCP4 ");
    assert_true(turn_until(f->w, is_shut, f, SOON_MS));
    assert_int_equal(f->count, 0);
}

static bool raw_shakes(void *arg)
{
    ERR_clear_error();
    return SSL_do_handshake(arg) == 1;
}

static void f12_tls_begins_right_behind_the_header(void **state)
{
    struct fixture *f = *state;
    struct cert_dir dir;
    struct cert gw;
    struct tls_files file;
    const struct tls_server_conf conf = {.files = &file, .file_count = 1};
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *raw = SSL_new(context);

    cert_dir_open(&dir);
    cert_make(&gw, &dir, "gw", "DNS:gw.example", NULL, 3600);
    file = (struct tls_files){gw.path, gw.key_path};
    f->conf.tls = make_server(&conf);
    trust(f);
    listen_on(f);
    tls_server_unref(f->conf.tls);
    f->fd = dial(f);
    send_all(f->fd, V1);
    SSL_set_fd(raw, f->fd);
    SSL_set_connect_state(raw);
    assert_true(turn_until(f->w, raw_shakes, raw, SOON_MS));
    assert_client(f, "203.0.113.7", 4711);
    assert_true(stream_peer(f->ears[0].s)->is_tls);
    SSL_free(raw);
    SSL_CTX_free(context);
    cert_free(&gw);
    cert_dir_close(&dir);
}

static const struct CMUnitTest TESTS[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    CASE(hands_over_plain_streams_tuned),
    CASE(several_workers_listen_on_one_port),
    CASE(open_streams_survive_the_stop),
    CASE(stop_takes_who_waits_in_the_backlog),
    CASE(bad_addresses_are_refused_with_a_sentence),
    CASE(replaces_a_unix_socket_that_nobody_answers),
    CASE(shares_an_inherited_socket),
    CASE(closes_more_connections_than_the_bound_and_counts_down),
    CASE(silent_handshakes_are_closed_and_counted_down),
    CASE(survives_without_descriptors),
    CASE(pauses_when_even_the_reserve_is_gone),
    CASE(f12_header_in_slices_names_the_client_and_ends_where_it_says),
    CASE(f12_binary_header_with_its_records_is_skipped_whole),
    CASE(f12_header_from_a_stranger_is_only_bytes),
    CASE(f12_malformed_header_closes),
    CASE(f12_header_that_never_ends_is_closed_at_the_deadline),
    CASE(f12_tls_begins_right_behind_the_header),
};

int main(void)
{
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
