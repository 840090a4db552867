/*
 * The clients: each thread has one connection at a time and asks over it as many users, a request
 * after the other, pipelined, or up to a point where it leaves.
 */
#include "mixing.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* A request on its way, and what its credential was worth when it left. */
struct ask {
    uint64_t nonce;
    unsigned user;
    enum kind kind;
    struct shape shape;
    struct credential shown;
    int64_t sent_us;
};

/* Why an answer did not come, where that is in order. */
enum outcome { OUTCOME_WHOLE, OUTCOME_LAST, OUTCOME_ENDED };

struct client {
    uint64_t random;
    unsigned number;
    SSL_CTX *tls;
    struct wire *wire;
    struct head head;
    bool is_open;
    uint64_t last_nonce; /* of the latest whole answer */
    unsigned last_status;
    struct ask asks[PIPELINE_MAX];
    unsigned char *out; /* requests being written */
    size_t out_bytes, out_max;
};

static const char *const kind_names[KINDS] = {"key", "jwt", "token"};

/* ------- the connection ------- */

static bool open_connection(struct client *c)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)run.gateway_port)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SSL *ssl = SSL_new(c->tls);

    if (fd < 0 || ssl == NULL || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
        mismatch("client: cannot connect");
    wire_init(c->wire, fd, ssl);
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, "localhost");
    if (SSL_connect(ssl) != 1)
        mismatch("client: the TLS handshake failed");
    run.counts.connections++;
    c->is_open = true;
    return true;
}

static void close_connection(struct client *c)
{
    if (c->is_open && draw(&c->random, 2) == 0)
        SSL_shutdown(c->wire->ssl);
    if (c->is_open)
        wire_fini(c->wire);
    c->is_open = false;
}

/* As a process that is killed leaves: with a reset where bytes were unread, or in the middle. */
static void abort_connection(struct client *c)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};

    if (draw(&c->random, 2) == 0)
        setsockopt(c->wire->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    wire_fini(c->wire);
    c->is_open = false;
    run.counts.aborted++;
}

/* ------- asking ------- */

static void choose(struct client *c, struct ask *a, bool small)
{
    do
        a->nonce = mix(run.seed ^ mix(++run.next_nonce));
    while (is_small(a->nonce) != small);
    do {
        a->user = (unsigned)draw(&c->random, roster_users());
        a->kind = (enum kind)draw(&c->random, KINDS);
        roster_get(a->user, a->kind, &a->shown);
    } while (a->shown.standing == STANDING_ABSENT);
    shape_of(a->nonce, a->user, &a->shape);
}

static void put(struct client *c, const void *p, size_t n)
{
    if (c->out_bytes + n > c->out_max) {
        c->out_max = (c->out_bytes + n) * 2;
        if ((c->out = realloc(c->out, c->out_max)) == NULL)
            abort();
    }
    memcpy(c->out + c->out_bytes, p, n);
    c->out_bytes += n;
}

static void put_body(struct client *c, const struct ask *a)
{
    static _Thread_local unsigned char piece[16384];
    const struct shape *s = &a->shape;
    char line[24];
    size_t n;

    for (size_t at = 0; at < s->ask_bytes; at += n) {
        n = 1 + draw(&c->random, sizeof(piece));
        if (n > s->ask_bytes - at)
            n = s->ask_bytes - at;
        content_fill(a->nonce, a->user, WAY_ASK, false, at, piece, n);
        if (s->is_ask_chunked)
            put(c, line, (size_t)snprintf(line, sizeof(line), "%zx\r\n", n));
        put(c, piece, n);
        if (s->is_ask_chunked)
            put(c, "\r\n", 2);
    }
    if (s->is_ask_chunked)
        put(c, "0\r\n\r\n", 5);
}

