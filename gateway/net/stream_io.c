#include "net/stream_own.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { PIECES_MAX = 4 };

/* A certificate that was not believed has a reason of its own. */
static const char *trouble(const SSL *ssl)
{
    const unsigned long error = ERR_peek_error();

    if (ERR_GET_LIB(error) == ERR_LIB_SSL &&
        ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return X509_verify_cert_error_string(SSL_get_verify_result(ssl));
    return ERR_reason_error_string(error);
}

/* Why OpenSSL's last call on s returned n <= 0. */
static enum err tls_result(struct stream *s, int n)
{
    switch (SSL_get_error(s->ssl, n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return ERR_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return ERR_CLOSED;
    case SSL_ERROR_SYSCALL:
        s->is_tls_broken = true;
        return ERR_SYSTEM;
    default:
        s->is_tls_broken = true;
        s->tls_trouble = trouble(s->ssl);
        return ERR_TLS;
    }
}

static enum err plain_read(struct stream *s, char *to, size_t room, size_t *done)
{
    ssize_t n;

    do
        n = recv(s->fd, to, room, 0);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return ERR_CLOSED;
    if (n < 0)
        return errno == EAGAIN ? ERR_AGAIN : ERR_SYSTEM;
    *done = (size_t)n;
    /* A short read has emptied the socket; asking again would cost a system call. */
    return *done < room ? ERR_AGAIN : ERR_OK;
}

static enum err tls_read(struct stream *s, char *to, size_t room, size_t *done)
{
    while (room - *done >= TLS_RECORD_BYTES) {
        int n;

        ERR_clear_error();
        n = SSL_read(s->ssl, to + *done, (int)(room - *done));
        if (n <= 0) {
            s->read_wants_write = SSL_want(s->ssl) == SSL_WRITING;
            return tls_result(s, n);
        }
        *done += (size_t)n;
        if (n < TLS_RECORD_BYTES && SSL_has_pending(s->ssl) == 0)
            return ERR_AGAIN;
    }
    return ERR_OK;
}

enum err stream_io_read(struct stream *s, char *to, size_t room, size_t *done)
{
    enum err e;

    *done = 0;
    if (s->is_tls_broken)
        return ERR_TLS;
    e = s->ssl != NULL ? tls_read(s, to, room, done) : plain_read(s, to, room, done);
    s->bytes_in += *done;
    return e;
}

static enum err plain_write(struct stream *s, const struct slice *pieces, size_t count,
                            size_t *done)
{
    struct iovec iov[PIECES_MAX];
    struct msghdr message = {.msg_iov = iov};
    size_t total = 0;
    ssize_t n;

    CHECK(count <= PIECES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].n == 0)
            continue;
        iov[message.msg_iovlen].iov_base = (void *)(uintptr_t)pieces[i].p;
        iov[message.msg_iovlen++].iov_len = pieces[i].n;
        total += pieces[i].n;
    }
    if (total == 0)
        return ERR_OK;
    do
        n = message.msg_iovlen == 1 /* cheaper */
                ? send(s->fd, iov[0].iov_base, total, MSG_NOSIGNAL)
                : sendmsg(s->fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? ERR_AGAIN : ERR_SYSTEM;
    *done = (size_t)n;
    return *done < total ? ERR_AGAIN : ERR_OK;
}

/*
 * One record a call. When the socket is full OpenSSL holds the record it has made
 * and wants the same bytes again, perhaps elsewhere in memory: s->waiting only
 * grows at its end, so they are the same.
 */
static enum err tls_write(struct stream *s, struct slice bytes, size_t *done)
{
    while (*done < bytes.n) {
        const struct slice record = slice_to(slice_from(bytes, *done), TLS_RECORD_BYTES);
        int n;

        ERR_clear_error();
        n = SSL_write(s->ssl, record.p, (int)record.n);
        if (n <= 0) {
            enum err e = tls_result(s, n);

            /* Without renegotiation no write waits for the peer's bytes. */
            return e == ERR_AGAIN && SSL_want(s->ssl) == SSL_READING ? ERR_TLS : e;
        }
        *done += (size_t)n;
    }
    return ERR_OK;
}

enum err stream_io_write(struct stream *s, const struct slice *pieces, size_t count, size_t *done)
{
    enum err e;

    *done = 0;
    if (s->is_tls_broken)
        return ERR_TLS;
    if (s->ssl != NULL) {
        CHECK(count == 1);
        e = tls_write(s, pieces[0], done);
    } else {
        e = plain_write(s, pieces, count, done);
    }
    s->bytes_out += *done;
    return e;
}

enum err stream_io_handshake(struct stream *s)
{
    int n;

    ERR_clear_error();
    n = SSL_do_handshake(s->ssl);
    if (n == 1) {
        stream_watch_write(s, false);
        return ERR_OK;
    }
    stream_watch_write(s, SSL_want(s->ssl) == SSL_WRITING);
    return tls_result(s, n);
}

enum err stream_io_notify(struct stream *s)
{
    int n;

    if (s->ssl == NULL || s->is_notified || s->is_tls_broken)
        return ERR_OK;
    ERR_clear_error();
    n = SSL_shutdown(s->ssl);
    if (n < 0 && SSL_get_error(s->ssl, n) == SSL_ERROR_WANT_WRITE)
        return ERR_AGAIN;
    s->is_notified = true;
    return ERR_OK;
}

int stream_io_error(const struct stream *s)
{
    int error = 0;
    socklen_t n = sizeof(error);

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        return errno;
    return error;
}
