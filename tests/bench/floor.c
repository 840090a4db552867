/*
 * The floor of any TLS proxy: ends TLS with OpenSSL (or takes plain TCP) and moves bytes to
 * an origin, one connection for one, one thread, epoll; nothing is parsed.
 *
 *   floor PORT ORIGIN_PORT [CERT KEY]
 *
 * Good enough to measure, not to serve: a peer that does not read ends its pair.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, CHUNK = 65536 };

struct end {
    int fd;
    SSL *ssl; /* of the client's end, with TLS */
    struct end *other;
};

static int loop;
static uint16_t origin_port;
static SSL_CTX *tls;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in local(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void watch(struct end *e)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = e};
    int on = 1;

    setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (epoll_ctl(loop, EPOLL_CTL_ADD, e->fd, &event) != 0)
        fail("epoll_ctl");
}

static void accept_one(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    struct sockaddr_in to = local(origin_port);
    struct end *client, *origin;

    if (fd < 0)
        return;
    client = calloc(1, sizeof(*client));
    origin = calloc(1, sizeof(*origin));
    if (client == NULL || origin == NULL)
        fail("calloc");
    client->fd = fd;
    client->other = origin;
    origin->other = client;
    origin->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (origin->fd < 0 || connect(origin->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        fail("origin");
    fcntl(origin->fd, F_SETFL, O_NONBLOCK);
    if (tls != NULL) {
        client->ssl = SSL_new(tls);
        SSL_set_fd(client->ssl, fd);
        SSL_set_accept_state(client->ssl);
    }
    watch(client);
    watch(origin);
}

/* Bytes read, 0 at the end, -1 when there is nothing (yet). */
static long take(struct end *e, char *to)
{
    if (e->ssl != NULL) {
        int n = SSL_read(e->ssl, to, CHUNK);
        int why = n > 0 ? 0 : SSL_get_error(e->ssl, n);

        return n > 0 ? n : why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? -1 : 0;
    }
    ssize_t n = recv(e->fd, to, CHUNK, 0);

    return n >= 0 ? n : errno == EAGAIN ? -1 : 0;
}

/* Waits for a full socket instead of watching it. */
static int give(struct end *e, const char *from, size_t n)
{
    while (n > 0) {
        long done = e->ssl != NULL ? SSL_write(e->ssl, from, (int)n)
                                   : (long)send(e->fd, from, n, MSG_NOSIGNAL);

        if (done <= 0) {
            if (e->ssl == NULL ? errno != EAGAIN
                               : SSL_get_error(e->ssl, (int)done) != SSL_ERROR_WANT_WRITE)
                return -1;
            usleep(100);
            continue;
        }
        from += done;
        n -= (size_t)done;
    }
    return 0;
}

static void end_pair(struct end *e)
{
    struct end *both[] = {e, e->other};

    for (int i = 0; i < 2; i++) {
        SSL_free(both[i]->ssl);
        close(both[i]->fd);
        both[i]->fd = -1; /* the block stays: its twin may be in this turn's events */
        both[i]->ssl = NULL;
    }
}

static void move(struct end *e)
{
    static char chunk[CHUNK];
    long n;

    if (e->fd < 0)
        return;
    do {
        n = take(e, chunk);
        if (n == 0 || (n > 0 && give(e->other, chunk, (size_t)n) != 0)) {
            end_pair(e);
            return;
        }
    } while (n > 0 && e->ssl != NULL && SSL_pending(e->ssl) > 0);
}

static SSL_CTX *context(const char *cert, const char *key)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());

    SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_chain_file(c, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1)
        fail("certificate");
    return c;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    struct sockaddr_in at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    struct end door = {.fd = listener};

    if (argc != 3 && argc != 5) {
        fprintf(stderr, "usage: floor PORT ORIGIN_PORT [CERT KEY]\n");
        return 2;
    }
    at = local((uint16_t)atoi(argv[1]));
    origin_port = (uint16_t)atoi(argv[2]);
    if (argc == 5)
        tls = context(argv[3], argv[4]);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(listener, 1024) != 0)
        fail("listen");
    loop = epoll_create1(0);
    watch(&door);
    for (;;) {
        int n = epoll_wait(loop, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &door)
                accept_one(listener);
            else
                move(events[i].data.ptr);
        }
    }
}
