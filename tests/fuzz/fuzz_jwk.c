/* Any bytes as one key, JWK or PEM: what is taken must be writable and read back the same. */
#include "base/alloc.h"
#include "base/secret.h"
#include "crypto/jwk.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KEY_BYTES_MAX = 64 * 1024 };

static void check_public(const struct jwk *k)
{
    json_t *object = jwk_public_json(k);
    struct jwk *back = NULL;

    CHECK((object == NULL) == (k->pkey == NULL));
    if (object == NULL)
        return;
    CHECK(jwk_from_json(object, k->alg_mask, true, &back) == ERR_OK);
    CHECK(back->alg_mask == k->alg_mask && slice_eq(back->kid, k->kid));
    jwk_free(back);
    json_decref(object);
}

static void check_key(const struct jwk *k)
{
    CHECK(k->alg_mask != 0 && (k->alg_mask & 1) == 0);
    CHECK((k->pkey == NULL) != (k->hmac == NULL));
    check_public(k);
    secret_free(jwk_private_text(k));
}

static void try_json(struct slice text)
{
    struct jwk *k = NULL;
    json_t *object;

    if (json_read(text, KEY_BYTES_MAX, &object) != ERR_OK)
        return;
    for (int is_public_only = 0; is_public_only < 2; is_public_only++) {
        if (jwk_from_json(object, ~0u, is_public_only, &k) != ERR_OK)
            continue;
        CHECK(!is_public_only || k->hmac == NULL);
        check_key(k);
        jwk_free(k);
    }
    json_decref(object);
}

static void try_pem(struct slice text)
{
    static const enum alg algs[] = {ALG_RS256, ALG_ES256, ALG_ES384, ALG_EDDSA};
    struct jwk *k = NULL;

    for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
        if (jwk_from_pem(text, algs[i], SLICE("p"), &k) != ERR_OK)
            continue;
        CHECK(k->alg == algs[i] && k->pkey != NULL);
        secret_free(jwk_private_text(k));
        jwk_free(k);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = mem_alloc(size);

    if (size > 0)
        memcpy(copy, data, size);
    if (slice_starts(slice_of(copy, size), SLICE("-----")))
        try_pem(slice_of(copy, size));
    else
        try_json(slice_of(copy, size));
    free(copy);
    return 0;
}
