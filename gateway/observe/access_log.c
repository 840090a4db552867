#include "observe/access_log.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLUSH_BYTES = 32 * 1024, HELD_BYTES_MAX = 1024 * 1024 };
/* Of what a client chooses, so that a line stays below PIPE_BUF. */
enum { METHOD_BYTES_MAX = 32, PATH_BYTES_MAX = 1024, TEXT_BYTES_MAX = 256 };

struct access_log {
    int fd;
    bool is_file;
    struct buf lines;
    uint64_t dropped; /* lines, since the last one that says so */
};

struct access_log *access_log_new(int fd)
{
    struct access_log *l = mem_zalloc(sizeof(*l));
    struct stat about;

    l->fd = fd;
    l->is_file = fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
    buf_init(&l->lines);
    return l;
}

void access_log_free(struct access_log *l)
{
    if (l == NULL)
        return;
    access_log_flush(l);
    buf_fini(&l->lines);
    free(l);
}

static void add_text(struct buf *b, const char *before, struct slice value)
{
    if (value.n == 0)
        return;
    buf_add(b, slice_str(before));
    json_add_string(b, value);
}

static struct slice cut(struct slice s, size_t most)
{
    return s.n > most ? slice_to(s, most) : s;
}

static void add_number(struct buf *b, const char *before, int64_t value)
{
    char digits[24], *at = digits + sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        *--at = '-';
    buf_add(b, slice_str(before));
    buf_add(b, slice_of(at, (size_t)(digits + sizeof(digits) - at)));
}

/* Milliseconds with three decimals; nothing for a point that was not reached. */
static void add_ms(struct buf *b, const char *before, int64_t us)
{
    char decimals[4] = {'.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10),
                        (char)('0' + us % 10)};

    if (us < 0)
        return;
    add_number(b, before, us / 1000);
    buf_add(b, slice_of(decimals, sizeof(decimals)));
}

static void add_who(struct buf *b, const struct access_entry *e)
{
    add_text(b, ",\"request_id\":", e->request_id);
    add_text(b, ",\"trace_id\":", e->trace_id);
    add_text(b, ",\"user\":", e->user_id);
    add_text(b, ",\"key_id\":", e->key_id);
    add_text(b, ",\"auth\":", e->auth_method);
    add_text(b, ",\"ip\":", e->client_ip);
    add_text(b, ",\"tls\":", e->tls_version);
    add_text(b, ",\"method\":", cut(e->method, METHOD_BYTES_MAX));
    add_text(b, ",\"host\":", cut(e->host, TEXT_BYTES_MAX));
    add_text(b, ",\"path\":", cut(e->path, PATH_BYTES_MAX));
    add_text(b, ",\"user_agent\":", cut(e->user_agent, TEXT_BYTES_MAX));
}

static void add_outcome(struct buf *b, const struct access_entry *e)
{
    add_text(b, ",\"route\":", e->route);
    add_number(b, ",\"status\":", e->status);
    add_text(b, ",\"problem\":", slice_str(e->problem));
    add_text(b, ",\"reason\":", slice_str(e->reason));
    add_text(b, ",\"close\":", slice_str(e->close_reason));
    add_text(b, ",\"upstream\":", e->upstream);
    add_number(b, ",\"attempts\":", e->attempts);
    add_number(b, ",\"request_bytes\":", (int64_t)e->request_bytes);
    add_number(b, ",\"response_bytes\":", (int64_t)e->response_bytes);
    add_ms(b, ",\"auth_ms\":", e->auth_us);
    add_ms(b, ",\"limit_ms\":", e->limit_us);
    add_ms(b, ",\"upstream_ms\":", e->upstream_us);
    add_ms(b, ",\"first_byte_ms\":", e->first_byte_us);
    add_ms(b, ",\"ms\":", e->total_us);
}

void access_log_add(struct access_log *l, const struct access_entry *e)
{
    char time[RFC3339_CHARS + 1];
    struct buf *b = &l->lines;

    if (l->fd < 0)
        return;
    if (b->n >= HELD_BYTES_MAX) {
        l->dropped++;
        return;
    }
    clock_rfc3339(clock_wall_ms(), time);
    buf_add(b, SLICE("{\"ts\":\""));
    buf_add(b, slice_of(time, RFC3339_CHARS));
    buf_add(b, SLICE("\",\"level\":\"info\",\"msg\":\"access\""));
    add_who(b, e);
    add_outcome(b, e);
    if (l->dropped > 0)
        add_number(b, ",\"lines_dropped\":", (int64_t)l->dropped);
    l->dropped = 0;
    buf_add(b, SLICE("}\n"));
    if (b->n >= FLUSH_BYTES)
        access_log_flush(l);
}

/*
 * What one write(2) takes without tearing a line that another worker's could follow: all of it in
 * a file opened to append, whole lines of PIPE_BUF together elsewhere (POSIX write()).
 */
static struct slice next_piece(const struct access_log *l)
{
    struct slice all = buf_slice(&l->lines);
    size_t end;

    if (l->is_file || all.n <= PIPE_BUF)
        return all;
    for (end = PIPE_BUF; end > 0 && all.p[end - 1] != '\n'; end--)
        ;
    return slice_to(all, end > 0 ? end : slice_find(all, '\n', 0) + 1);
}

static void lose_lines(struct access_log *l)
{
    struct slice lost = buf_slice(&l->lines);

    for (size_t i = 0; i < lost.n; i++)
        l->dropped += lost.p[i] == '\n';
    buf_clear(&l->lines);
}

/* A reader that is too slow keeps the lines here, up to a bound; any other error loses them. */
void access_log_flush(struct access_log *l)
{
    while (l->lines.n > 0) {
        struct slice piece = next_piece(l);
        ssize_t n = write(l->fd, piece.p, piece.n);

        if (n >= 0)
            buf_consume(&l->lines, (size_t)n);
        else if (errno == EAGAIN)
            return;
        else if (errno != EINTR)
            lose_lines(l);
    }
}
