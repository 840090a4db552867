#ifndef NET_STREAM_OWN_H
#define NET_STREAM_OWN_H

#include "net/stream.h"

#include <event2/event_struct.h>

/*
 * The inside of a stream, for the files stream*.c, the worker and the listener.
 *
 *   CONNECTING ─► HANDSHAKE ─► OPEN ─► LINGER ─► CLOSED
 *
 * A plain stream skips HANDSHAKE, an accepted one CONNECTING. stream_close() leads
 * from anywhere to CLOSED, stream_finish() from OPEN to LINGER.
 */
enum stream_state {
    STREAM_CONNECTING,
    STREAM_HANDSHAKE,
    STREAM_OPEN,
    STREAM_LINGER, /* nobody's any more: sends, then waits for the peer to read */
    STREAM_CLOSED,
};

/*
 * What the loop watches for on the reading side.
 *
 * WATCH_READ is level-triggered and stays registered from request to request.
 * A pause leaves it alone until bytes do arrive; then WATCH_EDGE takes over: edges
 * report the end (EV_CLOSED) and, because libevent reports an error as EV_READ,
 * a reset, and unread bytes do not make the loop spin.
 */
enum stream_watch { WATCH_OFF, WATCH_READ, WATCH_EDGE };

enum { TLS_RECORD_BYTES = 16 * 1024, DIRECT_BYTES = 16 * 1024 };

struct stream {
    struct worker *worker;
    const struct stream_handler *handler;
    void *arg;
    SSL *ssl; /* owned; NULL: plain */
    int fd;   /* -1 after the close */
    enum stream_state state;
    enum stream_watch watching;
    enum err end_why; /* why the bytes ended, when is_ended */

    bool is_writing_watched : 1;
    bool is_connected : 1; /* by us: a FIN waits until all bytes before it are read */
    bool is_paused : 1;
    bool is_resumed : 1;  /* kept bytes are to be offered again */
    bool is_ended : 1;    /* nothing more can be read */
    bool is_broken : 1;   /* nothing more can be written */
    bool is_end_told : 1; /* on_end was called for is_ended */
    bool is_congested : 1;
    bool is_tls_broken : 1; /* OpenSSL must not be asked again */
    bool is_notified : 1;   /* close_notify is sent */
    bool is_fin_sent : 1;
    bool read_wants_write : 1;
    bool is_counted : 1; /* in the listener's count of connections */

    struct event in;
    struct event *out;  /* made when the socket is first full */
    struct timer timer; /* connect, handshake, write stall or linger, by state */
    int64_t write_ms, linger_ms;

    struct buf kept;    /* received, not taken */
    struct buf waiting; /* written, not sent */
    struct list todo;   /* in worker->ready, ->again or ->lingering */
    struct list dirty;  /* in worker->dirty */
    struct retired retired;

    uint64_t bytes_in, bytes_out;
    char *server_name;       /* owned, behind peer.server_name */
    const char *tls_trouble; /* static, or NULL */
    struct stream_peer peer;
};

struct stream *stream_from(void *arg);

/* stream_event.c */
void stream_watch(struct stream *s, enum stream_watch want);
void stream_watch_write(struct stream *s, bool on);
void stream_unwatch(struct stream *s);
/* stream.c: what the events call */
void stream_on_readable(evutil_socket_t fd, short what, void *arg);
void stream_on_writable(evutil_socket_t fd, short what, void *arg);

/*
 * stream_io.c. Both move what they can and count it in *done, whatever they return:
 * ERR_OK (room or bytes ran out), ERR_AGAIN (the socket did), ERR_CLOSED, ERR_TLS,
 * ERR_SYSTEM.
 */
enum err stream_io_read(struct stream *s, char *to, size_t room, size_t *done) MUST_USE;
enum err stream_io_write(struct stream *s, const struct slice *pieces, size_t count,
                         size_t *done) MUST_USE;
/* ERR_OK, ERR_AGAIN (an event is watched), ERR_TLS, ERR_SYSTEM */
enum err stream_io_handshake(struct stream *s) MUST_USE;
/* close_notify; ERR_AGAIN when it must be called again once writable. */
enum err stream_io_notify(struct stream *s) MUST_USE;
/* The error that the socket holds, as errno; 0: none. Clears it. */
int stream_io_error(const struct stream *s);

/* stream_read.c */
void stream_read(struct stream *s);
/* Readable while nothing may be read: an end, an error, or bytes that must wait. */
void stream_peek_end(struct stream *s, short what);
bool stream_can_read(const struct stream *s);
/* Puts s on the worker's ready list. */
void stream_want_offer(struct stream *s);
/* Both directions are over: tells the handler why. Only from an event or the turn. */
void stream_end(struct stream *s, enum err why);

/* stream_write.c */
void stream_flush(struct stream *s);
void stream_want_flush(struct stream *s);

/* stream_close.c */
void stream_drop(struct stream *s);
void stream_linger_flushed(struct stream *s);
void stream_linger_read(struct stream *s);

/* For the worker's turn. */
void streams_offer(struct worker *w);
void streams_flush(struct worker *w);
void streams_go_on(struct worker *w);
void streams_drop_lingering(struct worker *w);

/* listener.c: one connection of the counted fewer. */
void listener_count_down(void);

#endif
