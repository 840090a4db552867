/*
 * The two ends of a load on 127.0.0.1: fast, so that the gateway between them is what is measured.
 *
 *   parties upstream
 *       serves GET /down/BYTES, POST /up, POST /slow/KIB_PER_SECOND, and POST /any, which takes
 *       what comes and never answers; prints its port
 *   parties down PORT plain|tls BYTES
 *       prints the bytes that came as they should
 *   parties up PORT plain|tls BYTES COUNT PATH
 *       COUNT at once; prints how many were taken whole
 *   parties idle PORT plain|tls COUNT
 *       one request on each, prints "held N"; at the end of its input one more, prints "again N"
 *   parties flood PORT FROM COUNT SECRET FIELD...
 *       one request a number, with each FIELD in turn, pipelined; prints lines "STATUS COUNT"
 *
 * Bodies follow a pattern whose period is no power of two; each byte is compared where it arrives.
 *
 * In a FIELD these runs are filled in:
 *   #            digits of the number
 *   12 of %      nine digits of it in base64url
 *   6 of ~       the checksum of the API key before it
 *   43 of ^      HS256 under SECRET of the token before it
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    PERIOD = 65521,
    HEAD_MAX = 32768,
    FLOOD_CONNECTIONS = 4,
    FLOOD_WINDOW = 32,
    SLOW_START_MS =
        2000, /* a slow upstream reads nothing at first, so every buffer before it fills */
    STATUS_MOST = 600,
    KEY_SUM_AT = 55
};

struct peer {
    int fd;
    SSL *ssl; /* NULL: plain */
    char held[HEAD_MAX];
    size_t held_bytes;
};

struct answer {
    int status;
    uint64_t length;
};

static char pattern[2 * PERIOD];
static SSL_CTX *tls;
static uint16_t port;

static void fail(const char *what)
{
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

static void make_pattern(void)
{
    uint32_t x = 1;

    for (size_t i = 0; i < PERIOD; i++) {
        x = x * 1664525 + 1013904223;
        pattern[i] = pattern[i + PERIOD] = (char)(x >> 24);
    }
}

/* ------- one end of a connection ------- */

static struct peer *peer_open(void)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct peer *p = calloc(1, sizeof(*p));
    int on = 1;

    if (p == NULL || (p->fd = socket(AF_INET, SOCK_STREAM, 0)) < 0 ||
        connect(p->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        fail("connect");
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (tls == NULL)
        return p;
    p->ssl = SSL_new(tls);
    if (p->ssl == NULL || SSL_set_fd(p->ssl, p->fd) != 1 ||
        SSL_set_tlsext_host_name(p->ssl, "localhost") != 1 || SSL_connect(p->ssl) != 1)
        fail("handshake");
    return p;
}

static void peer_close(struct peer *p)
{
    SSL_free(p->ssl);
    close(p->fd);
    free(p);
}

static ssize_t peer_read(struct peer *p, char *to, size_t room)
{
    return p->ssl != NULL ? SSL_read(p->ssl, to, (int)room) : read(p->fd, to, room);
}

static bool peer_write(struct peer *p, const char *from, size_t n)
{
    while (n > 0) {
        const ssize_t done =
            p->ssl != NULL ? SSL_write(p->ssl, from, (int)n) : send(p->fd, from, n, MSG_NOSIGNAL);

        if (done <= 0)
            return false;
        from += done;
        n -= (size_t)done;
    }
    return true;
}

static bool send_pattern(struct peer *p, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes;) {
        const size_t n = bytes - at < PERIOD ? (size_t)(bytes - at) : PERIOD;

        if (!peer_write(p, pattern + at % PERIOD, n))
            return false;
        at += n;
    }
    return true;
}

/* The bytes of a body that are as they should be: all, or it broke off or was changed there. */
static uint64_t take_pattern(struct peer *p, uint64_t bytes, unsigned kib_per_s)
{
    char piece[PERIOD];
    uint64_t at = 0;

    while (at < bytes) {
        const size_t room = bytes - at < PERIOD ? (size_t)(bytes - at) : PERIOD;
        ssize_t n;

        if (p->held_bytes > 0) {
            n = (ssize_t)(p->held_bytes < room ? p->held_bytes : room);
            memcpy(piece, p->held, (size_t)n);
            p->held_bytes -= (size_t)n;
            memmove(p->held, p->held + n, p->held_bytes);
        } else {
            n = peer_read(p, piece, room);
        }
        if (n <= 0 || memcmp(piece, pattern + at % PERIOD, (size_t)n) != 0)
            return at;
        at += (uint64_t)n;
        if (kib_per_s > 0)
            sleep_ms((unsigned)(n / kib_per_s) + 1);
    }
    return at;
}

/* A head with its NUL; what came behind it stays held. False: the connection ended. */
static bool read_head(struct peer *p, char out[HEAD_MAX])
{
    for (;;) {
        char *end = memmem(p->held, p->held_bytes, "\r\n\r\n", 4);
        ssize_t n;

        if (end != NULL) {
            const size_t bytes = (size_t)(end - p->held) + 4;

            memcpy(out, p->held, bytes - 1);
            out[bytes - 1] = '\0';
            p->held_bytes -= bytes;
            memmove(p->held, p->held + bytes, p->held_bytes);
            return true;
        }
        if (p->held_bytes == HEAD_MAX)
            return false;
        n = peer_read(p, p->held + p->held_bytes, HEAD_MAX - p->held_bytes);
        if (n <= 0)
            return false;
        p->held_bytes += (size_t)n;
    }
}

static uint64_t length_of(const char *head)
{
    const char *at = strcasestr(head, "\r\ncontent-length:");

    return at != NULL ? strtoull(at + 17, NULL, 10) : 0;
}

static bool read_answer(struct peer *p, struct answer *out)
{
    char head[HEAD_MAX];

    if (!read_head(p, head) || sscanf(head, "HTTP/1.1 %d", &out->status) != 1)
        return false;
    out->length = length_of(head);
    return true;
}

/* Takes a small body and drops it. */
static bool skip_body(struct peer *p, uint64_t bytes)
{
    while (p->held_bytes < bytes) {
        const ssize_t n = peer_read(p, p->held + p->held_bytes, HEAD_MAX - p->held_bytes);

        if (n <= 0)
            return false;
        p->held_bytes += (size_t)n;
    }
    p->held_bytes -= bytes;
    memmove(p->held, p->held + bytes, p->held_bytes);
    return true;
}

static bool ask(struct peer *p)
{
    static const char get[] = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct answer a;

    return peer_write(p, get, sizeof(get) - 1) && read_answer(p, &a) && a.status == 200 &&
           skip_body(p, a.length);
}

/* ------- the upstream ------- */

static bool serve_one(struct peer *p, const char *head)
{
    char text[128];
    uint64_t down = 0, length = length_of(head);
    unsigned kib_per_s = 0;

    if (sscanf(head, "GET /down/%lu", &down) == 1) {
        snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %lu\r\n\r\n", down);
        return peer_write(p, text, strlen(text)) && send_pattern(p, down);
    }
    if (strncmp(head, "POST /any ", 10) == 0) {
        while (peer_read(p, text, sizeof(text)) > 0)
            continue;
        return false;
    }
    if (sscanf(head, "POST /slow/%u", &kib_per_s) == 1)
        sleep_ms(SLOW_START_MS);
    if (take_pattern(p, length, kib_per_s) != length)
        return false;
    return peer_write(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 40);
}

static void *serve(void *arg)
{
    struct peer *p = arg;
    char head[HEAD_MAX];

    while (read_head(p, head) && serve_one(p, head))
        continue;
    peer_close(p);
    return NULL;
}

static void start(pthread_t *out, void *(*run)(void *), void *arg)
{
    pthread_attr_t small;

    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    if (pthread_create(out, &small, run, arg) != 0)
        fail("pthread_create");
    pthread_attr_destroy(&small);
}

static void run_upstream(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(listener, 1024) != 0 || getsockname(listener, (struct sockaddr *)&at, &bytes) != 0)
        fail("listen");
    printf("%u\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        struct peer *p = calloc(1, sizeof(*p));
        pthread_t thread;

        if (p == NULL || (p->fd = accept(listener, NULL, NULL)) < 0)
            fail("accept");
        start(&thread, serve, p);
        pthread_detach(thread);
    }
}

