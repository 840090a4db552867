#include "crypto/jwk.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { JWKS_BYTES_MAX = 1024 * 1024, JWKS_KEYS_MAX = 256 };

struct keyset *keyset_new(void)
{
    struct keyset *set = mem_zalloc(sizeof(*set));

    set->refs = 1;
    return set;
}

struct keyset *keyset_ref(struct keyset *set)
{
    __atomic_add_fetch(&set->refs, 1, __ATOMIC_RELAXED);
    return set;
}

void keyset_unref(struct keyset *set)
{
    if (set == NULL || __atomic_sub_fetch(&set->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < set->count; i++)
        jwk_free(set->keys[i]);
    free(set->keys);
    free(set);
}

enum err keyset_add(struct keyset *set, struct jwk *k)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct jwk *other = set->keys[i];

        if ((k->kid.n > 0 && slice_eq(k->kid, other->kid)) ||
            (k->hmac != NULL) != (other->hmac != NULL)) {
            jwk_free(k);
            return ERR_CONFLICT;
        }
    }
    set->keys = mem_realloc(set->keys, (set->count + 1) * sizeof(struct jwk *));
    set->keys[set->count++] = k;
    return ERR_OK;
}

const struct jwk *keyset_find(const struct keyset *set, struct slice kid, enum alg alg)
{
    const struct jwk *found = NULL;

    if (alg == ALG_NONE)
        return NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct jwk *k = set->keys[i];

        if ((k->alg_mask & 1u << alg) == 0 || (kid.n > 0 && !slice_eq(kid, k->kid)))
            continue;
        if (found != NULL)
            return NULL;
        found = k;
    }
    return found;
}

/* Two usable keys of one name: nobody can say which is meant, so neither counts. */
static void drop_twins(struct jwk **keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool has_twin = false;

        if (keys[i] == NULL || keys[i]->kid.n == 0)
            continue;
        for (size_t j = i + 1; j < count; j++) {
            if (keys[j] == NULL || !slice_eq(keys[i]->kid, keys[j]->kid))
                continue;
            jwk_free(keys[j]);
            keys[j] = NULL;
            has_twin = true;
        }
        if (has_twin) {
            jwk_free(keys[i]);
            keys[i] = NULL;
        }
    }
}

static enum err keys_of(const json_t *list, unsigned allowed, struct keyset **out, size_t *skipped)
{
    struct jwk *keys[JWKS_KEYS_MAX] = {NULL};
    size_t count = json_array_size(list);
    struct keyset *set;

    if (!json_is_array(list) || count > JWKS_KEYS_MAX)
        return ERR_SYNTAX;
    for (size_t i = 0; i < count; i++)
        if (jwk_from_json(json_array_get(list, i), allowed, true, &keys[i]) != ERR_OK)
            keys[i] = NULL;
    drop_twins(keys, count);
    set = keyset_new();
    for (size_t i = 0; i < count; i++)
        if (keys[i] != NULL)
            CHECK(keyset_add(set, keys[i]) == ERR_OK); /* no twins left, and none is symmetric */
    if (set->count == 0) {
        keyset_unref(set);
        return ERR_SYNTAX;
    }
    *skipped = count - set->count;
    *out = set;
    return ERR_OK;
}

enum err keyset_from_jwks(struct slice text, unsigned allowed, struct keyset **out, size_t *skipped)
{
    json_t *document;
    enum err e = json_read(text, JWKS_BYTES_MAX, &document);

    if (e != ERR_OK)
        return e;
    e = keys_of(json_object_get(document, "keys"), allowed, out, skipped);
    json_decref(document);
    return e;
}
