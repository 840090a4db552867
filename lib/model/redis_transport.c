#include "model/redis_transport.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_BYTES = 16 * 1024 };

/* TLS works on memory, so that only send_all() and receive() touch the socket. */
struct redis_transport {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;          /* NULL without TLS */
    BIO *inside, *out; /* ssl's; what came, and what is to be sent */
};

__attribute__((format(printf, 2, 3))) static void explain(char **why, const char *format, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = mem_strdup("out of memory");
    va_end(args);
    free(*why);
    *why = text;
}

static enum err wait_for(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left_ms = deadline_ms - clock_mono_ms();
        struct pollfd p = {.fd = fd, .events = events};
        int n;

        if (left_ms <= 0)
            return ERR_TIMEOUT;
        n = poll(&p, 1, left_ms > 60000 ? 60000 : (int)left_ms);
        if (n > 0)
            return ERR_OK;
        if (n < 0 && errno != EINTR)
            return ERR_UNAVAILABLE;
    }
}

static enum err send_all(int fd, struct slice s, int64_t deadline_ms)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        enum err e;

        if (n > 0)
            s = slice_from(s, (size_t)n);
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
            return ERR_UNAVAILABLE;
        else if ((e = wait_for(fd, POLLOUT, deadline_ms)) != ERR_OK)
            return e;
    }
    return ERR_OK;
}

static enum err receive(int fd, char *p, size_t max, size_t *got, int64_t deadline_ms)
{
    for (;;) {
        ssize_t n = recv(fd, p, max, 0);
        enum err e;

        if (n > 0) {
            *got = (size_t)n;
            return ERR_OK;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            return ERR_UNAVAILABLE;
        if ((e = wait_for(fd, POLLIN, deadline_ms)) != ERR_OK)
            return e;
    }
}

static enum err send_sealed(struct redis_transport *t, int64_t deadline_ms)
{
    char *p;
    long n = BIO_get_mem_data(t->out, &p);
    enum err e = send_all(t->fd, slice_of(p, (size_t)n), deadline_ms);

    (void)BIO_reset(t->out);
    return e;
}

/* After an SSL_ function gave result: sends and reads what it asked for. ERR_OK: call it again. */
static enum err pump(struct redis_transport *t, int result, int64_t deadline_ms)
{
    int asked = SSL_get_error(t->ssl, result);
    char bytes[READ_BYTES];
    size_t got;
    enum err e = send_sealed(t, deadline_ms);

    ERR_clear_error();
    if (e != ERR_OK)
        return e;
    if (asked != SSL_ERROR_WANT_READ)
        return ERR_UNAVAILABLE;
    if ((e = receive(t->fd, bytes, sizeof(bytes), &got, deadline_ms)) != ERR_OK)
        return e;
    return BIO_write(t->inside, bytes, (int)got) == (int)got ? ERR_OK : ERR_UNAVAILABLE;
}

enum err redis_transport_write(struct redis_transport *t, struct slice bytes, int64_t deadline_ms)
{
    size_t n;
    enum err e;

    if (t->ssl == NULL)
        return send_all(t->fd, bytes, deadline_ms);
    while (bytes.n > 0) {
        int result = SSL_write_ex(t->ssl, bytes.p, bytes.n, &n);

        if (result == 1) {
            bytes = slice_from(bytes, n);
            e = send_sealed(t, deadline_ms);
        } else {
            e = pump(t, result, deadline_ms);
        }
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

enum err redis_transport_read(struct redis_transport *t, struct buf *in, int64_t deadline_ms)
{
    char *room = buf_room(in, READ_BYTES);
    size_t n = 0;
    enum err e;

    if (t->ssl == NULL) {
        if ((e = receive(t->fd, room, READ_BYTES, &n, deadline_ms)) == ERR_OK)
            buf_commit(in, n);
        return e;
    }
    for (;;) {
        int result = SSL_read_ex(t->ssl, room, READ_BYTES, &n);

        if (result == 1) {
            buf_commit(in, n);
            return ERR_OK;
        }
        if ((e = pump(t, result, deadline_ms)) != ERR_OK)
            return e;
    }
}

static enum err connect_to(const struct sockaddr *to, socklen_t n, int64_t deadline_ms, int *out)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, cause = 0;
    socklen_t cause_n = sizeof(cause);
    enum err e = ERR_UNAVAILABLE;

    if (fd < 0)
        return ERR_UNAVAILABLE;
    if (to->sa_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, to, n) == 0) {
        *out = fd;
        return ERR_OK;
    }
    if (errno == EINPROGRESS && (e = wait_for(fd, POLLOUT, deadline_ms)) == ERR_OK) {
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &cause, &cause_n) == 0 && cause == 0) {
            *out = fd;
            return ERR_OK;
        }
        errno = cause;
        e = ERR_UNAVAILABLE;
    }
    cause = errno;
    (void)close(fd);
    errno = cause;
    return e;
}

static enum err connect_unix(const struct redis_url *url, int64_t deadline_ms, int *fd, char **why)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    enum err e;

    if (url->host.n >= sizeof(to.sun_path)) {
        explain(why, "the path of the socket has over %zu bytes", sizeof(to.sun_path) - 1);
        return ERR_UNAVAILABLE;
    }
    memcpy(to.sun_path, url->host.p, url->host.n);
    e = connect_to((const struct sockaddr *)&to, sizeof(to), deadline_ms, fd);
    if (e != ERR_OK)
        explain(why, "cannot connect to %s: %s", to.sun_path,
                e == ERR_TIMEOUT ? err_text(e) : strerror(errno));
    return e;
}