/* ------- clients ------- */

static void run_down(uint64_t bytes)
{
    struct peer *p = peer_open();
    struct answer a = {0};
    char text[128];

    snprintf(text, sizeof(text), "GET /down/%lu HTTP/1.1\r\nHost: localhost\r\n\r\n", bytes);
    if (!peer_write(p, text, strlen(text)) || !read_answer(p, &a) || a.status != 200)
        fail("no answer");
    printf("%lu\n", take_pattern(p, a.length, 0));
    peer_close(p);
}

static struct {
    uint64_t bytes;
    const char *path;
    atomic_uint taken;
} upload;

static void *send_upload(void *arg)
{
    struct peer *p = peer_open();
    struct answer a;
    char text[256];
    bool is_sent;

    snprintf(text, sizeof(text),
             "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %lu\r\n\r\n", upload.path,
             upload.bytes);
    is_sent = peer_write(p, text, strlen(text)) && send_pattern(p, upload.bytes);
    if (!read_answer(p, &a))
        a.status = 0;
    if (is_sent && a.status == 200)
        upload.taken++;
    else
        fprintf(stderr, "upload: %s, status %d\n", is_sent ? "sent whole" : "broke off", a.status);
    peer_close(p);
    return arg;
}

static void run_up(unsigned count)
{
    pthread_t *threads = calloc(count, sizeof(*threads));

    if (threads == NULL)
        fail("calloc");
    for (unsigned i = 0; i < count; i++)
        start(&threads[i], send_upload, NULL);
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("%u\n", atomic_load(&upload.taken));
    free(threads);
}

