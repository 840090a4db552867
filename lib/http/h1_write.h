#ifndef HTTP_H1_WRITE_H
#define HTTP_H1_WRITE_H

#include "base/buf.h"
#include "http/h1_parse.h"

/*
 * Heads as bytes, from parsed parts only. FRAMING and HOP fields of head are
 * ignored: framing comes from the arguments. A name or value that could split the
 * message stops the process (CHECK): the parser lets none in.
 *
 * Host is head->authority. With H1_FRAMING_NONE a POST, PUT or PATCH says
 * "Content-Length: 0" (RFC 9110 §8.6).
 */
void h1_write_request(struct buf *out, const struct head *head, enum h1_framing framing,
                      uint64_t content_length, bool upgrade_websocket);

/*
 * close adds "Connection: close". A HEAD answer passes its length with framing LENGTH.
 * H1_FRAMING_NONE and _CLOSE write no framing field: NONE is for 1xx, 204, 304 and a
 * HEAD answer of unknown length; an empty answer to a GET is LENGTH 0. 1xx and 204
 * never carry one (RFC 9110 §8.6); 101 gets Connection and Upgrade: websocket.
 */
void h1_write_response(struct buf *out, const struct head *head, enum h1_framing framing,
                       uint64_t content_length, bool close);

/* Reason phrase of RFC 9110 §15, or "Unknown". */
struct slice h1_reason(unsigned status);

enum { H1_CHUNK_HEAD_MAX = 18 };
/* "<hex>CRLF"; returns its length. bytes is at least 1: 0 would end the body. */
size_t h1_write_chunk_head(char out[H1_CHUNK_HEAD_MAX], uint64_t bytes);
/* The last chunk with optional trailers and the final CRLF. */
void h1_write_last_chunk(struct buf *out, const struct head *trailers);

#endif
