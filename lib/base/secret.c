#include "base/secret.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct secret *secret_new(size_t n)
{
    struct secret *s = mem_alloc(sizeof(*s));

    s->n = n;
    s->p = mem_zalloc(n + 1);
    /* Best effort: RLIMIT_MEMLOCK may be small; the wiping does not depend on it. */
    (void)mlock(s->p, n + 1);
    return s;
}

struct secret *secret_copy(struct slice s)
{
    struct secret *copy = secret_new(s.n);

    if (s.n > 0)
        memcpy(copy->p, s.p, s.n);
    return copy;
}

void secret_free(struct secret *s)
{
    if (s == NULL)
        return;
    secret_wipe(s->p, s->n);
    (void)munlock(s->p, s->n + 1);
    free(s->p);
    free(s);
}

bool secret_equal(struct slice a, struct slice b)
{
    unsigned char different = a.n != b.n;
    size_t n = a.n < b.n ? a.n : b.n;

    for (size_t i = 0; i < n; i++)
        different = (unsigned char)(different | (a.p[i] ^ b.p[i]));
    /* Keeps the compiler from leaving the loop at the first difference. */
    __asm__ volatile("" : "+r"(different));
    return different == 0;
}

void secret_wipe(void *p, size_t n)
{
    if (n > 0)
        explicit_bzero(p, n);
}

enum err secret_read_file(const char *path, size_t max, struct secret **out)
{
    enum err e = ERR_SYSTEM;
    struct secret *s = secret_new(max + 2);
    size_t n = 0;
    ssize_t got;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        e = errno == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM;
        goto out;
    }
    while ((got = read(fd, s->p + n, max + 2 - n)) > 0)
        n += (size_t)got;
    if (got < 0)
        goto out;
    if (n > 0 && s->p[n - 1] == '\n')
        n--;
    if (n > 0 && s->p[n - 1] == '\r')
        n--;
    e = n == 0 ? ERR_SYNTAX : n > max ? ERR_TOO_LARGE : ERR_OK;
    if (e == ERR_OK)
        *out = secret_copy(slice_of(s->p, n));
out:
    if (fd >= 0)
        close(fd);
    secret_free(s);
    return e;
}
