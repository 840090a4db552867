/* posternctl signing-key ... */
#include "ask.h"
#include "list.h"

static enum outcome list(struct ctl *c, json_t **out)
{
    enum err e = roster_signing_list(&c->roster, out);

    return e == ERR_OK ? OUTCOME_OK : ctl_fail_err(c, e, "signing keys", NULL);
}

enum outcome ctl_signing_list(struct ctl *c)
{
    return list_run(c, &view_signing, list);
}

enum outcome ctl_signing_rotate(struct ctl *c)
{
    const char *word = ctl_value(c, FLAG_ALGORITHM);
    json_t *key = NULL;
    enum alg alg;
    enum outcome o;
    enum err e;

    if (word != NULL && alg_find(slice_str(word)) == ALG_NONE)
        return ctl_fail(c, OUTCOME_USAGE,
                        "--algorithm: there is no '%s' (ES256, EdDSA, RS256, ...)", word);
    if ((o = ctl_open_roster(c)) != OUTCOME_OK)
        return o;
    alg = alg_find(slice_str(word != NULL ? word : word_text(c->conf->auth.jwt_algorithm)));
    if (ctl_has(c, FLAG_DRY_RUN)) {
        ctl_say(c, "would make a signing key for %.*s", SLICE_FMT(alg_name(alg)));
        return OUTCOME_OK;
    }
    if ((e = roster_signing_rotate(&c->roster, alg, &key)) != ERR_OK)
        return ctl_fail_err(c, e, "new signing key", NULL);
    output_object(c, &view_signing, key);
    json_decref(key);
    return OUTCOME_OK;
}

static enum err try_retire(struct ctl *c, const char *kid)
{
    json_t *keys = NULL;
    enum err e = roster_signing_list(&c->roster, &keys), found = ERR_NOT_FOUND;

    if (e != ERR_OK)
        return e;
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *key = json_array_get(keys, i);

        if (slice_eq(json_text(key, "kid"), slice_str(kid)))
            found = slice_eq(json_text(key, "state"), SLICE("active")) ? ERR_CONFLICT : ERR_OK;
    }
    json_decref(keys);
    return found;
}

enum outcome ctl_signing_retire(struct ctl *c)
{
    const char *kid = c->args[0];
    bool is_trial = ctl_has(c, FLAG_DRY_RUN);
    enum outcome o = is_trial ? OUTCOME_OK : ask_possible(c);
    enum err e;

    if (o != OUTCOME_OK || (o = ctl_open_roster(c)) != OUTCOME_OK)
        return o;
    if (!is_trial &&
        (o = ask_confirm(c, "Retire %s? Every token that it signed ends.", kid)) != OUTCOME_OK)
        return o;
    e = is_trial ? try_retire(c, kid) : roster_signing_retire(&c->roster, slice_str(kid));
    if (e == ERR_CONFLICT)
        return ctl_fail(c, OUTCOME_CONFLICT,
                        "%s signs now: first make another with posternctl signing-key rotate", kid);
    if (e != ERR_OK)
        return ctl_fail_err(c, e, "signing key", kid);
    ctl_say(c, "%s the signing key %s", is_trial ? "would retire" : "retired", kid);
    return OUTCOME_OK;
}
