/*
 * mixing: many users at once through a real daemon, and every byte of every answer judged.
 *
 * One program is both sides. Its clients (client.c) ask with the credentials of many users over
 * few connections; its server (server.c) stands behind the daemon. What an answer must be follows
 * from its nonce and its user alone (content.c), so each side can tell by itself whether what
 * arrives is what the other one sent for this user. The credentials come and go at the word of
 * run.py (roster.c). The program shares no code with postern: what judges must not share its
 * faults. Any byte or name that is another's ends the program with a report and status 1.
 */
#ifndef MIXING_H
#define MIXING_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { USERS_MAX = 64, CREDENTIAL_MAX = 1500, PIPELINE_MAX = 8 };

/* ------- content.c: what follows from a nonce ------- */

enum method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PUT };
enum framing { FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_EVENTS, FRAMING_CLOSE };
enum quirk {
    QUIRK_NONE,
    QUIRK_BREAKS,    /* the server ends the connection in the middle of its answer, or before */
    QUIRK_LEFT_OVER, /* it sends an answer more than it was asked for */
    QUIRK_CLOSES,    /* it says Connection: close, and does */
    QUIRK_INTERIM,   /* it sends 103 first */
    QUIRK_SLOW,      /* it pauses before and between pieces */
};
/* Which way bytes go: no two streams of one nonce are alike. */
enum way { WAY_ASK = 1, WAY_ANSWER, WAY_WS_ASK, WAY_WS_ANSWER };

struct shape {
    enum method method;
    size_t ask_bytes;
    bool is_ask_chunked;
    unsigned status;
    enum framing framing;
    size_t answer_bytes;
    enum quirk quirk;
    size_t break_at; /* QUIRK_BREAKS: bytes of the body sent before; 0: not even the head */
};

uint64_t mix(uint64_t x);
/* The next number of a generator, below bound. */
uint64_t draw(uint64_t *state, uint64_t bound);
/* is_small: fit for a pipeline, whose requests are all sent before the first answer is read. */
void shape_of(uint64_t nonce, unsigned user, struct shape *out);
bool is_small(uint64_t nonce);
bool has_no_body(const struct shape *s);
/* The bytes offset..offset+n of the stream. is_events: text/event-stream instead of noise. */
void content_fill(uint64_t nonce, unsigned user, enum way way, bool is_events, size_t offset,
                  unsigned char *out, size_t n);
/* Ends the program unless they are those bytes. who: which side found it. */
void content_check(const char *who, uint64_t nonce, unsigned user, enum way way, bool is_events,
                   size_t offset, const unsigned char *p, size_t n);

/* ------- wire.c: a blocking connection and its buffer ------- */

enum { WIRE_BUFFER = 1 << 16, FIELDS_MAX = 48 };

struct wire {
    int fd;
    SSL *ssl; /* NULL: plain */
    size_t from, to;
    bool has_timed_out;
    unsigned char buffer[WIRE_BUFFER];
};

struct head {
    char text[16384]; /* first line and fields, each ended by NUL */
    const char *first;
    const char *names[FIELDS_MAX], *values[FIELDS_MAX];
    unsigned count;
};

void wire_init(struct wire *w, int fd, SSL *ssl);
void wire_fini(struct wire *w);
/* Some bytes, at most n, at least one; 0: it ended. */
size_t wire_some(struct wire *w, void *out, size_t n);
bool wire_exactly(struct wire *w, void *out, size_t n);
bool wire_write(struct wire *w, const void *p, size_t n);
/* False: it ended. malformed: ends the program. */
bool wire_head(struct wire *w, struct head *h);
/* A chunk's size line, or the empty line after its data. */
bool wire_line(struct wire *w, char *out, size_t max);
/* NULL: not there. A field that is there twice is malformed here. */
const char *head_find(const struct head *h, const char *name);

/* ------- roster.c: users and what they may show ------- */

enum kind { KIND_KEY, KIND_JWT, KIND_OPAQUE, KINDS };
enum standing { STANDING_ABSENT, STANDING_LIVE, STANDING_CHANGING, STANDING_DEAD };

struct credential {
    enum standing standing;
    uint64_t changes; /* grows with every change of standing */
    int64_t since_us;
    char text[CREDENTIAL_MAX];
};

int64_t now_us(void);
unsigned roster_users(void);
const char *roster_user_id(unsigned user);
const char *roster_user_name(unsigned user);
void roster_get(unsigned user, enum kind kind, struct credential *out);
/* Reads a line of run.py and obeys; false: not understood. */
bool roster_obey(const char *line);

/* ------- mixing.c: the run ------- */

struct counts {
    atomic_ulong exchanges, pipelined, aborted, websockets, frames, refused, broken, cut,
        unanswered, left_over, served, connections, answer_bytes;
    atomic_long latest_grant_us; /* longest after a change was acknowledged that it was not seen */
};

struct run {
    uint64_t seed;
    unsigned long wanted; /* exchanges */
    unsigned threads;
    int gateway_port, server_port;
    int64_t margin_us, cut_us, patience_s, ends_at_us;
    const char *ca;
    atomic_bool is_over;
    atomic_ulong next_nonce;
    struct counts counts;
};

extern struct run run;

_Noreturn void mismatch(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* server.c: listens on a free port (run.server_port) and serves on threads until the end. */
void server_start(void);
/* client.c: a thread's work, until the run is over. */
void *client_main(void *number);
/* websocket.c */
struct ask;
void websocket_serve(struct wire *w, uint64_t nonce, unsigned user, const char *key);
void websocket_client(struct wire *w, uint64_t nonce, unsigned user, enum kind kind,
                      const struct credential *shown, uint64_t *random);
void websocket_accept(const char *key, char out[32]);

#endif
