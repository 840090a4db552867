#include "model/signing.h"

#include "base/alloc.h"
#include "crypto/seal.h"

#include <stdlib.h>

/* What a sealed key is and whose: it opens under no other kid. */
static void seal_context(struct slice kid, struct buf *out)
{
    buf_add(out, SLICE("postern signing key "));
    buf_add(out, kid);
}

enum err signing_record_read(struct slice kid, struct slice text, struct signing_record *out)
{
    struct signing_record s = {.kid = kid};
    struct slice state;
    const json_t *created;
    enum err e = json_read(text, SIGNING_RECORD_BYTES_MAX, &s.object);

    if (e != ERR_OK)
        return e;
    s.alg = alg_find(json_text(s.object, "alg"));
    state = json_text(s.object, "state");
    s.is_active = slice_eq(state, SLICE("active"));
    created = json_object_get(s.object, "created_at");
    s.created_at = json_integer_value(created);
    if (kid.n == 0 || s.alg == ALG_NONE || (!s.is_active && !slice_eq(state, SLICE("retiring"))) ||
        !json_is_integer(created) || json_text(s.object, "key").n == 0) {
        json_decref(s.object);
        return ERR_SYNTAX;
    }
    *out = s;
    return ERR_OK;
}

void signing_record_fini(struct signing_record *s)
{
    json_decref(s->object);
    s->object = NULL;
}

/* Newest first; the kid makes the order of one second's keys the same on every gateway. */
static int by_age(const void *a, const void *b)
{
    const struct signing_record *x = a, *y = b;

    if (x->created_at != y->created_at)
        return x->created_at > y->created_at ? -1 : 1;
    return slice_cmp(y->kid, x->kid);
}

size_t signing_records_read(const struct pair *pairs, size_t count, struct signing_record *out,
                            size_t *skipped)
{
    size_t n = 0;

    *skipped = 0;
    for (size_t i = 0; i < count; i++)
        if (n < SIGNING_KEYS_MAX &&
            signing_record_read(pairs[i].name, pairs[i].value, &out[n]) == ERR_OK)
            n++;
        else
            ++*skipped;
    qsort(out, n, sizeof(*out), by_age);
    return n;
}

static enum err parse_jwk(const struct signing_record *s, struct slice text, struct jwk **out)
{
    json_t *object;
    struct jwk *key = NULL;
    enum err e = json_read(text, SIGNING_RECORD_BYTES_MAX, &object);

    if (e != ERR_OK)
        return e;
    e = jwk_from_json(object, 1u << s->alg, false, &key);
    json_decref(object);
    if (e != ERR_OK)
        return e;
    if (key->alg != s->alg || !slice_eq(key->kid, s->kid)) {
        jwk_free(key);
        return ERR_DENIED;
    }
    *out = key;
    return ERR_OK;
}

static enum err open_key(const struct master *m, const struct signing_record *s, struct jwk **out)
{
    struct secret *text = NULL;
    struct buf context;
    enum err e;

    buf_init(&context);
    seal_context(s->kid, &context);
    e = seal_open(secret_slice(m->seal_key), buf_slice(&context), json_text(s->object, "key"),
                  &text);
    buf_fini(&context);
    if (e == ERR_OK)
        e = parse_jwk(s, secret_slice(text), out);
    secret_free(text);
    return e;
}

/* Opens one key into the set. Its address, or NULL when it does not fit. */
static const struct jwk *add_key(const struct master *m, const struct signing_record *s,
                                 struct keyset *set)
{
    struct jwk *key;

    if (open_key(m, s, &key) != ERR_OK || keyset_add(set, key) != ERR_OK)
        return NULL;
    return key;
}

enum err signing_decode(const struct master *m, const struct pair *pairs, size_t count,
                        struct keyset **set, const struct jwk **signing, size_t *skipped)
{
    struct signing_record *records = mem_zalloc(SIGNING_KEYS_MAX * sizeof(*records));
    struct keyset *all = keyset_new();
    const struct jwk *signer = NULL;
    size_t bad, signer_at = SIZE_MAX;
    size_t n = signing_records_read(pairs, count, records, &bad);

    /* The one that signs goes first: where HS and other keys meet, its family stays (K1). */
    for (size_t i = 0; signer == NULL && i < n; i++)
        if (records[i].is_active && (signer = add_key(m, &records[i], all)) != NULL)
            signer_at = i;
    for (size_t i = 0; i < n; i++) {
        bool is_tried = i < signer_at && records[i].is_active;

        if (i != signer_at && (is_tried || add_key(m, &records[i], all) == NULL))
            bad++;
        signing_record_fini(&records[i]);
    }
    free(records);
    *set = all;
    *signing = signer;
    *skipped = bad;
    return ERR_OK;
}

static enum err seal_key(const struct master *m, const struct jwk *key, struct buf *out)
{
    struct secret *text = jwk_private_text(key);
    struct buf context;
    enum err e;

    buf_init(&context);
    seal_context(key->kid, &context);
    e = seal(secret_slice(m->seal_key), buf_slice(&context), secret_slice(text), out);
    buf_fini(&context);
    secret_free(text);
    return e;
}

enum err signing_make(const struct master *m, enum alg alg, struct slice kid, int64_t created_at,
                      struct buf *out)
{
    struct jwk *key;
    struct buf sealed;
    enum err e = jwk_generate(alg, kid, &key);

    if (e != ERR_OK)
        return e;
    buf_init(&sealed);
    if ((e = seal_key(m, key, &sealed)) == ERR_OK) {
        buf_add(out, SLICE("{\"alg\":"));
        json_add_string(out, alg_name(alg));
        buf_printf(out,
                   ",\"state\":\"active\",\"created_at\":%lld,\"key\":", (long long)created_at);
        json_add_string(out, buf_slice(&sealed));
        buf_add_char(out, '}');
    }
    buf_fini(&sealed);
    jwk_free(key);
    return e;
}
