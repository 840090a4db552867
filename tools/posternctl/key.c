/* posternctl key ... */
#include "ask.h"
#include "check.h"
#include "list.h"

enum { GRACE_S = 24 * 3600 };

static enum outcome finish(const struct ctl *c, enum err e, json_t *key, struct secret *secret)
{
    if (e != ERR_OK)
        return ctl_fail_err(c, e, "key", c->args[0]);
    if (secret != NULL)
        output_secret(c, &view_key, key, "api_key", secret);
    else
        output_object(c, &view_key, key);
    json_decref(key);
    secret_free(secret);
    return OUTCOME_OK;
}

static enum outcome create(struct ctl *c, const struct key_new *k)
{
    struct secret *secret = NULL;
    json_t *key = NULL;
    enum err e;

    e = roster_key_create(&c->roster, k, &key, &secret);
    if (e == ERR_NOT_FOUND)
        return ctl_fail_err(c, e, "user", c->args[0]);
    if (e == ERR_DENIED)
        return ctl_fail(c, OUTCOME_DENIED, "--scope: wider than what the roles of '%s' allow",
                        c->args[0]);
    if (e == ERR_SYNTAX)
        return ctl_fail(c, OUTCOME_USAGE,
                        "--name: at most 100 bytes of UTF-8 without control characters; "
                        "--expires-in: at most 36500d");
    if (e == ERR_OK && k->is_trial) {
        ctl_say(c, "would make a key for %s", c->args[0]);
        return OUTCOME_OK;
    }
    return finish(c, e, key, secret);
}

enum outcome ctl_key_create(struct ctl *c)
{
    struct buf scopes, addresses;
    int64_t life_s = 0;
    enum outcome o;

    ctl_values(c, FLAG_SCOPE, ' ', &scopes);
    ctl_values(c, FLAG_ALLOW_IP, ',', &addresses);
    o = ctl_duration(c, FLAG_EXPIRES_IN, 0, &life_s);
    if (o == OUTCOME_OK && ctl_has(c, FLAG_EXPIRES_IN) && life_s <= 0)
        o = ctl_fail(c, OUTCOME_USAGE, "--expires-in: more than nothing, please");
    if (o == OUTCOME_OK && (o = check_scopes(c, buf_slice(&scopes))) == OUTCOME_OK &&
        (o = check_addresses(c, buf_slice(&addresses))) == OUTCOME_OK &&
        (o = ctl_open_roster(c)) == OUTCOME_OK)
        o = create(c, &(struct key_new){.owner = slice_str(c->args[0]),
                                        .name = slice_str(ctl_value(c, FLAG_NAME)),
                                        .scopes = buf_slice(&scopes),
                                        .expires_in_s = life_s,
                                        .allowed_ips = buf_slice(&addresses),
                                        .is_trial = ctl_has(c, FLAG_DRY_RUN)});
    buf_fini(&scopes);
    buf_fini(&addresses);
    return o;
}

static enum outcome list(struct ctl *c, json_t **out)
{
    const char *owner = c->arg_count > 0 ? c->args[0] : NULL;
    enum err e = roster_key_list(&c->roster, slice_str(owner), out);

    return e == ERR_OK ? OUTCOME_OK : ctl_fail_err(c, e, owner != NULL ? "user" : "keys", owner);
}

enum outcome ctl_key_list(struct ctl *c)
{
    return list_run(c, &view_key, list);
}

enum outcome ctl_key_show(struct ctl *c)
{
    json_t *key = NULL;
    enum outcome o = ctl_open_roster(c);
    enum err e;

    if (o != OUTCOME_OK)
        return o;
    e = roster_key_show(&c->roster, slice_str(c->args[0]), &key);
    return finish(c, e, key, NULL);
}

enum outcome ctl_key_rotate(struct ctl *c)
{
    struct secret *secret = NULL;
    json_t *key = NULL;
    int64_t grace_s;
    enum outcome o;
    enum err e;

    if ((o = ctl_duration(c, FLAG_GRACE, GRACE_S, &grace_s)) != OUTCOME_OK ||
        (o = ctl_open_roster(c)) != OUTCOME_OK)
        return o;
    if (ctl_has(c, FLAG_DRY_RUN)) {
        e = roster_key_show(&c->roster, slice_str(c->args[0]), &key);
        json_decref(key);
        if (e != ERR_OK)
            return ctl_fail_err(c, e, "key", c->args[0]);
        ctl_say(c, "would give the key %s a new secret", c->args[0]);
        return OUTCOME_OK;
    }
    e = roster_key_rotate(&c->roster, slice_str(c->args[0]), grace_s, &key, &secret);
    return finish(c, e, key, secret);
}

enum outcome ctl_key_revoke(struct ctl *c)
{
    bool is_trial = ctl_has(c, FLAG_DRY_RUN);
    struct slice id = slice_str(c->args[0]);
    json_t *key = NULL;
    enum outcome o = is_trial ? OUTCOME_OK : ask_possible(c);
    enum err e;

    if (o != OUTCOME_OK || (o = ctl_open_roster(c)) != OUTCOME_OK)
        return o;
    if ((e = roster_key_show(&c->roster, id, &key)) != ERR_OK)
        return ctl_fail_err(c, e, "key", c->args[0]);
    if (is_trial)
        ctl_say(c, "would revoke the key %s", json_string_value(json_object_get(key, "id")));
    else if ((o = ask_confirm(
                  c, "Revoke the key %s (%s)?", json_string_value(json_object_get(key, "id")),
                  json_text(key, "name").n > 0 ? json_text(key, "name").p : "no name")) ==
             OUTCOME_OK) {
        if ((e = roster_key_revoke(&c->roster, id)) != ERR_OK)
            o = ctl_fail_err(c, e, "key", c->args[0]);
        else
            ctl_say(c, "revoked the key %s", json_string_value(json_object_get(key, "id")));
    }
    json_decref(key);
    return o;
}
