/* A blocking connection, plain or TLS, with what was read ahead. */
#include "mixing.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

void wire_init(struct wire *w, int fd, SSL *ssl)
{
    const struct timeval limit = {.tv_sec = run.patience_s};
    const int one = 1;

    w->fd = fd;
    w->ssl = ssl;
    w->from = w->to = 0;
    w->has_timed_out = false;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

void wire_fini(struct wire *w)
{
    SSL_free(w->ssl);
    w->ssl = NULL;
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

static ssize_t receive(struct wire *w, void *out, size_t n)
{
    ssize_t got;

    errno = 0;
    if (w->ssl != NULL) {
        got = SSL_read(w->ssl, out, (int)n);
        ERR_clear_error();
    } else {
        got = recv(w->fd, out, n, 0);
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        w->has_timed_out = true;
    return got;
}

static bool fill(struct wire *w)
{
    ssize_t got;

    if (w->from == w->to)
        w->from = w->to = 0;
    got = receive(w, w->buffer + w->to, sizeof(w->buffer) - w->to);
    if (got <= 0)
        return false;
    w->to += (size_t)got;
    return true;
}

size_t wire_some(struct wire *w, void *out, size_t n)
{
    size_t have;

    if (w->from == w->to && !fill(w))
        return 0;
    have = w->to - w->from;
    if (have > n)
        have = n;
    memcpy(out, w->buffer + w->from, have);
    w->from += have;
    return have;
}

bool wire_exactly(struct wire *w, void *out, size_t n)
{
    size_t got;

    for (size_t done = 0; done < n; done += got)
        if ((got = wire_some(w, (char *)out + done, n - done)) == 0)
            return false;
    return true;
}

bool wire_write(struct wire *w, const void *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        const char *at = (const char *)p + done;
        ssize_t sent;

        errno = 0;
        if (w->ssl != NULL) {
            sent = SSL_write(w->ssl, at, (int)(n - done));
            ERR_clear_error();
        } else {
            sent = send(w->fd, at, n - done, MSG_NOSIGNAL);
        }
        if (sent <= 0) {
            w->has_timed_out |= errno == EAGAIN || errno == EWOULDBLOCK;
            return false;
        }
        done += (size_t)sent;
    }
    return true;
}

bool wire_line(struct wire *w, char *out, size_t max)
{
    size_t n = 0;
    char c;

    while (wire_some(w, &c, 1) == 1) {
        if (c == '\n' && n > 0 && out[n - 1] == '\r') {
            out[n - 1] = '\0';
            return true;
        }
        if (n + 1 >= max)
            mismatch("wire: a line longer than %zu, beginning '%.60s'", max, out);
        out[n++] = c;
        out[n] = '\0';
    }
    return false;
}

static void add_field(struct head *h, char *line)
{
    char *colon = strchr(line, ':');

    if (colon == NULL || h->count == FIELDS_MAX)
        mismatch("wire: '%.60s' is no field, after '%.60s'", line, h->first);
    *colon++ = '\0';
    while (*colon == ' ')
        colon++;
    h->names[h->count] = line;
    h->values[h->count++] = colon;
}

bool wire_head(struct wire *w, struct head *h)
{
    size_t used = 0;

    h->count = 0;
    h->first = h->text;
    for (;;) {
        char *line = h->text + used;
        size_t n;

        if (!wire_line(w, line, sizeof(h->text) - used))
            return false;
        if (*line == '\0')
            return true;
        n = strlen(line);
        if (used > 0)
            add_field(h, line);
        used += n + 1;
    }
}

const char *head_find(const struct head *h, const char *name)
{
    const char *found = NULL;

    for (unsigned i = 0; i < h->count; i++) {
        if (strcasecmp(h->names[i], name) != 0)
            continue;
        if (found != NULL)
            mismatch("wire: '%s' twice under '%.60s'", name, h->first);
        found = h->values[i];
    }
    return found;
}
