#include "conf/issuer_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

unsigned issuer_algorithms(const struct conf_issuer *c)
{
    unsigned mask = 0;

    for (size_t i = 0; i < c->algorithms.count; i++)
        mask |= 1u << alg_find(c->algorithms.items[i]);
    return mask & ~(1u << ALG_NONE);
}

/* A file of at most JWKS_BYTES_MAX bytes. */
static enum err read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM;
    while ((n = read(fd, buf_room(out, 4096), 4096)) > 0 && out->n <= JWKS_BYTES_MAX)
        buf_commit(out, (size_t)n);
    close(fd);
    if (n < 0)
        return ERR_SYSTEM;
    return n > 0 ? ERR_TOO_LARGE : ERR_OK;
}

/* One key of set for each algorithm that it is fit for: all of one kind, told apart by the token's
 * alg. */
static enum err add_each(struct keyset *set, unsigned mask,
                         enum err (*make)(struct slice text, enum alg alg, struct slice kid,
                                          struct jwk **out),
                         struct slice text)
{
    for (enum alg a = ALG_NONE + 1; a < ALG_COUNT; a++) {
        struct jwk *key;

        if ((mask & 1u << a) == 0 || make(text, a, SLICE_NONE, &key) != ERR_OK)
            continue;
        if (keyset_add(set, key) != ERR_OK)
            return ERR_SYNTAX;
    }
    return set->count > 0 ? ERR_OK : ERR_SYNTAX;
}

/* Somebody else's private key has no business here, and who put it here should hear of it. */
static bool is_private_pem(struct slice text)
{
    return text.n > 0 && memmem(text.p, text.n, "PRIVATE KEY-----", 16) != NULL;
}

static enum err load_single(const struct conf_issuer *c, struct slice text, struct keyset **out)
{
    struct keyset *set = keyset_new();
    enum err e = add_each(set, issuer_algorithms(c),
                          c->secret != NULL ? jwk_from_secret : jwk_from_pem, text);

    if (e == ERR_OK)
        *out = set;
    else
        keyset_unref(set);
    return e;
}

/* The keys of a file that was read. */
static enum err load_text(const struct conf_issuer *c, struct slice text, struct keyset **out,
                          const char **trouble)
{
    size_t skipped;

    *trouble = "no key in it is fit for the algorithms";
    if (c->jwks_file.n > 0)
        return keyset_from_jwks(text, issuer_algorithms(c), out, &skipped);
    if (!is_private_pem(text))
        return load_single(c, text, out);
    *trouble = "holds a private key; only its public half belongs here";
    return ERR_SYNTAX;
}

static enum err load_file(const struct conf_issuer *c, struct slice path, struct keyset **out,
                          struct buf *why)
{
    const char *trouble;
    struct buf text;
    enum err e;

    buf_init(&text);
    e = read_file(path.p, &text);
    trouble = err_text(e);
    if (e == ERR_OK)
        e = load_text(c, buf_slice(&text), out, &trouble);
    if (e != ERR_OK)
        buf_printf(why, "issuer %.*s: %.*s: %s", SLICE_FMT(c->issuer), SLICE_FMT(path), trouble);
    buf_fini(&text);
    return e == ERR_OK ? ERR_OK : ERR_SYNTAX;
}

enum err issuer_load(const struct conf_issuer *c, struct keyset **out, struct buf *why)
{
    if (c->secret == NULL)
        return load_file(c, c->jwks_file.n > 0 ? c->jwks_file : c->key_file, out, why);
    if (load_single(c, secret_slice(c->secret), out) == ERR_OK)
        return ERR_OK;
    buf_printf(why, "issuer %.*s: the secret is not fit for the algorithms", SLICE_FMT(c->issuer));
    return ERR_SYNTAX;
}
