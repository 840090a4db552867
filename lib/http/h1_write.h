#ifndef HTTP_H1_WRITE_H
#define HTTP_H1_WRITE_H

#include "base/buf.h"
#include "http/h1_parse.h"

/*
 * Heads as bytes, from parsed parts only. FRAMING and HOP fields of head are
 * ignored: framing comes from the arguments. A name or value that could split the
 * message stops the process (CHECK): the parser lets none in.
 */
void h1_write_request(struct buf *out, const struct head *head, enum h1_framing framing,
                      uint64_t content_length, bool upgrade_websocket);

/* close adds "Connection: close". A HEAD answer passes its length with framing LENGTH. */
void h1_write_response(struct buf *out, const struct head *head, enum h1_framing framing,
                       uint64_t content_length, bool close);

/* Reason phrase of RFC 9110 §15, or "Unknown". */
struct slice h1_reason(unsigned status);

enum { H1_CHUNK_HEAD_MAX = 18 };
/* "<hex>CRLF"; returns its length. */
size_t h1_write_chunk_head(char out[H1_CHUNK_HEAD_MAX], uint64_t bytes);
/* The last chunk with optional trailers and the final CRLF. */
void h1_write_last_chunk(struct buf *out, const struct head *trailers);

#endif