static void put_head(struct client *c, const struct ask *a, const char *method, char where,
                     const char *more)
{
    char text[CREDENTIAL_MAX + 800];
    const bool in_key_field = a->kind == KIND_KEY && draw(&c->random, 2) == 0;

    put(c, text,
        (size_t)snprintf(text, sizeof(text),
                         "%s /%c/%u/%u/%016llx HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n"
                         "X-Ask: %016llx\r\n%s\r\n",
                         method, where, a->user, (unsigned)a->kind, (unsigned long long)a->nonce,
                         in_key_field ? "X-API-Key: " : "Authorization: Bearer ", a->shown.text,
                         (unsigned long long)a->nonce, more));
}

static void put_ask(struct client *c, const struct ask *a)
{
    static const char *const methods[] = {
        [METHOD_GET] = "GET", [METHOD_HEAD] = "HEAD", [METHOD_POST] = "POST", [METHOD_PUT] = "PUT"};
    char framing[64] = "";

    if (a->shape.is_ask_chunked)
        strcpy(framing, "Transfer-Encoding: chunked\r\n");
    else if (a->shape.method >= METHOD_POST)
        snprintf(framing, sizeof(framing), "Content-Length: %zu\r\n", a->shape.ask_bytes);
    put_head(c, a, methods[a->shape.method], 'm', framing);
    put_body(c, a);
}

/* ------- judging ------- */

/* Whether the credential certainly counted, or certainly did not, all the time. */
static bool is_settled(const struct ask *a, enum standing standing)
{
    struct credential now;

    roster_get(a->user, a->kind, &now);
    return a->shown.standing == standing && now.changes == a->shown.changes &&
           a->sent_us - a->shown.since_us > run.margin_us;
}

static bool has_changed(const struct ask *a)
{
    struct credential now;

    roster_get(a->user, a->kind, &now);
    return now.changes != a->shown.changes || a->shown.standing != STANDING_LIVE ||
           a->sent_us - a->shown.since_us <= run.margin_us;
}

static _Noreturn void report(const struct client *c, const struct ask *a, const char *what)
{
    static const char *const standings[] = {"absent", "live", "changing", "dead"};

    mismatch("client %u: %s: '%s' x-nonce '%s' x-seen-user '%s'; asked %016llx as user %u (%s) by "
             "%s, %s for %lld ms when sent",
             c->number, what, c->head.first, head_find(&c->head, "x-nonce"),
             head_find(&c->head, "x-seen-user"), (unsigned long long)a->nonce, a->user,
             roster_user_id(a->user), kind_names[a->kind], standings[a->shown.standing],
             (long long)(a->sent_us - a->shown.since_us) / 1000);
}

static void check_refusal(const struct client *c, const struct ask *a)
{
    if (head_find(&c->head, "x-nonce") != NULL || head_find(&c->head, "x-seen-user") != NULL)
        report(c, a, "a refusal with a server's answer in it");
    if (is_settled(a, STANDING_LIVE))
        report(c, a, "refused, and the credential counts");
    run.counts.refused++;
}

static void note_latest(int64_t us)
{
    long known = run.counts.latest_grant_us;

    while (us > known && !atomic_compare_exchange_weak(&run.counts.latest_grant_us, &known, us)) {
    }
}

static void check_grant(const struct client *c, const struct ask *a)
{
    const char *nonce = head_find(&c->head, "x-nonce"), *seen = head_find(&c->head, "x-seen-user");
    char wanted[24];

    snprintf(wanted, sizeof(wanted), "%016llx", (unsigned long long)a->nonce);
    if (nonce == NULL || strcmp(nonce, wanted) != 0)
        report(c, a, "the answer to another request");
    if (seen == NULL || strcmp(seen, roster_user_id(a->user)) != 0)
        report(c, a, "asked with another's identity");
    if (is_settled(a, STANDING_DEAD))
        report(c, a, "served, and the credential had ended");
    if (a->shown.standing == STANDING_DEAD)
        note_latest(a->sent_us - a->shown.since_us);
}

/* What an answer's bytes are held against; a refusal's are the daemon's own. */
struct reading {
    const struct ask *ask;
    bool is_checked;
    size_t offset;
};

