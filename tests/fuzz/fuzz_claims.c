/* Any bytes as the payload of a rightly signed token: what passes must satisfy the rules. */
#include "base/buf.h"
#include "crypto/base64url.h"
#include "crypto/jws.h"
#include "crypto/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW_S = 1700000000, LEEWAY_S = 30 };

static struct jwk *key;

static void add_base64url(struct buf *b, struct slice s)
{
    size_t n = BASE64URL_CHARS(s.n);

    buf_commit(b, base64url_encode(s, buf_room(b, n)));
}

static void sign(struct slice payload, struct buf *token)
{
    unsigned char signature[JWS_SIGNATURE_MAX];
    size_t n;

    buf_init(token);
    add_base64url(token, SLICE("{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}"));
    buf_add_char(token, '.');
    add_base64url(token, payload);
    CHECK(jws_sign(key, buf_slice(token), signature, &n) == ERR_OK);
    buf_add_char(token, '.');
    add_base64url(token, slice_of(signature, n));
}

/* The same question asked in another way than jwt_claims.c asks it. */
static bool is_time_within(const json_t *claims, const char *name, double least, double most)
{
    const json_t *member = json_object_get(claims, name);

    return member == NULL || (json_is_number(member) && json_number_value(member) >= least &&
                              json_number_value(member) < most + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice audiences[] = {SLICE("postern")};
    const struct jwt_rules rules = {.issuer = SLICE("i"),
                                    .audiences = audiences,
                                    .audience_count = 1,
                                    .now_s = NOW_S,
                                    .early_s = LEEWAY_S,
                                    .late_s = LEEWAY_S};
    json_t *claims = NULL;
    struct buf token;

    if (key == NULL)
        CHECK(jwk_from_secret(SLICE("0123456789abcdef0123456789abcdef"), ALG_HS256, SLICE_NONE,
                              &key) == ERR_OK);
    sign(slice_of(data, size), &token);
    if (jwt_verify(buf_slice(&token), key, &rules, &claims) == ERR_OK) {
        CHECK(slice_eq(json_text(claims, "iss"), SLICE("i")));
        CHECK(is_time_within(claims, "exp", NOW_S - LEEWAY_S + 1, 253402300799.0));
        CHECK(is_time_within(claims, "nbf", 0, NOW_S + LEEWAY_S));
        CHECK(is_time_within(claims, "iat", 0, NOW_S + LEEWAY_S));
    } else {
        CHECK(claims == NULL);
    }
    json_decref(claims);
    buf_fini(&token);
    return 0;
}
