#include "auth/keyring.h"

#include "auth/assertions.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "crypto/jwt.h"

#include <stdlib.h>

struct keyring {
    struct map sets;           /* issuer -> struct keyset, a reference each */
    const struct jwk *signing; /* in the set of the empty issuer */
    uint64_t generation;
    char *jwks; /* the document, made anew with each set of ours */
    struct assertions *assertions;
};

/* On its way to a worker. */
struct handover {
    char *issuer;
    size_t issuer_n;
    struct keyset *set;
    const struct jwk *signing;
};

/* Public halves that still verify; a document without keys is a document too. */
static char *write_jwks(const struct keyset *set)
{
    json_t *keys = json_array(), *document = json_pack("{s:o}", "keys", keys);
    char *text;

    CHECK(document != NULL);
    for (size_t i = 0; set != NULL && i < set->count; i++) {
        const struct jwk *k = set->keys[i];
        json_t *one =
            k->not_after == 0 || k->not_after >= clock_wall_s() ? jwk_public_json(k) : NULL;

        if (one != NULL)
            CHECK(json_array_append_new(keys, one) == 0);
    }
    text = json_dumps(document, JSON_COMPACT);
    CHECK(text != NULL);
    json_decref(document);
    return text;
}

struct keyring *keyring_new(void)
{
    struct keyring *k = mem_zalloc(sizeof(*k));

    map_init(&k->sets);
    k->jwks = write_jwks(NULL);
    k->assertions = assertions_new();
    return k;
}

void keyring_free(struct keyring *k)
{
    size_t cursor = 0;
    struct slice issuer;
    void *set;

    if (k == NULL)
        return;
    while (map_next(&k->sets, &cursor, &issuer, &set))
        keyset_unref(set);
    map_fini(&k->sets);
    assertions_free(k->assertions);
    free(k->jwks);
    free(k);
}

static void install(struct keyring *k, struct slice issuer, struct keyset *set,
                    const struct jwk *signing)
{
    keyset_unref(set != NULL ? map_put(&k->sets, issuer, keyset_ref(set))
                             : map_remove(&k->sets, issuer));
    jwt_forget_keys();
    k->generation++;
    if (issuer.n > 0)
        return;
    k->signing = signing;
    free(k->jwks);
    k->jwks = write_jwks(set);
}

static void on_handover(struct worker *w, void *arg)
{
    struct handover *h = arg;

    if (w->keyring != NULL)
        install(w->keyring, slice_of(h->issuer, h->issuer_n), h->set, h->signing);
    keyset_unref(h->set);
    free(h->issuer);
    free(h);
}

void keyring_post(struct worker *w, struct slice issuer, struct keyset *set,
                  const struct jwk *signing)
{
    struct handover *h = mem_zalloc(sizeof(*h));

    h->issuer = mem_strndup(issuer.p, issuer.n);
    h->issuer_n = issuer.n;
    h->set = set != NULL ? keyset_ref(set) : NULL;
    h->signing = set != NULL ? signing : NULL;
    worker_post(w, on_handover, h);
}

struct keyset *keyring_find(struct keyring *k, struct slice issuer)
{
    return map_get(&k->sets, issuer);
}

uint64_t keyring_generation(const struct keyring *k)
{
    return k->generation;
}

const struct jwk *keyring_signing(struct keyring *k)
{
    return k->signing;
}

struct slice keyring_jwks(struct keyring *k)
{
    return slice_str(k->jwks);
}

struct assertions *keyring_assertions(struct keyring *k)
{
    return k->assertions;
}
