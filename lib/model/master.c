#include "model/master.h"

#include "base/alloc.h"
#include "base/random.h"
#include "crypto/base64url.h"
#include "crypto/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MASTER_BYTES = 32, MASTER_CHARS = BASE64URL_CHARS(MASTER_BYTES), FILE_BYTES_MAX = 128 };

static struct secret *derive(struct slice key, const char *purpose)
{
    struct secret *s = secret_new(MASTER_BYTES);

    derive_key(key, purpose, (unsigned char *)s->p, s->n);
    return s;
}

enum err master_from_text(struct slice base64url, struct master **out)
{
    struct secret *key;
    struct master *m;
    size_t n = 0;
    enum err e = ERR_SYNTAX;

    if (base64url.n != MASTER_CHARS)
        return ERR_SYNTAX;
    key = secret_new(BASE64URL_BYTES(MASTER_CHARS));
    if (base64url_decode(base64url, (unsigned char *)key->p, &n) == ERR_OK && n == MASTER_BYTES) {
        m = mem_zalloc(sizeof(*m));
        m->pepper = derive(slice_of(key->p, n), "postern pepper v1");
        m->seal_key = derive(slice_of(key->p, n), "postern seal v1");
        *out = m;
        e = ERR_OK;
    }
    secret_free(key);
    return e;
}

void master_free(struct master *m)
{
    if (m == NULL)
        return;
    secret_free(m->pepper);
    secret_free(m->seal_key);
    free(m);
}

static bool write_all(int fd, struct slice s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);

        if (n < 0 && errno != EINTR)
            return false;
        s = slice_from(s, n > 0 ? (size_t)n : 0);
    }
    return true;
}

/* The name must survive a crash too, or a restart would make another key. */
static bool sync_folder(const char *path)
{
    char *copy = mem_strdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_done = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        (void)close(fd);
    free(copy);
    return is_done;
}

static bool write_key(int fd)
{
    char bytes[MASTER_BYTES], text[MASTER_CHARS + 1];
    bool is_done;

    random_bytes(bytes, sizeof(bytes));
    (void)base64url_encode(slice_of(bytes, sizeof(bytes)), text);
    text[MASTER_CHARS] = '\n';
    is_done = write_all(fd, slice_of(text, sizeof(text))) && fsync(fd) == 0;
    secret_wipe(bytes, sizeof(bytes));
    secret_wipe(text, sizeof(text));
    return is_done;
}

/*
 * A whole file appears under its name or none does: link() fails when another
 * process made one first, and that one then counts.
 */
static enum err make_file(const char *path)
{
    char *draft = NULL;
    enum err e = ERR_SYSTEM;
    int fd;

    if (asprintf(&draft, "%s.XXXXXX", path) < 0)
        return ERR_SYSTEM;
    fd = mkostemp(draft, O_CLOEXEC); /* 0600 */
    if (fd < 0)
        goto out;
    if (write_key(fd) && (link(draft, path) == 0 || errno == EEXIST) && sync_folder(path))
        e = ERR_OK;
    (void)unlink(draft);
    (void)close(fd);
out:
    free(draft);
    return e;
}

static enum err check_mode(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM;
    return S_ISREG(st.st_mode) && (st.st_mode & 077) == 0 ? ERR_OK : ERR_DENIED;
}

enum err master_open(const char *path, bool make, struct master **out)
{
    struct secret *text = NULL;
    enum err e = check_mode(path);

    if (e == ERR_NOT_FOUND && make && (e = make_file(path)) == ERR_OK)
        e = check_mode(path);
    if (e == ERR_OK)
        e = secret_read_file(path, FILE_BYTES_MAX, &text);
    if (e == ERR_OK)
        e = master_from_text(secret_slice(text), out);
    secret_free(text);
    return e;
}
