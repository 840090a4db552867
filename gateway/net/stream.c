#include "net/stream_own.h"

#include "base/alloc.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>

struct stream *stream_from(void *arg)
{
    struct stream *s = arg;

    CHECK(s != NULL && s->state < STREAM_CLOSED);
    return s;
}

/* The four uses of the one timer. */
static void on_deadline(void *arg)
{
    struct stream *s = stream_from(arg);

    if (s->state == STREAM_LINGER)
        stream_drop(s);
    else
        stream_end(s, ERR_TIMEOUT);
}

static struct stream *new_stream(struct worker *w, int fd, SSL *ssl, enum stream_state state,
                                 const struct stream_handler *handler, void *arg)
{
    struct stream *s = mem_zalloc(sizeof(*s));

    s->worker = w;
    s->fd = fd;
    s->ssl = ssl;
    s->state = state;
    s->handler = handler;
    s->arg = arg;
    s->peer.is_tls = ssl != NULL;
    list_init(&s->todo);
    list_init(&s->dirty);
    timer_init(&s->timer, w, on_deadline, s);
    if (ssl != NULL && fd >= 0)
        CHECK(SSL_set_fd(ssl, fd) == 1);
    return s;
}

static void learn_local(struct stream *s)
{
    struct sockaddr_storage local = {0};
    socklen_t n = sizeof(local);

    if (getsockname(s->fd, (struct sockaddr *)&local, &n) != 0)
        return;
    s->peer.is_unix = local.ss_family == AF_UNIX;
    addr_from_sockaddr((struct sockaddr *)&local, &s->peer.local);
}

static void learn_server_name(struct stream *s)
{
    const char *name = SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name);

    if (name == NULL)
        return;
    s->server_name = mem_strdup(name);
    for (char *c = s->server_name; *c != '\0'; c++)
        *c = ascii_lower(*c);
    s->peer.server_name = slice_str(s->server_name);
}

static void learn_tls(struct stream *s)
{
    const unsigned char *alpn;
    unsigned alpn_bytes;
    X509 *certificate = SSL_get0_peer_certificate(s->ssl);

    learn_server_name(s);
    SSL_get0_alpn_selected(s->ssl, &alpn, &alpn_bytes);
    s->peer.alpn = slice_of(alpn, alpn_bytes);
    s->peer.tls_version = slice_str(SSL_get_version(s->ssl));
    s->peer.tls_cipher = slice_str(SSL_get_cipher_name(s->ssl));
    if (certificate != NULL && SSL_get_verify_result(s->ssl) == X509_V_OK)
        s->peer.certificate = certificate;
}

static void set_open(struct stream *s)
{
    s->state = STREAM_OPEN;
    timer_fini(&s->timer); /* most streams never need it again */
    stream_watch(s, WATCH_READ);
    if (s->waiting.n > 0)
        stream_want_flush(s);
    if (s->ssl != NULL)
        stream_want_offer(s); /* bytes may have come with the handshake */
    if (s->handler->on_open != NULL)
        s->handler->on_open(s->arg);
}

static void handshake(struct stream *s)
{
    enum err e = stream_io_handshake(s);

    if (e == ERR_AGAIN)
        return;
    if (e != ERR_OK) {
        stream_end(s, e);
        return;
    }
    learn_tls(s);
    set_open(s);
}

static enum err connect_error(int error)
{
    switch (error) {
    case 0:
        return ERR_OK;
    case ECONNREFUSED:
    case ENOENT: /* no such Unix socket */
    case EAGAIN: /* its backlog is full */
        return ERR_REFUSED;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    default:
        return ERR_SYSTEM;
    }
}

static void connected(struct stream *s)
{
    enum err e = connect_error(stream_io_error(s));

    if (e != ERR_OK) {
        stream_end(s, e);
        return;
    }
    stream_watch_write(s, false);
    learn_local(s);
    if (s->ssl == NULL) {
        set_open(s);
        return;
    }
    s->state = STREAM_HANDSHAKE; /* under the same deadline */
    stream_watch(s, WATCH_READ);
    handshake(s);
}

void stream_on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = stream_from(arg);

    (void)fd;
    worker_enter(s->worker);
    if (s->state == STREAM_HANDSHAKE)
        handshake(s);
    else if (s->state == STREAM_LINGER)
        stream_linger_read(s);
    else if (stream_can_read(s))
        stream_read(s);
    else
        stream_peek_end(s, what);
}

void stream_on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = stream_from(arg);

    (void)fd;
    (void)what;
    worker_enter(s->worker);
    if (s->state == STREAM_CONNECTING) {
        connected(s);
    } else if (s->state == STREAM_HANDSHAKE) {
        handshake(s);
    } else {
        if (s->read_wants_write && s->state == STREAM_OPEN)
            stream_want_offer(s);
        s->read_wants_write = false;
        stream_flush(s);
    }
}

struct stream *stream_accept(struct worker *w, int fd, SSL *ssl, const struct addr *peer,
                             int64_t handshake_ms, const struct stream_handler *handler, void *arg)
{
    struct stream *s =
        new_stream(w, fd, ssl, ssl != NULL ? STREAM_HANDSHAKE : STREAM_OPEN, handler, arg);

    s->peer.addr = *peer;
    learn_local(s);
    if (ssl != NULL)
        timer_set(&s->timer, handshake_ms);
    stream_watch(s, WATCH_READ);
    return s;
}

static enum err start_connect(struct stream *s, const struct sockaddr *to, socklen_t to_bytes)
{
    const int on = 1;

    s->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return ERR_SYSTEM;
    if (to->sa_family != AF_UNIX)
        setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(s->fd, to, to_bytes) != 0 && errno != EINPROGRESS)
        return connect_error(errno);
    if (s->ssl != NULL)
        CHECK(SSL_set_fd(s->ssl, s->fd) == 1);
    return ERR_OK;
}

struct stream *stream_connect(struct worker *w, const struct sockaddr *to, unsigned to_bytes,
                              SSL *ssl, int64_t connect_ms, const struct stream_handler *handler,
                              void *arg)
{
    struct stream *s = new_stream(w, -1, ssl, STREAM_CONNECTING, handler, arg);

    s->is_connected = true;
    s->peer.is_unix = to->sa_family == AF_UNIX;
    addr_from_sockaddr(to, &s->peer.addr);
    s->end_why = start_connect(s, to, to_bytes);
    if (s->end_why != ERR_OK) {
        stream_want_offer(s); /* on_end, in this turn but not in this call */
        return s;
    }
    timer_set(&s->timer, connect_ms);
    stream_watch_write(s, true);
    return s;
}

void stream_set_handler(struct stream *s, const struct stream_handler *handler, void *arg)
{
    s->handler = handler;
    s->arg = arg;
}

const struct stream_peer *stream_peer(const struct stream *s)
{
    return &s->peer;
}

const char *stream_tls_trouble(const struct stream *s)
{
    return s->tls_trouble != NULL ? s->tls_trouble : err_text(ERR_TLS);
}

struct worker *stream_worker(const struct stream *s)
{
    return s->worker;
}

uint64_t stream_bytes_in(const struct stream *s)
{
    return s->bytes_in;
}

uint64_t stream_bytes_out(const struct stream *s)
{
    return s->bytes_out;
}
