#include "crypto/password.h"

#include "base/random.h"
#include "base/secret.h"

#include <argon2.h>

enum { SALT_BYTES = 16, HASH_BYTES = 32, ENCODED_MAX = 512 };
/* A record that asks for more is damaged or hostile: it would take the memory or the hour. */
enum { MEMORY_KIB_MAX = 1024 * 1024, ITERATIONS_MAX = 64, LANES_MAX = 16 };

static enum err err_of(int code)
{
    switch (code) {
    case ARGON2_OK:
        return ERR_OK;
    case ARGON2_VERIFY_MISMATCH:
        return ERR_DENIED;
    case ARGON2_MEMORY_ALLOCATION_ERROR:
    case ARGON2_THREAD_FAIL:
        return ERR_UNAVAILABLE;
    default:
        return ERR_SYNTAX;
    }
}

enum err password_hash(struct slice password, const struct password_cost *cost, struct buf *out)
{
    char encoded[ENCODED_MAX];
    unsigned char salt[SALT_BYTES];
    int code;

    if (cost->memory_kib > MEMORY_KIB_MAX || cost->iterations > ITERATIONS_MAX ||
        cost->lanes > LANES_MAX || password.n > UINT32_MAX)
        return ERR_RANGE;
    random_bytes(salt, sizeof(salt));
    code =
        argon2id_hash_encoded(cost->iterations, cost->memory_kib, cost->lanes, password.p,
                              password.n, salt, sizeof(salt), HASH_BYTES, encoded, sizeof(encoded));
    if (code == ARGON2_OK)
        buf_add(out, slice_str(encoded));
    secret_wipe(encoded, sizeof(encoded));
    return code == ARGON2_OK || err_of(code) == ERR_UNAVAILABLE ? err_of(code) : ERR_RANGE;
}

/* Takes "<name>=<number>" off the front of *rest, up to end. */
static bool take_number(struct slice *rest, const char *name, char end, uint64_t max)
{
    struct slice item = slice_cut(rest, end), wanted = slice_str(name);
    uint64_t value;

    return slice_starts(item, wanted) && slice_u64(slice_from(item, wanted.n), max, &value) &&
           value > 0;
}

/* "$argon2id$v=19$m=65536,t=3,p=1$salt$hash" with a bearable cost. */
static bool has_form(struct slice hash)
{
    struct slice start = SLICE("$argon2id$v=19$"), rest = slice_from(hash, start.n);

    return hash.n < ENCODED_MAX && slice_starts(hash, start) &&
           memchr(hash.p, '\0', hash.n) == NULL && take_number(&rest, "m=", ',', MEMORY_KIB_MAX) &&
           take_number(&rest, "t=", ',', ITERATIONS_MAX) &&
           take_number(&rest, "p=", '$', LANES_MAX);
}

enum err password_verify(struct slice password, struct slice hash)
{
    char encoded[ENCODED_MAX];
    int code;

    if (!has_form(hash) || password.n > UINT32_MAX)
        return ERR_SYNTAX;
    memcpy(encoded, hash.p, hash.n);
    encoded[hash.n] = '\0';
    code = argon2id_verify(encoded, password.p, password.n);
    secret_wipe(encoded, sizeof(encoded));
    return err_of(code);
}
