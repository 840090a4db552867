#ifndef UPSTREAM_H1_CLIENT_H
#define UPSTREAM_H1_CLIENT_H

#include "upstream/call.h"

/*
 * HTTP/1.1 towards a server: what a call writes and how it reads the answer (RFC 9112). Every
 * body is framed anew from what the message says, whatever its method (incidents F5).
 *
 * A server is trusted with nothing: heads are bounded and parsed strictly, and what is not
 * exactly one answer ends the attempt with ERR_SYNTAX (security.md, threats 3 and 24).
 */
enum { RESPONSE_HEAD_BYTES_MAX = 64 * 1024, RESPONSE_FIELDS_MAX = 256, RESPONSE_INTERIM_MAX = 8 };

extern const struct leg_ops h1_client_ops;

/* The connection is open: sends the head, and what is held of the body. */
void h1_client_begin(struct call *c);
/* Takes bytes of the answer; returns how many. */
size_t h1_client_feed(struct call *c, struct slice bytes);
/* Nothing more will come. */
void h1_client_end(struct call *c, enum err why);
/* Tells the exchange of the answer's end, when that was put off by a pause. */
void h1_client_tell_end(struct call *c);

#endif
