#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "base/buf.h"
#include "http/addr.h"
#include "net/timer.h"

#include <openssl/types.h>

/*
 * Bytes in both directions over a plain or TLS socket, TCP or Unix.
 *
 * Writing tries the socket at the end of the turn (or at once when much is
 * waiting) and asks for EV_WRITE only after EAGAIN; head and first body piece
 * therefore leave in one write and one TLS record. Reading hands the bytes to
 * on_data straight from the worker's scratch buffer; what it does not take is
 * kept. While reading is paused, a closed-detection stays armed, so a peer that
 * leaves is noticed in every state.
 *
 * Callbacks never run inside a call to this interface. After stream_close() none
 * runs any more; the memory goes at the end of the turn.
 * Thread: the worker's.
 */
struct stream;

struct stream_handler {
    /* Connected, and the TLS handshake done. Not called for accepted plain streams. */
    void (*on_open)(void *arg);
    /* Takes bytes from the front, returns how many. Called again only with new bytes or after
     * resume. */
    size_t (*on_data)(void *arg, struct slice bytes);
    /* Waiting bytes fell under the low mark after stream_is_congested() was true. */
    void (*on_drained)(void *arg);
    /*
     * The peer ended or broke: ERR_CLOSED for an orderly end (FIN; with TLS after
     * close_notify), ERR_TLS, ERR_TIMEOUT (connect, handshake or write deadline),
     * ERR_REFUSED, ERR_SYSTEM. All received bytes have been offered to on_data first
     * unless reading is paused. The owner must call stream_close().
     *
     * While paused, on an accepted stream a FIN is reported at once. An owner that
     * takes it for a half-close may go on writing, and resume to read what came
     * before the FIN; on_end then comes again behind the last byte. On a stream that
     * we connected, a FIN waits until the bytes before it are read, because an
     * answer may end that way; only a reset is reported at once.
     */
    void (*on_end)(void *arg, enum err why);
};

enum {
    STREAM_HIGH_MARK = 256 * 1024,
    STREAM_LOW_MARK = 64 * 1024,
    STREAM_KEEP_MAX =
        128 * 1024, /* the largest head that can be received: server.head_max's limit */
};

/* What the TLS layer knows about the peer. Slices live as long as the stream. */
struct stream_peer {
    struct addr addr; /* of the socket, or from the PROXY header */
    struct addr local;
    bool is_tls, is_unix;
    struct slice server_name; /* SNI, lower case; empty when none */
    struct slice alpn;
    struct slice tls_version, tls_cipher;
    X509 *certificate; /* verified client certificate or NULL; borrowed */
};

/* Adopts an accepted, non-blocking descriptor. ssl (accept state set) is owned from here; NULL:
 * plain. */
struct stream *stream_accept(struct worker *w, int fd, SSL *ssl, const struct addr *peer,
                             int64_t handshake_ms, const struct stream_handler *handler, void *arg);

struct sockaddr;
/*
 * Starts to connect. ssl (connect state, SNI and verification set) is owned from
 * here; NULL: plain. on_open or on_end follows, never inside this call.
 */
struct stream *stream_connect(struct worker *w, const struct sockaddr *to, unsigned to_bytes,
                              SSL *ssl, int64_t connect_ms, const struct stream_handler *handler,
                              void *arg);

/* Changes who is called, for pooled connections. */
void stream_set_handler(struct stream *s, const struct stream_handler *handler, void *arg);

/* Copies what the socket does not take at once. Everything is accepted; watch
 * stream_is_congested(). */
void stream_write(struct stream *s, struct slice bytes);
/* Two pieces as one; for chunk framing and heads. */
void stream_write2(struct stream *s, struct slice a, struct slice b);
/* Over the high mark: the owner should pause its source until on_drained. */
bool stream_is_congested(const struct stream *s);
size_t stream_waiting_bytes(const struct stream *s);
/* The longest time the peer may take no byte while some wait; 0: no bound. */
void stream_set_write_timeout(struct stream *s, int64_t ms);

void stream_pause(struct stream *s);
/* Offers kept bytes again later in this turn, then reads on. */
void stream_resume(struct stream *s);
/* Bytes received and not yet taken. */
struct slice stream_kept(const struct stream *s);

/* No more callbacks. Waiting bytes are dropped: for errors and aborts. */
void stream_close(struct stream *s);
/* The same, and the peer learns of it by a reset: its end must not be taken for an orderly one. */
void stream_abort(struct stream *s);
/*
 * No more callbacks. Sends what waits and an orderly end (close_notify, FIN), then
 * reads and drops for a bounded time so that the peer can read the answer
 * (lingering close, RFC 9112 §9.6), and goes.
 */
void stream_finish(struct stream *s, int64_t linger_ms);

const struct stream_peer *stream_peer(const struct stream *s);
/* After ERR_TLS: what OpenSSL says of it, for the logs. Static text. */
const char *stream_tls_trouble(const struct stream *s);
struct worker *stream_worker(const struct stream *s);
/* Counts for the access log: payload bytes since the stream began. */
uint64_t stream_bytes_in(const struct stream *s);
uint64_t stream_bytes_out(const struct stream *s);

#endif