static void run_idle(unsigned count)
{
    struct peer **peers = calloc(count, sizeof(*peers));
    unsigned held = 0, again = 0;

    if (peers == NULL)
        fail("calloc");
    for (unsigned i = 0; i < count; i++) {
        peers[i] = peer_open();
        held += ask(peers[i]);
    }
    printf("held %u\n", held);
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    for (unsigned i = 0; i < count; i++)
        again += ask(peers[i]);
    printf("again %u\n", again);
    for (unsigned i = 0; i < count; i++)
        peer_close(peers[i]);
    free(peers);
}

/* ------- one credential a number ------- */

static struct {
    unsigned from, count, fields_count;
    char **fields;
    const char *secret;
    atomic_uint seen[STATUS_MOST];
} flood;

static void encode(const unsigned char *from, size_t n, char *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    unsigned have = 0;

    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | from[i];
        for (have += 8; have >= 6; have -= 6)
            *to++ = digits[bits >> (have - 6) & 63];
    }
    if (have > 0)
        *to = digits[bits << (6 - have) & 63];
}

static void key_sum(const char *key, char *to)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < KEY_SUM_AT; i++) {
        crc ^= (unsigned char)key[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320 & -(crc & 1));
    }
    crc = ~crc;
    for (int i = 5; i >= 0; i--, crc /= 62)
        to[i] = digits[crc % 62];
}

static void sign(char *token, char *to)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned bytes;

    HMAC(EVP_sha256(), flood.secret, (int)strlen(flood.secret), (unsigned char *)token,
         (size_t)(to - 1 - token), mac, &bytes);
    encode(mac, bytes, to);
}

/* Fills the runs of a field in, from left to right. */
static void fill(char *field, unsigned number)
{
    char *value = strrchr(field, ' ') + 1, digits[32];

    snprintf(digits, sizeof(digits), "%09u", number);
    for (char *at = value; *at != '\0'; at++) {
        const size_t run = strspn(at, (char[]){*at, '\0'});

        if (*at == '#' && run <= 9)
            memcpy(at, digits + 9 - run, run);
        else if (*at == '%' && run == 12)
            encode((unsigned char *)digits, 9, at);
        else if (*at == '~' && run == 6)
            key_sum(at - KEY_SUM_AT, at);
        else if (*at == '^' && run == 43)
            sign(value, at);
    }
}

static bool flood_window(struct peer *p, unsigned from, unsigned count)
{
    char text[FLOOD_WINDOW * 2048];
    size_t n = 0;

    for (unsigned i = from; i < from + count; i++) {
        char field[1536];

        snprintf(field, sizeof(field), "%s", flood.fields[i % flood.fields_count]);
        fill(field, i);
        n += (size_t)snprintf(text + n, sizeof(text) - n,
                              "GET /x HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n", field);
    }
    if (!peer_write(p, text, n))
        return false;
    for (unsigned i = 0; i < count; i++) {
        struct answer a;

        if (!read_answer(p, &a) || a.status < 0 || a.status >= STATUS_MOST ||
            !skip_body(p, a.length))
            return false;
        flood.seen[a.status]++;
    }
    return true;
}

static void *flood_part(void *arg)
{
    const unsigned part = (unsigned)(uintptr_t)arg, each = flood.count / FLOOD_CONNECTIONS;
    const unsigned from = flood.from + part * each;
    struct peer *p = peer_open();

    for (unsigned done = 0; done < each;) {
        const unsigned n = each - done < FLOOD_WINDOW ? each - done : FLOOD_WINDOW;

        if (!flood_window(p, from + done, n))
            fail("the flood broke off");
        done += n;
    }
    peer_close(p);
    return NULL;
}

static void run_flood(void)
{
    pthread_t threads[FLOOD_CONNECTIONS];

    for (unsigned i = 0; i < FLOOD_CONNECTIONS; i++)
        start(&threads[i], flood_part, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < FLOOD_CONNECTIONS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < STATUS_MOST; i++)
        if (flood.seen[i] > 0)
            printf("%d %u\n", i, atomic_load(&flood.seen[i]));
}

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    signal(SIGPIPE, SIG_IGN);
    make_pattern();
    port = argc > 2 ? (uint16_t)number(argv[2]) : 0;
    if (argc > 3 && strcmp(argv[3], "tls") == 0 && (tls = SSL_CTX_new(TLS_client_method())) == NULL)
        fail("SSL_CTX_new");
    if (strcmp(what, "upstream") == 0) {
        run_upstream();
    } else if (strcmp(what, "down") == 0 && argc == 5) {
        run_down(strtoull(argv[4], NULL, 10));
    } else if (strcmp(what, "up") == 0 && argc == 7) {
        upload.bytes = strtoull(argv[4], NULL, 10);
        upload.path = argv[6];
        run_up(number(argv[5]));
    } else if (strcmp(what, "idle") == 0 && argc == 5) {
        run_idle(number(argv[4]));
    } else if (strcmp(what, "flood") == 0 && argc > 6) {
        flood.from = number(argv[3]);
        flood.count = number(argv[4]);
        flood.secret = argv[5];
        flood.fields = argv + 6;
        flood.fields_count = (unsigned)argc - 6;
        run_flood();
    } else {
        fprintf(stderr, "see the head of parties.c\n");
        return 2;
    }
    return 0;
}