/* Resolving is the system's and keeps no deadline; an address needs none. */
static enum err connect_tcp(const struct redis_url *url, int64_t deadline_ms, int *fd, char **why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    char *host = mem_strndup(url->host.p, url->host.n);
    char port[8];
    enum err e = ERR_UNAVAILABLE;
    int n;

    (void)snprintf(port, sizeof(port), "%u", url->port);
    if ((n = getaddrinfo(host, port, &hints, &found)) != 0) {
        explain(why, "cannot resolve %s: %s", host, gai_strerror(n));
        goto out;
    }
    for (const struct addrinfo *a = found; a != NULL && e == ERR_UNAVAILABLE; a = a->ai_next)
        e = connect_to(a->ai_addr, a->ai_addrlen, deadline_ms, fd);
    if (e != ERR_OK)
        explain(why, "cannot connect to %s port %s: %s", host, port,
                e == ERR_TIMEOUT ? err_text(e) : strerror(errno));
out:
    if (found != NULL)
        freeaddrinfo(found);
    free(host);
    return e;
}

static bool load_trust(SSL_CTX *ctx, const char *ca)
{
    return ca != NULL ? SSL_CTX_load_verify_file(ctx, ca) == 1
                      : SSL_CTX_set_default_verify_paths(ctx) == 1;
}

/* The certificate must name the host: an address, or a DNS name, which goes into SNI too. */
static bool expect_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
        return true;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, host) == 1;
}

static bool make_tls(struct redis_transport *t, const char *host)
{
    if ((t->ssl = SSL_new(t->ctx)) == NULL)
        return false;
    t->inside = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (t->inside == NULL || t->out == NULL) {
        BIO_free(t->inside);
        BIO_free(t->out);
        return false;
    }
    /* Empty is "not yet", not the end. */
    (void)BIO_set_mem_eof_return(t->inside, -1);
    SSL_set_bio(t->ssl, t->inside, t->out);
    SSL_set_connect_state(t->ssl);
    return expect_host(t->ssl, host);
}

static enum err shake_hands(struct redis_transport *t, const char *host, int64_t deadline_ms,
                            char **why)
{
    for (;;) {
        int result = SSL_do_handshake(t->ssl);
        long verified;
        enum err e;

        if (result == 1)
            return send_sealed(t, deadline_ms);
        if ((e = pump(t, result, deadline_ms)) == ERR_OK)
            continue;
        verified = SSL_get_verify_result(t->ssl);
        explain(why, "TLS with %s failed: %s", host,
                verified != X509_V_OK ? X509_verify_cert_error_string(verified) : err_text(e));
        return e;
    }
}

/* Ours, for a server that asks; it must belong to the key. */
static bool load_certificate(SSL_CTX *ctx, const struct redis_client_conf *conf)
{
    return conf->certificate == NULL ||
           (SSL_CTX_use_certificate_chain_file(ctx, conf->certificate) == 1 &&
            SSL_CTX_use_PrivateKey_file(ctx, conf->key, SSL_FILETYPE_PEM) == 1 &&
            SSL_CTX_check_private_key(ctx) == 1);
}

static enum err start_tls(struct redis_transport *t, const struct redis_url *url,
                          const struct redis_client_conf *conf, int64_t deadline_ms, char **why)
{
    const char *ca = conf->ca;
    char *host = mem_strndup(url->host.p, url->host.n);
    enum err e = ERR_UNAVAILABLE;

    if ((t->ctx = SSL_CTX_new(TLS_client_method())) == NULL ||
        SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION) != 1)
        explain(why, "cannot make a TLS context");
    else if (!load_trust(t->ctx, ca))
        explain(why, "cannot read trusted certificates from %s", ca != NULL ? ca : "the system");
    else if (!load_certificate(t->ctx, conf))
        explain(why, "cannot use the certificate %s with its key", conf->certificate);
    else {
        SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
        if (!make_tls(t, host))
            explain(why, "cannot make a TLS connection");
        else
            e = shake_hands(t, host, deadline_ms, why);
    }
    ERR_clear_error();
    free(host);
    return e;
}

enum err redis_transport_open(const struct redis_url *url, const struct redis_client_conf *conf,
                              int64_t deadline_ms, struct redis_transport **out, char **why)
{
    struct redis_transport *t = mem_zalloc(sizeof(*t));
    enum err e;

    t->fd = -1;
    e = url->is_unix ? connect_unix(url, deadline_ms, &t->fd, why)
                     : connect_tcp(url, deadline_ms, &t->fd, why);
    if (e == ERR_OK && url->is_tls)
        e = start_tls(t, url, conf, deadline_ms, why);
    if (e != ERR_OK) {
        redis_transport_free(t);
        return e;
    }
    *out = t;
    return ERR_OK;
}

void redis_transport_free(struct redis_transport *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
    SSL_CTX_free(t->ctx);
    if (t->fd >= 0)
        (void)close(t->fd);
    free(t);
}
