#include "auth/authenticate_own.h"

#include "crypto/apikey.h"
#include "crypto/base64url.h"

/* Scopes are borrowed from the store for as long as this runs. */
static bool judge_token(struct auth_op *op)
{
    struct slice scopes = op->store.token_scopes;

    return authenticate_session(
        op,
        &(struct claim){.method = METHOD_TOKEN, .scopes = scopes, .scopes_limited = scopes.n > 0});
}

/* Only what token_generate() can have made is looked up. */
static bool has_form(struct slice text)
{
    unsigned char bytes[BASE64URL_BYTES(TOKEN_CHARS)];
    size_t n;

    return text.n == TOKEN_CHARS && base64url_decode(text, bytes, &n) == ERR_OK;
}

bool authenticate_token(struct auth_op *op)
{
    unsigned char mac[SHA256_BYTES];

    if (!has_form(op->credential.text))
        return auth_refuse(op, "token_malformed");
    apikey_mac(secret_slice(op->a->master->pepper), op->credential.text, mac);
    return auth_judge(op, store_find_token(op->a->worker->store, mac, &op->store), judge_token);
}