static bool take_piece(struct client *c, struct reading *r, size_t n)
{
    static _Thread_local unsigned char piece[16384];

    while (n > 0) {
        const size_t got = wire_some(c->wire, piece, n < sizeof(piece) ? n : sizeof(piece));

        if (got == 0)
            return false;
        if (r->is_checked && r->offset + got > r->ask->shape.answer_bytes)
            report(c, r->ask, "more bytes than the answer has");
        if (r->is_checked)
            content_check("client", r->ask->nonce, r->ask->user, WAY_ANSWER,
                          r->ask->shape.framing == FRAMING_EVENTS, r->offset, piece, got);
        r->offset += got;
        n -= got;
    }
    return true;
}

static bool take_chunks(struct client *c, struct reading *r)
{
    char line[64];
    size_t n;

    do {
        if (!wire_line(c->wire, line, sizeof(line)))
            return false;
        n = strtoul(line, NULL, 16);
        if (!take_piece(c, r, n) || !wire_line(c->wire, line, sizeof(line)))
            return false;
    } while (n > 0);
    return true;
}

/* False: it ended before its end. */
static bool take_body(struct client *c, struct reading *r, unsigned status)
{
    const char *length = head_find(&c->head, "content-length");

    if (r->ask->shape.method == METHOD_HEAD || status == 204)
        return true;
    if (head_find(&c->head, "transfer-encoding") != NULL)
        return take_chunks(c, r);
    if (length == NULL)
        report(c, r->ask, "an answer without framing");
    return take_piece(c, r, strtoul(length, NULL, 10));
}

static bool read_head(struct client *c, const struct ask *a, unsigned *status)
{
    do {
        if (!wire_head(c->wire, &c->head))
            return false;
        if (sscanf(c->head.first, "HTTP/1.1 %3u", status) != 1)
            report(c, a, "no status line");
    } while (*status == 103);
    return true;
}

static enum outcome ended(struct client *c, const struct ask *a, bool was_checked, size_t offset)
{
    if (c->wire->has_timed_out)
        mismatch("client %u: asked %016llx as user %u: nothing for %lld s after %zu bytes",
                 c->number, (unsigned long long)a->nonce, a->user, (long long)run.patience_s,
                 offset);
    if (a->shape.quirk == QUIRK_BREAKS) {
        run.counts.broken++;
        return OUTCOME_ENDED;
    }
    if (!has_changed(a))
        mismatch("client %u: asked %016llx as user %u: the connection ended %s %zu bytes, and "
                 "nothing had changed; the answer before was %u to %016llx",
                 c->number, (unsigned long long)a->nonce, a->user,
                 was_checked ? "in the answer after" : "before the answer,", offset, c->last_status,
                 (unsigned long long)c->last_nonce);
    run.counts.cut++;
    return OUTCOME_ENDED;
}

static void check_whole(struct client *c, const struct ask *a, const struct reading *r)
{
    if (!has_no_body(&a->shape) && r->offset != a->shape.answer_bytes)
        report(c, a, "fewer bytes than the answer has");
}

static enum outcome take_answer(struct client *c, const struct ask *a)
{
    struct reading r = {.ask = a};
    const char *connection;
    unsigned status;
    bool is_last;

    if (!read_head(c, a, &status))
        return ended(c, a, false, 0);
    connection = head_find(&c->head, "connection");
    is_last = connection != NULL && strcmp(connection, "close") == 0;
    /* Of a refused body whose length it was not told the daemon reads a little, then closes. */
    is_last |= status == 401 && a->shape.is_ask_chunked && !is_small(a->nonce);
    if (status == 401)
        check_refusal(c, a);
    else if (status == 502 && a->shape.quirk == QUIRK_BREAKS)
        run.counts.broken++;
    else if (status != a->shape.status)
        report(c, a, "another status");
    else
        check_grant(c, a);
    r.is_checked = head_find(&c->head, "x-nonce") != NULL;
    if (!take_body(c, &r, status))
        return ended(c, a, true, r.offset);
    if (r.is_checked)
        check_whole(c, a, &r);
    run.counts.answer_bytes += r.offset;
    c->last_nonce = a->nonce;
    c->last_status = status;
    run.counts.exchanges++;
    return is_last ? OUTCOME_LAST : OUTCOME_WHOLE;
}

