#include "crypto/jwt_claims.h"

/* 9999-12-31T23:59:59Z: above it a time is milliseconds or a mistake. */
#define TIME_MAX_S INT64_C(253402300799)

/* Types registered for something that is no grant of access: refused even when any type will do. */
static const char *const foreign_types[] = {
    "dpop+jwt",
    "logout+jwt",
    "secevent+jwt",
    "token-introspection+jwt",
    "jwt-bearer+jwt",
    "client-authentication+jwt",
    "oauth-authz-req+jwt",
    "entity-statement+jwt",
    "trust-mark+jwt",
    "resolve-response+jwt",
    "kb+jwt",
    "openid4vci-proof+jwt",
    "jwk-set+jwt",
    "jose",
    "jose+json",
    "jwe",
    "refresh+jwt",
    "rt+jwt",
    "reset+jwt",
    "verify+jwt",
    "session+jwt",
    "ticket+jwt",
};

static struct slice type_name(struct slice type)
{
    struct slice prefix = SLICE("application/");

    return slice_starts_ci(type, prefix) ? slice_from(type, prefix.n) : type;
}

static bool is_foreign(struct slice type)
{
    for (size_t i = 0; i < sizeof(foreign_types) / sizeof(foreign_types[0]); i++)
        if (slice_eq_ci(type, slice_str(foreign_types[i])))
            return true;
    return false;
}

enum err jwt_check_type(const struct jose_header *header, const struct jwt_rules *rules)
{
    struct slice type = type_name(slice_of(header->type, header->type_n));

    if (!header->has_type)
        return rules->type_required ? ERR_DENIED : ERR_OK;
    if (rules->type_count == 0)
        return is_foreign(type) ? ERR_DENIED : ERR_OK;
    for (size_t i = 0; i < rules->type_count; i++)
        if (slice_eq_ci(type, type_name(rules->types[i])))
            return ERR_OK;
    return ERR_DENIED;
}

static bool is_absent_or_text(const json_t *claims, const char *name)
{
    const json_t *member = json_object_get(claims, name);

    return member == NULL || json_is_string(member);
}

static bool is_ours(struct slice audience, const struct jwt_rules *rules)
{
    for (size_t i = 0; i < rules->audience_count; i++)
        if (slice_eq(audience, rules->audiences[i]))
            return true;
    return false;
}

/* RFC 7519 §4.1.3: one text, or an array of them. */
static enum err check_audience(const json_t *claims, const struct jwt_rules *rules)
{
    const json_t *aud = json_object_get(claims, "aud");
    bool found = false;

    if (json_is_string(aud)) {
        found = is_ours(json_text(claims, "aud"), rules);
    } else if (json_is_array(aud)) {
        for (size_t i = 0; i < json_array_size(aud); i++) {
            const json_t *one = json_array_get(aud, i);

            if (!json_is_string(one))
                return ERR_SYNTAX;
            found |= is_ours(slice_of(json_string_value(one), json_string_length(one)), rules);
        }
    } else if (aud != NULL) {
        return ERR_SYNTAX;
    }
    return found || rules->audience_count == 0 ? ERR_OK : ERR_DENIED;
}

/* A NumericDate (RFC 7519 §2): whole or broken seconds, rounded down. */
static enum err time_of(const json_t *claims, const char *name, bool *has, int64_t *out)
{
    const json_t *member = json_object_get(claims, name);
    double real;

    *has = member != NULL;
    *out = 0;
    if (member == NULL)
        return ERR_OK;
    if (json_is_integer(member)) {
        *out = json_integer_value(member);
        return *out >= 0 && *out <= TIME_MAX_S ? ERR_OK : ERR_SYNTAX;
    }
    if (!json_is_real(member))
        return ERR_SYNTAX;
    real = json_real_value(member);
    if (!(real >= 0 && real <= (double)TIME_MAX_S))
        return ERR_SYNTAX;
    *out = (int64_t)real;
    return ERR_OK;
}

static enum err check_times(const json_t *claims, const struct jwt_rules *rules)
{
    int64_t exp, nbf, iat;
    bool has_exp, has_nbf, has_iat;

    if (time_of(claims, "exp", &has_exp, &exp) != ERR_OK ||
        time_of(claims, "nbf", &has_nbf, &nbf) != ERR_OK ||
        time_of(claims, "iat", &has_iat, &iat) != ERR_OK)
        return ERR_SYNTAX;
    if (!has_exp && rules->expiry_required)
        return ERR_DENIED;
    if (has_exp && rules->now_s - rules->late_s >= exp)
        return ERR_EXPIRED;
    if ((has_nbf && rules->now_s + rules->early_s < nbf) ||
        (has_iat && rules->now_s + rules->early_s < iat))
        return ERR_RANGE;
    return ERR_OK;
}

enum err jwt_check_claims(const json_t *claims, const struct jwt_rules *rules)
{
    struct slice issuer = json_text(claims, "iss");
    enum err e;

    if (!json_is_object(claims) || !is_absent_or_text(claims, "iss") ||
        !is_absent_or_text(claims, "sub") || !is_absent_or_text(claims, "jti"))
        return ERR_SYNTAX;
    if (issuer.n == 0 || !slice_eq(issuer, rules->issuer))
        return ERR_DENIED;
    if ((e = check_audience(claims, rules)) != ERR_OK)
        return e;
    return check_times(claims, rules);
}
