#include "base/random.h"

#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

static void (*source)(void *p, size_t n);

/* Small requests are served from a thread's own stock: one system call for many ids. */
static _Thread_local struct {
    unsigned char bytes[256];
    size_t left;
} stock;

static void from_kernel(void *p, size_t n)
{
    char *at = p;

    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        CHECK(got > 0);
        at += got;
        n -= (size_t)got;
    }
}

void random_bytes(void *p, size_t n)
{
    if (source != NULL) {
        source(p, n);
        return;
    }
    if (n > 16) { /* keys and tokens: never parked in memory */
        from_kernel(p, n);
        return;
    }
    if (stock.left < n) {
        from_kernel(stock.bytes, sizeof(stock.bytes));
        stock.left = sizeof(stock.bytes);
    }
    stock.left -= n;
    memcpy(p, stock.bytes + stock.left, n);
    explicit_bzero(stock.bytes + stock.left, n);
}

void random_set_source(void (*fill)(void *p, size_t n))
{
    source = fill;
}

void random_uuid7(char out[UUID_CHARS + 1])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char b[16];
    uint64_t ms = (uint64_t)clock_wall_ms();
    size_t o = 0;

    random_bytes(b, sizeof(b));
    for (int i = 0; i < 6; i++)
        b[i] = (unsigned char)(ms >> (40 - 8 * i));
    b[6] = (unsigned char)(0x70 | (b[6] & 0x0f));
    b[8] = (unsigned char)(0x80 | (b[8] & 0x3f));
    for (size_t i = 0; i < sizeof(b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[o++] = '-';
        out[o++] = hex[b[i] >> 4];
        out[o++] = hex[b[i] & 15];
    }
    out[o] = '\0';
}

void random_id(char out[ID_CHARS + 1])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char r[16];
    uint64_t ms = (uint64_t)clock_wall_ms();

    random_bytes(r, sizeof(r));
    for (int i = 0; i < 10; i++)
        out[i] = digits[(ms >> (45 - 5 * i)) & 31];
    for (int i = 0; i < 16; i++)
        out[10 + i] = digits[r[i] & 31];
    out[ID_CHARS] = '\0';
}
