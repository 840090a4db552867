#ifndef HTTP_H1_PARSE_H
#define HTTP_H1_PARSE_H

#include "http/head.h"

/*
 * The strict HTTP/1.1 grammar of RFC 9112, both directions. These functions read
 * bytes and nothing else: no sockets, no policy. Their result does not depend on
 * how the bytes were split.
 */

struct h1_limits {
    size_t head_bytes; /* start line and fields with their line ends */
    size_t field_count;
    size_t target_bytes;
};

enum h1_result {
    H1_MORE, /* feed more bytes */
    H1_DONE,
    H1_BAD,          /* 400 and close */
    H1_DUPLICATE,    /* 400 and close: a single field twice, none of the framing; it is the last */
    H1_VERSION,      /* 505 and close */
    H1_TOO_LARGE,    /* 431 and close */
    H1_URI_TOO_LONG, /* 414 and close */
};

/* How the body after a head is delimited (RFC 9112 §6.3). */
enum h1_framing { H1_FRAMING_NONE, H1_FRAMING_LENGTH, H1_FRAMING_CHUNKED, H1_FRAMING_CLOSE };

/* Where the search for the end of a head stands; zero it for each message. */
struct h1_scan {
    size_t seen; /* bytes already looked at */
};

/*
 * Looks for the empty line that ends a head. A first byte that is no tchar (a TLS
 * ClientHello), bare LF, bare CR, NUL and other control bytes, and a head over its
 * limit are refused as soon as they are seen. At most two empty lines before a
 * request line are skipped when leading_crlf is true; they count into head_bytes
 * and h1_parse_request() skips them again. H1_URI_TOO_LONG when a request line
 * alone fills the limit.
 *
 * bytes      all bytes of the message so far, from its first
 * head_bytes set on H1_DONE: length of the head with its empty line
 */
enum h1_result h1_scan_head(struct h1_scan *scan, struct slice bytes, size_t limit,
                            bool leading_crlf, size_t *head_bytes);

struct h1_request {
    enum h1_framing framing; /* NONE, LENGTH or CHUNKED */
    uint64_t content_length; /* bytes, when framing is LENGTH */
    bool keep_alive;         /* version and Connection allow another request */
    bool expect_continue;
    bool expect_other;      /* an expectation we do not know: 417 */
    bool upgrade_websocket; /* Connection: upgrade and Upgrade: websocket, GET, 1.1, no body */
};

/*
 * Parses a complete request head (as h1_scan_head delimited it). Fields and start
 * line go to head (head_init'ed) as slices of bytes. Enforces: one SP between the
 * three parts; token method; origin-form target of visible ASCII without '#', or
 * "*" for OPTIONS; an absolute-form target is reduced to origin form when its
 * authority equals Host, else refused; authority-form (CONNECT) and TRACE refused; HTTP/1.0
 * or 1.1; exactly one valid Host on 1.1 (at most one on 1.0); token field names; no
 * obs-fold; no control bytes in values; one Content-Length of digits <= 2^63-1;
 * Transfer-Encoding exactly "chunked", once, only on 1.1, never with
 * Content-Length; ONCE fields once (incidents F1, F2, H6, H14; RFC 9112 §2-7).
 */
enum h1_result h1_parse_request(struct slice bytes, const struct h1_limits *limits,
                                struct head *head, struct h1_request *out);

struct h1_response {
    enum h1_framing framing;
    uint64_t content_length; /* bytes, 0 when not given; also for HEAD and 304 */
    bool keep_alive;
    bool is_upgrade; /* 101 */
};

/*
 * Parses a complete response head. request_method decides the framing (HEAD), as
 * do 1xx, 204 and 304. Equal strictness; Transfer-Encoding with Content-Length is
 * refused; "chunked" is the only coding taken (RFC 9112 §6.3).
 */
enum h1_result h1_parse_response(struct slice bytes, const struct h1_limits *limits,
                                 struct slice request_method, struct head *head,
                                 struct h1_response *out);

/* True when every byte is a tchar and there is at least one (RFC 9110 §5.6.2). */
bool h1_is_token(struct slice s);
/* True for a host[:port] of RFC 3986 §3.2.2 without userinfo: name, IPv4 or [IPv6]. */
bool h1_is_authority(struct slice s);

#endif
