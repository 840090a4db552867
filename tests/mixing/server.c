/* The server behind the daemon: checks who the daemon says is asking, and answers by the nonce. */
#include "mixing.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One request as it arrived. */
struct asked {
    uint64_t nonce;
    unsigned user, kind;
    struct shape shape;
    bool is_websocket;
};

static const char *const method_names[] = {
    [METHOD_GET] = "GET", [METHOD_HEAD] = "HEAD", [METHOD_POST] = "POST", [METHOD_PUT] = "PUT"};

static const char *field(const struct head *h, const char *name)
{
    const char *value = head_find(h, name);

    return value != NULL ? value : "(none)";
}

static void must_be(const struct head *h, const char *name, const char *wanted)
{
    if (strcmp(field(h, name), wanted) != 0)
        mismatch("server: '%s' came with %s '%s', must be '%s' (x-user-id '%s', x-ask '%s')",
                 h->first, name, field(h, name), wanted, field(h, "x-user-id"), field(h, "x-ask"));
}

/* The client wrote into the target who it is; the daemon found it out from the credential. */
static void check_identity(const struct head *h, const struct asked *a)
{
    static const char *const methods[KINDS] = {"api_key", "jwt", "token"};
    char ask[24];

    snprintf(ask, sizeof(ask), "%016llx", (unsigned long long)a->nonce);
    must_be(h, "x-user-id", roster_user_id(a->user));
    must_be(h, "x-user-name", roster_user_name(a->user));
    must_be(h, "x-auth-method", methods[a->kind]);
    must_be(h, "x-ask", ask);
    must_be(h, "authorization", "(none)");
    must_be(h, "x-api-key", "(none)");
}

static void read_target(const struct head *h, struct asked *a)
{
    char method[8], where[4];
    unsigned long long nonce;

    if (sscanf(h->first, "%7s /%3[mw]/%u/%u/%16llx HTTP/1.1", method, where, &a->user, &a->kind,
               &nonce) != 5 ||
        a->user >= roster_users() || a->kind >= KINDS)
        mismatch("server: '%.200s' is no request of ours", h->first);
    a->nonce = nonce;
    a->is_websocket = *where == 'w';
    shape_of(a->nonce, a->user, &a->shape);
    if (strcmp(method, a->is_websocket ? "GET" : method_names[a->shape.method]) != 0)
        mismatch("server: '%s' came with another method", h->first);
}

static bool take_piece(struct wire *w, const struct asked *a, size_t *offset, size_t n)
{
    unsigned char piece[8192];

    while (n > 0) {
        const size_t got = wire_some(w, piece, n < sizeof(piece) ? n : sizeof(piece));

        if (got == 0)
            return false;
        content_check("server", a->nonce, a->user, WAY_ASK, false, *offset, piece, got);
        *offset += got;
        n -= got;
    }
    return true;
}

static bool read_body(struct wire *w, const struct head *h, const struct asked *a)
{
    const char *length = head_find(h, "content-length");
    const bool is_chunked = head_find(h, "transfer-encoding") != NULL;
    size_t offset = 0, n;
    char line[64];

    if (is_chunked)
        do {
            if (!wire_line(w, line, sizeof(line)))
                return false;
            n = strtoul(line, NULL, 16);
            if (!take_piece(w, a, &offset, n) || !wire_line(w, line, sizeof(line)))
                return false;
        } while (n > 0);
    else if (length != NULL && !take_piece(w, a, &offset, strtoul(length, NULL, 10)))
        return false;
    if (offset != a->shape.ask_bytes)
        mismatch("server: '%s' came with a body of %zu, must be %zu", h->first, offset,
                 a->shape.ask_bytes);
    return true;
}

static size_t answer_head(const struct head *h, const struct asked *a, char *out, size_t max)
{
    const struct shape *s = &a->shape;
    char framing[48] = "Transfer-Encoding: chunked\r\n";

    if (s->framing == FRAMING_CLOSE)
        strcpy(framing, "Connection: close\r\n");
    else if (s->status == 204)
        *framing = '\0';
    else if (s->framing == FRAMING_LENGTH)
        snprintf(framing, sizeof(framing), "Content-Length: %zu\r\n", s->answer_bytes);
    return (size_t)snprintf(
        out, max,
        "%sHTTP/1.1 %u X\r\nX-Nonce: %016llx\r\nX-Seen-User: %s\r\nContent-Type: %s\r\n%s%s\r\n",
        s->quirk == QUIRK_INTERIM ? "HTTP/1.1 103 Early\r\nX-Early: 1\r\n\r\n" : "", s->status,
        (unsigned long long)a->nonce, field(h, "x-user-id"),
        s->framing == FRAMING_EVENTS ? "text/event-stream" : "application/octet-stream", framing,
        s->quirk == QUIRK_CLOSES ? "Connection: close\r\n" : "");
}

