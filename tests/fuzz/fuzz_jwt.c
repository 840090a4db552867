/* Any bytes as a token: form, peek and verification must agree and never read past the end. */
#include "base/alloc.h"
#include "crypto/jwt.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RFC 7515 A.1, A.3 and RFC 8037 A.2: the corpus holds their tokens. */
static const char *const key_texts[] = {
    "{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":"
    "\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}",
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
};
enum { KEYS = sizeof(key_texts) / sizeof(key_texts[0]) };

static struct jwk *keys[KEYS];

static void read_keys(void)
{
    for (int i = 0; i < KEYS; i++) {
        json_t *object = NULL;

        CHECK(json_read(slice_str(key_texts[i]), 1024, &object) == ERR_OK);
        CHECK(jwk_from_json(object, ~0u, false, &keys[i]) == ERR_OK);
        json_decref(object);
    }
}

static void check_verified(const json_t *claims, const struct jwk *key, const struct jwt_peek *peek)
{
    CHECK(json_is_object(claims));
    CHECK(slice_eq(json_text(claims, "iss"), SLICE("joe")));
    CHECK(slice_eq(peek->issuer, SLICE("joe")));
    CHECK((key->alg_mask & 1u << peek->alg) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct jwt_rules rules = {
        .issuer = SLICE("joe"), .now_s = 1300819000, .expiry_required = true};
    char *copy = mem_alloc(size);
    struct slice token = slice_of(copy, size);
    struct jwt_peek peek;
    enum err peeked;

    if (keys[0] == NULL)
        read_keys();
    if (size > 0)
        memcpy(copy, data, size);
    peeked = jwt_peek(token, &peek);
    if (peeked == ERR_OK)
        CHECK(jwt_has_form(token) && peek.alg != ALG_NONE);
    for (int i = 0; i < KEYS; i++) {
        json_t *claims = NULL;

        if (jwt_verify(token, keys[i], &rules, &claims) == ERR_OK) {
            CHECK(peeked == ERR_OK);
            check_verified(claims, keys[i], &peek);
        } else {
            CHECK(claims == NULL);
        }
        json_decref(claims);
    }
    free(copy);
    return 0;
}
