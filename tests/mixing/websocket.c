/* WebSocket (RFC 6455) on both sides: binary frames whose every byte follows from the nonce. */
#include "mixing.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPCODE_BINARY = 0x82, FRAME_MAX = 40000, MASKED = 0x80 };

void websocket_accept(const char *key, char out[32])
{
    unsigned char digest[SHA_DIGEST_LENGTH];
    char text[128];
    const int n = snprintf(text, sizeof(text), "%.60s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);

    SHA1((unsigned char *)text, (size_t)n, digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof(digest));
}

/* mask: four bytes, or NULL from the server. */
static bool send_frame(struct wire *w, unsigned char *body, size_t n, const unsigned char *mask)
{
    unsigned char frame[FRAME_MAX + 16] = {OPCODE_BINARY};
    size_t at = 2;

    if (n < 126) {
        frame[1] = (unsigned char)n;
    } else {
        frame[1] = 126;
        frame[2] = (unsigned char)(n >> 8);
        frame[3] = (unsigned char)n;
        at = 4;
    }
    if (mask != NULL) {
        frame[1] |= MASKED;
        memcpy(frame + at, mask, 4);
        at += 4;
        for (size_t i = 0; i < n; i++)
            body[i] ^= mask[i % 4];
    }
    memcpy(frame + at, body, n);
    return wire_write(w, frame, at + n);
}

/* False: the connection ended. */
static bool receive_frame(struct wire *w, const char *who, unsigned char *body, size_t *n)
{
    unsigned char head[4], mask[4] = {0};

    if (!wire_exactly(w, head, 2))
        return false;
    if (head[0] != OPCODE_BINARY)
        mismatch("%s: a frame began with %02x", who, head[0]);
    *n = head[1] & 0x7f;
    if (*n == 126) {
        if (!wire_exactly(w, head + 2, 2))
            return false;
        *n = (size_t)head[2] << 8 | head[3];
    }
    if (*n > FRAME_MAX)
        mismatch("%s: a frame of %zu", who, *n);
    if ((head[1] & MASKED) != 0 && !wire_exactly(w, mask, 4))
        return false;
    if (!wire_exactly(w, body, *n))
        return false;
    for (size_t i = 0; i < *n; i++)
        body[i] ^= mask[i % 4];
    return true;
}

void websocket_serve(struct wire *w, uint64_t nonce, unsigned user, const char *key)
{
    unsigned char body[FRAME_MAX];
    char head[400], accept[32];
    size_t n, offset = 0;

    websocket_accept(key, accept);
    n = (size_t)snprintf(head, sizeof(head),
                         "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Accept: %s\r\nX-Nonce: %016llx\r\nX-Seen-User: %s\r\n\r\n",
                         accept, (unsigned long long)nonce, roster_user_id(user));
    if (!wire_write(w, head, n))
        return;
    while (receive_frame(w, "server, websocket", body, &n)) {
        content_check("server, websocket", nonce, user, WAY_WS_ASK, false, offset, body, n);
        content_fill(nonce, user, WAY_WS_ANSWER, false, offset, body, n);
        if (!send_frame(w, body, n, NULL))
            return;
        offset += n;
    }
}

/* A stream outlives its credential by a bounded time. */
static void check_end(unsigned user, enum kind kind, const struct credential *shown,
                      int64_t sent_us)
{
    struct credential now;

    roster_get(user, kind, &now);
    if (now.changes != shown->changes && now.standing == STANDING_DEAD &&
        sent_us - now.since_us > run.cut_us)
        mismatch("client, websocket: user %u is served %lld ms after its %s ended", user,
                 (long long)(sent_us - now.since_us) / 1000, kind == KIND_KEY ? "key" : "token");
}

void websocket_client(struct wire *w, uint64_t nonce, unsigned user, enum kind kind,
                      const struct credential *shown, uint64_t *random)
{
    const uint64_t rounds = 1 + draw(random, 12), abort_at = draw(random, 40);
    const bool is_slow = draw(random, 8) == 0;
    unsigned char body[FRAME_MAX];
    struct credential now;
    size_t offset = 0, n, got;

    for (uint64_t i = 0; i < rounds && !run.is_over; i++) {
        const uint64_t mask = draw(random, UINT64_MAX);
        const int64_t sent_us = now_us();

        n = 1 + draw(random, draw(random, 4) == 0 ? FRAME_MAX - 1 : 300);
        content_fill(nonce, user, WAY_WS_ASK, false, offset, body, n);
        if (!send_frame(w, body, n, (const unsigned char *)&mask))
            break;
        if (i == abort_at) {
            run.counts.aborted++;
            return;
        }
        if (!receive_frame(w, "client, websocket", body, &got))
            break;
        if (got != n)
            mismatch("client, websocket: nonce %016llx: a frame of %zu, must be %zu",
                     (unsigned long long)nonce, got, n);
        content_check("client, websocket", nonce, user, WAY_WS_ANSWER, false, offset, body, n);
        check_end(user, kind, shown, sent_us);
        offset += n;
        run.counts.frames++;
        if (is_slow)
            usleep((useconds_t)draw(random, 400000));
        if (i + 1 == rounds)
            return;
    }
    roster_get(user, kind, &now);
    if (run.is_over)
        return;
    /* Announced but not acknowledged: the end may come first. */
    if (now.changes == shown->changes && shown->standing == STANDING_LIVE)
        mismatch("client, websocket: nonce %016llx user %u: ended, and nothing had changed",
                 (unsigned long long)nonce, user);
    run.counts.cut++;
}