static void pause_ms(unsigned ms)
{
    usleep(ms * 1000);
}

static size_t with_chunk_frame(const struct shape *s, unsigned char *p, size_t n)
{
    char line[24];
    int k;

    if (s->framing != FRAMING_CHUNKED && s->framing != FRAMING_EVENTS)
        return n;
    k = snprintf(line, sizeof(line), "%zx\r\n", n);
    memmove(p + k, p, n);
    memcpy(p, line, (size_t)k);
    memcpy(p + k + n, "\r\n", 2);
    return n + (size_t)k + 2;
}

/* The body in pieces of any size; the head goes out with the first. */
static bool write_answer(struct wire *w, const struct head *h, const struct asked *a)
{
    const struct shape *s = &a->shape;
    const bool is_chunked = s->framing == FRAMING_CHUNKED || s->framing == FRAMING_EVENTS;
    const size_t stop = s->quirk == QUIRK_BREAKS ? s->break_at : s->answer_bytes;
    uint64_t r = mix(a->nonce + 7);
    static _Thread_local unsigned char piece[80000];
    size_t used = answer_head(h, a, (char *)piece, 1024), n;

    if (s->quirk == QUIRK_SLOW)
        pause_ms((unsigned)draw(&r, 60));
    for (size_t sent = 0; !has_no_body(s) && sent < stop; sent += n) {
        n = 1 + draw(&r, draw(&r, 2) == 0 ? 65536 : 3000);
        if (n > stop - sent)
            n = stop - sent;
        content_fill(a->nonce, a->user, WAY_ANSWER, s->framing == FRAMING_EVENTS, sent,
                     piece + used, n);
        used += with_chunk_frame(s, piece + used, n);
        if (sent + n < stop && !wire_write(w, piece, used))
            return false;
        if (sent + n < stop)
            used = 0;
        if (s->quirk == QUIRK_SLOW && draw(&r, 4) == 0)
            pause_ms((unsigned)draw(&r, 20));
    }
    if (s->quirk == QUIRK_BREAKS) {
        (void)wire_write(w, piece, s->break_at == 0 ? 0 : used);
        return false;
    }
    if (is_chunked && !has_no_body(s)) {
        memcpy(piece + used, "0\r\n\r\n", 5);
        used += 5;
    }
    if (s->quirk == QUIRK_LEFT_OVER) {
        used += (size_t)snprintf((char *)piece + used, 400,
                                 "HTTP/1.1 200 OK\r\nX-Nonce: %016llx\r\nX-Seen-User: %s\r\n"
                                 "Content-Length: 9\r\n\r\nleft-over",
                                 (unsigned long long)a->nonce, field(h, "x-user-id"));
        run.counts.left_over++;
    }
    return wire_write(w, piece, used) && s->quirk != QUIRK_CLOSES && s->framing != FRAMING_CLOSE;
}

static void *serve(void *arg)
{
    struct wire *w = arg;
    struct head *h = malloc(sizeof(*h));
    struct asked a;
    bool has_left_over = false;

    while (wire_head(w, h)) {
        read_target(h, &a);
        check_identity(h, &a);
        if (has_left_over)
            mismatch("server: '%s' came on a connection with bytes left over", h->first);
        run.counts.served++;
        if (a.is_websocket) {
            websocket_serve(w, a.nonce, a.user, field(h, "sec-websocket-key"));
            break;
        }
        if (!read_body(w, h, &a) || !write_answer(w, h, &a))
            break;
        has_left_over = a.shape.quirk == QUIRK_LEFT_OVER;
    }
    wire_fini(w);
    free(w);
    free(h);
    return NULL;
}

static void start_thread(void *(*work)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 1 << 20);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, work, arg) != 0)
        mismatch("server: no thread for a connection");
    pthread_attr_destroy(&attr);
}

static void *accept_all(void *arg)
{
    const int *listener = arg;
    int fd;

    while ((fd = accept4(*listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct wire *w = malloc(sizeof(*w));

        wire_init(w, fd, NULL);
        start_thread(serve, w);
    }
    return NULL;
}

void server_start(void)
{
    static int listener;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&a, n) != 0 ||
        listen(listener, 512) != 0 || getsockname(listener, (struct sockaddr *)&a, &n) != 0)
        mismatch("server: cannot listen on loopback");
    run.server_port = ntohs(a.sin_port);
    start_thread(accept_all, &listener);
}
