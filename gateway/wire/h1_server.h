#ifndef WIRE_H1_SERVER_H
#define WIRE_H1_SERVER_H

#include "net/stream.h"

/*
 * HTTP/1.1 towards clients: turns the bytes of a stream into exchanges, one at a
 * time, in order (RFC 9112). Owns the stream from here on and frees itself when the
 * connection ends.
 *
 *   HEAD ─► BODY ─► HEAD ...        a pipelined request waits, unread, for its turn
 *     │       └──► DRAIN ─► HEAD    the answer came before the body's end
 *     └► TUNNEL                     after a 101
 */
void h1_server_start(struct worker *w, struct stream *s);

/* Drain: closes idle connections in a moment, the others after their answer. */
void h1_server_drain(struct worker *w);
/* Ends whatever is still open. */
void h1_server_close_all(struct worker *w);

#endif