/* ------- a turn ------- */

/* Sends part of what was asked for, perhaps takes part of the answers, and leaves. */
static void leave_early(struct client *c)
{
    const size_t most = c->out_bytes,
                 part = draw(&c->random, 2) == 0 ? most : draw(&c->random, most);
    const struct timeval brief = {.tv_usec = 20000};
    unsigned char some[4096];
    uint64_t reads = draw(&c->random, 3);

    setsockopt(c->wire->fd, SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof(brief));
    if (wire_write(c->wire, c->out, part) && part == most)
        while (reads-- > 0 && wire_some(c->wire, some, 1 + draw(&c->random, sizeof(some))) > 0) {
        }
    abort_connection(c);
}

static void ask_many(struct client *c, unsigned count)
{
    const bool leaves = draw(&c->random, 25) == 0;
    unsigned i;

    c->out_bytes = 0;
    for (i = 0; i < count; i++) {
        choose(c, &c->asks[i], count > 1);
        put_ask(c, &c->asks[i]);
        c->asks[i].sent_us = now_us();
    }
    if (leaves) {
        leave_early(c);
        return;
    }
    (void)wire_write(c->wire, c->out, c->out_bytes);
    for (i = 0; i < count; i++) {
        const enum outcome o = take_answer(c, &c->asks[i]);

        if (o == OUTCOME_WHOLE && count > 1)
            run.counts.pipelined++;
        if (o == OUTCOME_WHOLE)
            continue;
        run.counts.unanswered += count - 1 - i;
        close_connection(c);
        return;
    }
}

static void talk(struct client *c)
{
    struct ask *a = &c->asks[0];
    unsigned status;

    choose(c, a, true);
    c->out_bytes = 0;
    put_head(c, a, "GET", 'w',
             "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    a->sent_us = now_us();
    a->shape.quirk = QUIRK_NONE;
    a->shape.ask_bytes = 0;
    (void)wire_write(c->wire, c->out, c->out_bytes);
    if (!read_head(c, a, &status)) {
        (void)ended(c, a, false, 0);
    } else if (status == 401) {
        check_refusal(c, a);
        run.counts.exchanges++;
    } else if (status != 101) {
        report(c, a, "no upgrade");
    } else {
        check_grant(c, a);
        websocket_client(c->wire, a->nonce, a->user, a->kind, &a->shown, &c->random);
        run.counts.websockets++;
        run.counts.exchanges++;
    }
    close_connection(c);
}

static void turn(struct client *c)
{
    if (!c->is_open)
        open_connection(c);
    switch (draw(&c->random, 50)) {
    case 0:
        talk(c);
        break;
    case 1:
        close_connection(c);
        break;
    default:
        ask_many(c,
                 draw(&c->random, 2) == 0 ? 1 : 2 + (unsigned)draw(&c->random, PIPELINE_MAX - 1));
    }
}

static SSL_CTX *make_tls(void)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

    if (tls == NULL || SSL_CTX_load_verify_locations(tls, run.ca, NULL) != 1)
        mismatch("client: '%s' holds no certificate", run.ca);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    return tls;
}

void *client_main(void *number)
{
    struct client *c = calloc(1, sizeof(*c));

    c->number = (unsigned)(uintptr_t)number;
    c->random = mix(run.seed + c->number);
    c->wire = calloc(1, sizeof(*c->wire));
    c->tls = make_tls();
    while (run.counts.exchanges < run.wanted && now_us() < run.ends_at_us)
        turn(c);
    run.is_over = true;
    close_connection(c);
    SSL_CTX_free(c->tls);
    free(c->wire);
    free(c->out);
    free(c);
    return NULL;
}
