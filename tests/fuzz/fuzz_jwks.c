/* Any bytes as a key document: what is taken obeys the rules of a set. */
#include "base/alloc.h"
#include "crypto/jwk.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_key(const struct keyset *set, size_t index)
{
    const struct jwk *k = set->keys[index];

    CHECK(k->pkey != NULL && k->hmac == NULL && k->alg_mask != 0);
    for (size_t i = 0; i < index; i++)
        CHECK(k->kid.n == 0 || !slice_eq(k->kid, set->keys[i]->kid));
    for (int a = ALG_NONE; a < ALG_COUNT; a++) {
        const struct jwk *found = keyset_find(set, k->kid, (enum alg)a);

        CHECK(found == NULL || (found->alg_mask & 1u << a) != 0);
        if (k->kid.n > 0)
            CHECK((found == k) == (a != ALG_NONE && (k->alg_mask & 1u << a) != 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = mem_alloc(size);
    struct keyset *set = NULL;
    size_t skipped = 0;

    if (size > 0)
        memcpy(copy, data, size);
    if (keyset_from_jwks(slice_of(copy, size), ~0u, &set, &skipped) == ERR_OK) {
        CHECK(set->count > 0 && set->count + skipped <= 256);
        for (size_t i = 0; i < set->count; i++)
            check_key(set, i);
        keyset_unref(set);
    } else {
        CHECK(set == NULL);
    }
    free(copy);
    return 0;
}
