#include "model/keyspace.h"

#include "crypto/digest.h"

enum { HEX_CHARS = 2 * SHA256_BYTES, PLAIN_MAX = 64 };

/* An id of ours, safe inside a key name as it stands: [A-Za-z0-9_-]{1,64}. */
static bool is_plain(struct slice id)
{
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            c != '_' && c != '-')
            return false;
    }
    return id.n > 0 && id.n <= PLAIN_MAX;
}

static struct slice join(const struct keyspace *k, struct arena *a, const char *kind,
                         struct slice rest)
{
    const struct slice parts[] = {k->prefix, slice_str(kind), rest};

    return arena_join(a, parts, sizeof(parts) / sizeof(parts[0]));
}

/* Anything that is no id of ours (a command line, a path) only ever enters as its hash. */
static struct slice join_id(const struct keyspace *k, struct arena *a, const char *kind,
                            struct slice id)
{
    unsigned char digest[SHA256_BYTES];
    char hex[1 + HEX_CHARS + 1] = "!";

    if (is_plain(id))
        return join(k, a, kind, id);
    sha256(id, digest);
    hex_encode(slice_of(digest, sizeof(digest)), hex + 1);
    return join(k, a, kind, slice_of(hex, 1 + HEX_CHARS));
}

static struct slice join_digest(const struct keyspace *k, struct arena *a, const char *kind,
                                const unsigned char digest[32])
{
    char hex[HEX_CHARS + 1];

    hex_encode(slice_of(digest, SHA256_BYTES), hex);
    return join(k, a, kind, slice_of(hex, HEX_CHARS));
}

/* Names differ by more than ASCII case, or are one. */
static struct slice join_folded(const struct keyspace *k, struct arena *a, const char *kind,
                                struct slice name)
{
    unsigned char digest[SHA256_BYTES];
    char *folded = arena_alloc(a, name.n + 1);

    for (size_t i = 0; i < name.n; i++)
        folded[i] = ascii_lower(name.p[i]);
    sha256(slice_of(folded, name.n), digest);
    return join_digest(k, a, kind, digest);
}

struct slice keyspace_user(const struct keyspace *k, struct arena *a, struct slice user_id)
{
    return join_id(k, a, "user:", user_id);
}

struct slice keyspace_user_name(const struct keyspace *k, struct arena *a, struct slice name)
{
    return join_folded(k, a, "user:name:", name);
}

struct slice keyspace_user_email(const struct keyspace *k, struct arena *a, struct slice email)
{
    return join_folded(k, a, "user:email:", email);
}

struct slice keyspace_users(const struct keyspace *k, struct arena *a)
{
    return join(k, a, "users", SLICE_NONE);
}

struct slice keyspace_user_keys(const struct keyspace *k, struct arena *a, struct slice user_id)
{
    return join_id(k, a, "user-keys:", user_id);
}

struct slice keyspace_user_sessions(const struct keyspace *k, struct arena *a, struct slice user_id)
{
    return join_id(k, a, "user-sess:", user_id);
}

struct slice keyspace_key(const struct keyspace *k, struct arena *a, struct slice key_id)
{
    return join_id(k, a, "key:", key_id);
}

struct slice keyspace_session(const struct keyspace *k, struct arena *a, struct slice session_id)
{
    return join_id(k, a, "sess:", session_id);
}

struct slice keyspace_token(const struct keyspace *k, struct arena *a, const unsigned char mac[32])
{
    return join_digest(k, a, "tok:", mac);
}

struct slice keyspace_signing(const struct keyspace *k, struct arena *a)
{
    return join(k, a, "signing", SLICE_NONE);
}

struct slice keyspace_limit(const struct keyspace *k, struct arena *a,
                            const unsigned char digest[32])
{
    return join_digest(k, a, "rl:", digest);
}

struct slice keyspace_used(const struct keyspace *k, struct arena *a, struct slice key_id)
{
    return join_id(k, a, "used:", key_id);
}

struct slice keyspace_meta(const struct keyspace *k, struct arena *a)
{
    return join(k, a, "meta", SLICE_NONE);
}

void keyspace_tracked(const struct keyspace *k, struct arena *a, struct slice out[KEYSPACE_TRACKED])
{
    static const char *const kinds[KEYSPACE_TRACKED] = {
        "user:", "key:", "sess:", "tok:", "signing"};

    for (size_t i = 0; i < KEYSPACE_TRACKED; i++)
        out[i] = join(k, a, kinds[i], SLICE_NONE);
}
