#include "auth/authenticate.h"

#include "base/clock.h"

#include <openssl/x509v3.h>
#include <time.h>

/* A name as it stands in the certificate, by its length: a NUL inside ends nothing (H14). */
static enum err take(const unsigned char *p, int n, struct arena *arena, struct slice *out)
{
    struct slice name = slice_of(p, n > 0 ? (size_t)n : 0);

    if (!name_is_plain(name))
        return ERR_SYNTAX;
    *out = arena_dup(arena, name);
    return ERR_OK;
}

/* An IA5String is ASCII. */
static enum err take_ia5(const ASN1_IA5STRING *text, struct arena *arena, struct slice *out)
{
    const unsigned char *p = ASN1_STRING_get0_data(text);
    int n = ASN1_STRING_length(text);

    for (int i = 0; i < n; i++)
        if (p[i] > 0x7f)
            return ERR_SYNTAX;
    return take(p, n, arena, out);
}

/* Whether name is asked for; wanted NULL: any is. */
static bool is_wanted(const struct texts *wanted, struct slice name)
{
    for (size_t i = 0; wanted != NULL && i < wanted->count; i++)
        if (slice_eq(wanted->items[i], name))
            return true;
    return wanted == NULL;
}

/* The one common name; of several nobody can say which is meant. */
static enum err common_name(X509 *certificate, struct arena *arena, struct slice *out)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1), n;
    unsigned char *text;
    enum err e;

    if (at < 0)
        return ERR_NOT_FOUND;
    if (X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return ERR_SYNTAX;
    n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (n < 0)
        return ERR_SYNTAX;
    e = take(text, n, arena, out);
    OPENSSL_free(text);
    return e;
}

/* The first alternative name of that type that is wanted; all of the type must be clean. */
static enum err alternative_name(X509 *certificate, int type, const struct texts *wanted,
                                 struct arena *arena, struct slice *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    enum err e = ERR_NOT_FOUND, taken = ERR_OK;

    for (int i = 0; names != NULL && taken == ERR_OK && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);
        struct slice name;

        if (one->type != type)
            continue;
        /* DNS, e-mail and URI share the type of their text. */
        taken = take_ia5(one->d.ia5, arena, &name);
        if (taken == ERR_OK && e == ERR_NOT_FOUND && is_wanted(wanted, name)) {
            *out = name;
            e = ERR_OK;
        }
    }
    GENERAL_NAMES_free(names);
    return taken == ERR_OK ? e : taken;
}

static enum err name_of(X509 *certificate, enum word part, const struct texts *wanted,
                        struct arena *arena, struct slice *out)
{
    enum err e;

    switch (part) {
    case CONF_mtls_user_CN:
        e = common_name(certificate, arena, out);
        return e == ERR_OK && !is_wanted(wanted, *out) ? ERR_NOT_FOUND : e;
    case CONF_mtls_user_SAN_DNS:
        return alternative_name(certificate, GEN_DNS, wanted, arena, out);
    case CONF_mtls_user_SAN_EMAIL:
        return alternative_name(certificate, GEN_EMAIL, wanted, arena, out);
    case CONF_mtls_user_SAN_URI:
        return alternative_name(certificate, GEN_URI, wanted, arena, out);
    default:
        return ERR_NOT_FOUND;
    }
}

/* The connection may be older than the certificate's end (incidents T2). */
static enum err end_of(X509 *certificate, int64_t *out_s)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
        return ERR_SYNTAX;
    *out_s = timegm(&tm);
    return clock_wall_s() > *out_s ? ERR_EXPIRED : ERR_OK;
}

enum err authenticate_certificate(X509 *certificate, enum word mtls_user, struct arena *arena,
                                  struct identity **out)
{
    struct identity who = {.method = METHOD_MTLS, .roles = SLICE("user")};
    enum err e = name_of(certificate, mtls_user, NULL, arena, &who.user_id);

    if (e == ERR_OK)
        e = end_of(certificate, &who.expires_s);
    if (e == ERR_OK && user_id_is_ours(who.user_id))
        e = ERR_DENIED;
    if (e != ERR_OK)
        return e;
    who.name = who.user_id;
    *out = identity_new(&who);
    return ERR_OK;
}

bool certificate_has_name(X509 *certificate, const struct texts *wanted, struct arena *arena)
{
    static const enum word parts[] = {CONF_mtls_user_CN, CONF_mtls_user_SAN_DNS,
                                      CONF_mtls_user_SAN_EMAIL, CONF_mtls_user_SAN_URI};
    struct slice name;
    int64_t ends_s;

    if (end_of(certificate, &ends_s) != ERR_OK)
        return false;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (name_of(certificate, parts[i], wanted, arena, &name) == ERR_OK)
            return true;
    return false;
}
