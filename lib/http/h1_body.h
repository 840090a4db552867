#ifndef HTTP_H1_BODY_H
#define HTTP_H1_BODY_H

#include "http/h1_parse.h"

/*
 * Cuts a message body out of the bytes of a connection. Never looks past the end
 * of the message, keeps no data, allocates only for trailers.
 */
struct h1_body {
    enum h1_framing framing;
    uint64_t left;         /* LENGTH: bytes to come; CHUNKED: of this chunk */
    uint8_t state;         /* of the chunk grammar */
    uint8_t digits;        /* hex digits of the chunk size so far */
    size_t line_bytes;     /* of the chunk extension or trailer section so far */
    uint64_t excess_bytes; /* of extensions, beyond what the data behind them excuses */
    struct arena *arena;   /* where trailers go; may be NULL: then they are checked and dropped */
    struct buf *trailer_text; /* owned */
    struct head *trailers;    /* in arena; set when the body has ended with trailers. Names of
                                 header.def and reserved ones, however spelt, are not in it */
};

enum {
    H1_EXTENSION_BYTES_MAX = 1024,   /* of one chunk */
    H1_EXCESS_BYTES_MAX = 16 * 1024, /* of a body made of extensions rather than data */
    H1_TRAILER_BYTES_MAX = 8192,
    H1_TRAILER_COUNT_MAX = 32,
};

void h1_body_init(struct h1_body *b, enum h1_framing framing, uint64_t content_length,
                  struct arena *arena);
void h1_body_fini(struct h1_body *b);

/*
 * Takes bytes from the front of in. Call again while it returns H1_MORE and bytes
 * remain. *data is body content inside in (maybe empty); *used counts what was
 * taken, framing included.
 * returns  H1_MORE   the body goes on
 *          H1_DONE   the body has ended; in beyond *used belongs to the next message
 *          H1_BAD    framing error: abort, never forward as a whole message
 * spec     RFC 9112 §7.1: size 1-16 hex digits without overflow, extensions
 *          discarded up to a bound, exact CRLF
 */
enum h1_result h1_body_feed(struct h1_body *b, struct slice in, struct slice *data, size_t *used)
    __attribute__((warn_unused_result));

/* The peer closed: H1_DONE for H1_FRAMING_CLOSE, else H1_BAD (truncated). */
enum h1_result h1_body_eof(const struct h1_body *b);

#endif
