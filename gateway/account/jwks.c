#include "account/endpoint.h"

/* Anyone may read our public keys: services verify assertions and tokens with them (RFC 7517 §5).
 */
enum next account_jwks(struct exchange *x)
{
    reply_add(x, SLICE("Cache-Control"), SLICE("public, max-age=300"));
    return reply_content(x, 200, SLICE("application/jwk-set+json"),
                         arena_dup(&x->arena, keyring_jwks(x->worker->keyring)));
}
