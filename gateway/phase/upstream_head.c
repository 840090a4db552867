#include "phase/phase.h"

#include "phase/parts.h"

/*
 * Credentials that were shown to us, in any spelling, are not the upstream's business (incidents
 * H12); nor is what a name with '_' becomes behind CGI (H2).
 */
bool upstream_head_strips(const struct route *r, struct slice name)
{
    unsigned flags = header_flags(header_find_folded(name));

    if (header_is_reserved(name))
        return true;
    if ((flags & HEADER_FLAG_CREDENTIAL) != 0)
        return !r->conf->keep_credential;
    /* An alias of a framing name ("Content_Length") would be read by somebody behind us (H2). */
    return (flags & (HEADER_FLAG_FRAMING | HEADER_FLAG_HOP)) != 0;
}

static bool is_stripped(const struct field *f, void *arg)
{
    const struct exchange *x = arg;

    return (!x->policy->conf->server.underscores && slice_find(f->name, '_', 0) < f->name.n) ||
           upstream_head_strips(x->route, f->name);
}

/* Did the client try to say who it is? Worth a line in the audit log. */
static void note_forgery(struct exchange *x)
{
    for (size_t i = 0; i < x->request_head.count; i++) {
        const struct field *f = &x->request_head.fields[i];

        if ((header_flags(header_find_folded(f->name)) & HEADER_FLAG_OURS) == 0)
            continue;
        phase_audit(x, AUDIT_IDENTITY_FORGED, "removed", f->name);
        return;
    }
}

static enum err add_assertion(struct exchange *x, struct head *up)
{
    const struct conf *conf = x->policy->conf;
    struct slice text;
    enum err e;

    if (!conf->auth.assertion || x->who == NULL)
        return ERR_OK;
    e = assertion_write(x->worker->keyring, x->who, conf_token_issuer(conf),
                        conf->upstreams[x->route->upstream].name, conf->auth.assertion_ttl_ms,
                        &x->arena, &text);
    if (e == ERR_OK)
        head_set(up, HEADER_X_AUTH_ASSERTION, text);
    return e;
}

/* Names we own were deleted; now they are set (D11, incidents H1). */
void upstream_head_identify(const struct policy *p, const struct identity *who, struct head *up)
{
    enum word mode = p->conf->auth.mode;

    if (mode != CONF_auth_mode_ENFORCED)
        head_set(up, HEADER_X_POSTERN_MODE, slice_str(word_text(mode)));
    if (who == NULL) {
        head_set(up, HEADER_X_AUTH_METHOD, SLICE("none"));
        return;
    }
    head_set(up, HEADER_X_USER_ID, who->user_id);
    if (who->name.n > 0)
        head_set(up, HEADER_X_USER_NAME, who->name);
    head_set(up, HEADER_X_USER_ROLES, who->roles);
    if (who->scopes_limited)
        head_set(up, HEADER_X_AUTH_SCOPES, who->scopes);
    head_set(up, HEADER_X_AUTH_METHOD, method_name(who->method));
}

/* Rebuilt from what we know, never copied from strangers (incidents H5). */
static void add_forwarded(struct exchange *x, struct head *up)
{
    char ip[ADDR_TEXT_MAX + 1];
    struct slice client = arena_dup(&x->arena, addr_write(&x->client_addr, ip));

    head_set(up, HEADER_X_FORWARDED_FOR, client);
    head_set(up, HEADER_X_REAL_IP, client);
    head_set(up, HEADER_X_FORWARDED_PROTO, x->is_secure ? SLICE("https") : SLICE("http"));
    if (x->request_head.authority.n > 0)
        head_set(up, HEADER_X_FORWARDED_HOST, x->request_head.authority);
    head_set(up, HEADER_X_REQUEST_ID, x->request_id);
}

/* What the upstream will see: the client's fields without what is ours, then ours. */
enum next phase_upstream_head(struct exchange *x)
{
    struct head *up = &x->upstream_head;

    if (x->endpoint != NULL)
        return NEXT_GO;
    if (policy_rewrite(&x->match, &x->path, &x->arena, &x->upstream_target) != ERR_OK ||
        !policy_rewrite_is_allowed(x->policy, &x->match, x->host, x->request_head.method,
                                   x->upstream_target))
        return reply_problem(x, PROBLEM_PATH_INVALID, "rewrite", SLICE_NONE);
    note_forgery(x);
    head_init(up, &x->arena);
    for (size_t i = 0; i < x->request_head.count; i++)
        head_add(up, x->request_head.fields[i].name, x->request_head.fields[i].value);
    up->method = x->request_head.method;
    up->target = x->upstream_target;
    up->authority = x->request_head.authority;
    up->version_minor = 1;
    head_strip_hop_by_hop(up);
    head_remove_if(up, is_stripped, x);
    upstream_head_identify(x->policy, x->who, up);
    add_forwarded(x, up);
    if (add_assertion(x, up) != ERR_OK)
        return reply_problem(x, PROBLEM_STORE_UNAVAILABLE, "no_signing_key", SLICE_NONE);
    return NEXT_GO;
}
