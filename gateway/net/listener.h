#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "http/addr.h"
#include "net/stream.h"
#include "net/tls.h"

/*
 * Accepts on one address for one worker. TCP listeners use SO_REUSEPORT, one socket a
 * worker; a Unix socket is bound once and shared by dup(2). When descriptors run
 * out, a reserved one is used to accept and close, so the loop never spins (G15).
 */
struct listener;

struct listener_conf {
    const char *address;    /* host:port, [v6]:port, unix:/path */
    int fd;                 /* an inherited or shared socket, dup'ed; -1: bind a new one */
    struct tls_server *tls; /* NULL: plain; a reference is taken */
    bool proxy_protocol;
    const struct cidr *trusted; /* who may send a PROXY header; borrowed until free */
    size_t trusted_count;
    int64_t handshake_ms;
};

/*
 * on_stream is called with an open stream: after the PROXY header and the TLS
 * handshake. It must set a handler at once (stream_set_handler).
 * why  a sentence when it fails, free()
 */
enum err listener_new(struct worker *w, const struct listener_conf *conf,
                      void (*on_stream)(void *arg, struct stream *s), void *arg,
                      struct listener **out, char **why) MUST_USE;
/*
 * From a new configuration, for new connections: certificates (tls NULL: as before), handshake_ms,
 * and trusted, which must live until the next call.
 */
void listener_follow(struct listener *l, const struct listener_conf *conf);
/*
 * Stops accepting; open streams live on. What the backlog holds is taken first, so
 * on_stream may be called inside; handshakes under way have two more seconds.
 */
void listener_stop(struct listener *l);
/* No PROXY header or handshake is under way. */
bool listener_is_settled(const struct listener *l);
/* Closes those that are. */
void listener_drop_arrivals(struct listener *l);
void listener_free(struct listener *l);
/* The bound port (for tests with port 0) or 0. */
uint16_t listener_port(const struct listener *l);
int listener_fd(const struct listener *l);
/* Most streams at once over all listeners of the process; more are closed at accept. 0: no bound.
 */
void listener_set_max_connections(size_t max);

#endif
