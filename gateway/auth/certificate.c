#include "auth/authenticate.h"

#include "base/clock.h"

#include <openssl/x509v3.h>
#include <time.h>

enum { NAME_BYTES_MAX = 255 };

/*
 * A name as it stands in the certificate, by its length: a NUL or another control byte
 * inside would be read differently by somebody behind us (incidents H14).
 */
static enum err take(const unsigned char *p, int n, bool ascii_only, struct arena *arena,
                     struct slice *out)
{
    struct slice name = slice_of(p, n > 0 ? (size_t)n : 0);

    if (name.n == 0 || name.n > NAME_BYTES_MAX || slice_trim(name).n != name.n)
        return ERR_SYNTAX;
    for (size_t i = 0; i < name.n; i++)
        if (p[i] < ' ' || p[i] == 0x7f || (ascii_only && p[i] > 0x7f))
            return ERR_SYNTAX;
    *out = arena_dup(arena, name);
    return ERR_OK;
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
    e = take(text, n, false, arena, out);
    OPENSSL_free(text);
    return e;
}

/* The first alternative name of that type; all of the type must be clean. */
static enum err alternative_name(X509 *certificate, int type, struct arena *arena,
                                 struct slice *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    enum err e = ERR_NOT_FOUND;

    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);
        const ASN1_IA5STRING *text;
        struct slice name;
        enum err taken;

        if (one->type != type)
            continue;
        text = one->d.ia5; /* DNS, e-mail and URI share the type of their text */
        taken = take(ASN1_STRING_get0_data(text), ASN1_STRING_length(text), true, arena, &name);
        if (taken == ERR_OK && e == ERR_NOT_FOUND)
            *out = name;
        if (taken != ERR_OK || e == ERR_NOT_FOUND)
            e = taken;
    }
    GENERAL_NAMES_free(names);
    return e;
}

static enum err name_of(X509 *certificate, enum word part, struct arena *arena, struct slice *out)
{
    switch (part) {
    case CONF_mtls_user_CN:
        return common_name(certificate, arena, out);
    case CONF_mtls_user_SAN_DNS:
        return alternative_name(certificate, GEN_DNS, arena, out);
    case CONF_mtls_user_SAN_EMAIL:
        return alternative_name(certificate, GEN_EMAIL, arena, out);
    case CONF_mtls_user_SAN_URI:
        return alternative_name(certificate, GEN_URI, arena, out);
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
    enum err e = name_of(certificate, mtls_user, arena, &who.user_id);

    if (e == ERR_OK)
        e = end_of(certificate, &who.expires_s);
    if (e != ERR_OK)
        return e;
    who.name = who.user_id;
    *out = identity_new(&who);
    return ERR_OK;
}
