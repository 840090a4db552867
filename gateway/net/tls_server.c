#include "net/tls_own.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/map.h"
#include "crypto/tls_file.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { NAME_MAX_BYTES = 255, SESSION_LIFE_S = 12 * 3600, CONTEXT_ID_BYTES = 32 };

struct tls_server {
    atomic_uint refs;
    SSL_CTX **contexts; /* one a certificate, or a pair of two kinds of key; owned */
    size_t count;
    struct map names; /* "host" or "*.parent", lower case, to its SSL_CTX (borrowed) */
    /* SHA-256 of what separates this listener's sessions from others: its id, its client
     * authorities */
    unsigned char base_id[CONTEXT_ID_BYTES];
    int64_t not_after_s;
};

/* In order of preference. HTTP/2 joins here, in front, when wire/ speaks it. */
static const unsigned char PROTOCOLS[] = "\x08http/1.1\x08http/1.0";

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int server_index; /* of the reference that an SSL holds to its tls_server */

static void on_ssl_free(void *parent, void *value, CRYPTO_EX_DATA *data, int index, long argl,
                        void *argp)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    tls_server_unref(value);
}

static void start(void)
{
    server_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_ssl_free);
    CHECK(server_index >= 0);
}

/* SHA-256 over the base and what is asked for. */
static void digest2(struct slice a, struct slice b, unsigned char out[CONTEXT_ID_BYTES])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    CHECK(md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1);
    CHECK(EVP_DigestUpdate(md, a.p, a.n) == 1 && EVP_DigestUpdate(md, b.p, b.n) == 1);
    CHECK(EVP_DigestFinal_ex(md, out, NULL) == 1);
    EVP_MD_CTX_free(md);
}

/*
 * The host name in a server_name extension (RFC 6066 §3), lower case.
 * A list with anything but one host_name is not from a client we know.
 */
static bool parse_server_name(struct slice ext, char out[NAME_MAX_BYTES + 1], size_t *n)
{
    const unsigned char *p = (const unsigned char *)ext.p;

    if (ext.n < 5 || (size_t)(p[0] << 8 | p[1]) != ext.n - 2 || p[2] != TLSEXT_NAMETYPE_host_name)
        return false;
    *n = (size_t)(p[3] << 8 | p[4]);
    if (*n != ext.n - 5 || *n == 0 || *n > NAME_MAX_BYTES || memchr(p + 5, '\0', *n) != NULL)
        return false;
    for (size_t i = 0; i < *n; i++)
        out[i] = ascii_lower((char)p[5 + i]);
    out[*n] = '\0';
    return true;
}

/* The certificate for name: its own, or a wildcard's one label up; else the default. */
static SSL_CTX *choose(const struct tls_server *t, struct slice name)
{
    SSL_CTX *found = map_get(&t->names, name);
    const size_t dot = slice_find(name, '.', 0);

    if (found == NULL && dot > 0 && dot < name.n) {
        char wild[NAME_MAX_BYTES + 2];

        wild[0] = '*';
        memcpy(wild + 1, name.p + dot, name.n - dot);
        found = map_get(&t->names, slice_of(wild, 1 + name.n - dot));
    }
    return found != NULL ? found : t->contexts[0];
}

/*
 * Before anything else of the ClientHello is looked at, so that the session id
 * context is in place when a ticket is opened: a session belongs to a listener,
 * a server name and a set of client authorities (incidents T1). OpenSSL calls this
 * with the whole message, however it was fragmented (T4).
 */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
    const struct tls_server *t = SSL_get_ex_data(ssl, server_index);
    const unsigned char *ext;
    size_t ext_bytes, n = 0;
    char name[NAME_MAX_BYTES + 1];
    unsigned char id[CONTEXT_ID_BYTES];

    (void)arg;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &ext, &ext_bytes) == 1 &&
        !parse_server_name(slice_of(ext, ext_bytes), name, &n)) {
        *alert = SSL_AD_DECODE_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (n > 0)
        SSL_set_SSL_CTX(ssl, choose(t, slice_of(name, n)));
    digest2(slice_of(t->base_id, sizeof(t->base_id)), slice_of(name, n), id);
    if (SSL_set_session_id_context(ssl, id, sizeof(id)) != 1) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* Says yes to whichever name was chosen above: OpenSSL then keeps it in the session. */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    (void)ssl;
    (void)alert;
    (void)arg;
    return SSL_TLSEXT_ERR_OK;
}

/* RFC 7301 §3.2: a client that names protocols, none of them ours, is told so. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                   const unsigned char *in, unsigned in_bytes, void *arg)
{
    unsigned char *chosen;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_bytes, PROTOCOLS, sizeof(PROTOCOLS) - 1, in, in_bytes) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* A session does not outlive the client's certificate (incidents T2). */
static SSL_TICKET_RETURN on_ticket_opened(SSL *ssl, SSL_SESSION *session,
                                          const unsigned char *key_name, size_t key_name_bytes,
                                          SSL_TICKET_STATUS status, void *arg)
{
    const X509 *client = session != NULL ? SSL_SESSION_get0_peer(session) : NULL;

    (void)ssl;
    (void)key_name;
    (void)key_name_bytes;
    (void)arg;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    if (client != NULL && X509_cmp_current_time(X509_get0_notAfter(client)) <= 0)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

static SSL_CTX *server_context(const struct tls_server_conf *conf)
{
    SSL_CTX *context = tls_context_new(TLS_server_method());

    if (conf->only_1_3)
        CHECK(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1);
    /* Tickets only: nothing is stored here, and every worker can open them. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context, SESSION_LIFE_S);
    SSL_CTX_set_client_hello_cb(context, on_client_hello, NULL);
    SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    tls_use_ticket_keys(context);
    CHECK(SSL_CTX_set_session_ticket_cb(context, NULL, on_ticket_opened, NULL) == 1);
    return context;
}

static enum err ask_for_client(SSL_CTX *context, const struct tls_server_conf *conf, char **why)
{
    enum err e;

    if (conf->client_ca == NULL)
        return ERR_OK;
    if ((e = tls_file_client_authorities(context, conf->client_ca, why)) != ERR_OK)
        return e;
    SSL_CTX_set_verify(
        context, SSL_VERIFY_PEER | (conf->client_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        NULL);
    return ERR_OK;
}

/* The DNS names of a certificate's SAN lead to its context; the first to claim one keeps it. */
static void learn_names(struct tls_server *t, SSL_CTX *context)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(SSL_CTX_get0_certificate(context), NID_subject_alt_name, NULL, NULL);

    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        struct buf lower;

        if (name->type != GEN_DNS)
            continue;
        buf_init(&lower);
        for (int k = 0; k < ASN1_STRING_length(name->d.dNSName); k++)
            buf_add_char(&lower, ascii_lower((char)ASN1_STRING_get0_data(name->d.dNSName)[k]));
        if (map_get(&t->names, buf_slice(&lower)) == NULL)
            map_put(&t->names, buf_slice(&lower), context);
        buf_fini(&lower);
    }
    GENERAL_NAMES_free(names);
}

static int64_t not_after(const X509 *certificate)
{
    struct tm tm = {0};

    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
        return 0;
    return (int64_t)timegm(&tm);
}

/* Everything that a session must not cross, but the server name. */
static void set_base_id(struct tls_server *t, const struct tls_server_conf *conf)
{
    STACK_OF(X509) *authorities = X509_STORE_get1_all_certs(SSL_CTX_get_cert_store(t->contexts[0]));
    struct buf b;

    CHECK(authorities != NULL);
    buf_init(&b);
    buf_printf(&b, "%zu:", conf->context_id.n);
    buf_add(&b, conf->context_id);
    buf_printf(&b, ":%d:%d:", conf->client_ca != NULL, conf->client_required);
    for (int i = 0; i < sk_X509_num(authorities); i++) {
        unsigned char
            whole[EVP_MAX_MD_SIZE]; /* by name alone, one made anew would pass for the old */
        unsigned n;

        CHECK(X509_digest(sk_X509_value(authorities, i), EVP_sha256(), whole, &n) == 1);
        buf_add(&b, slice_of(whole, n));
    }
    sk_X509_pop_free(authorities, X509_free);
    digest2(buf_slice(&b), SLICE_NONE, t->base_id);
    buf_fini(&b);
}

static bool has_name(const GENERAL_NAMES *names, const GENERAL_NAME *name)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(names, i), (GENERAL_NAME *)name) == 0)
            return true;
    return false;
}

static bool is_same_names(const X509 *a, const X509 *b)
{
    GENERAL_NAMES *ours = X509_get_ext_d2i(a, NID_subject_alt_name, NULL, NULL);
    GENERAL_NAMES *theirs = X509_get_ext_d2i(b, NID_subject_alt_name, NULL, NULL);
    bool is_same =
        sk_GENERAL_NAME_num(ours) > 0 && sk_GENERAL_NAME_num(ours) == sk_GENERAL_NAME_num(theirs);

    for (int i = 0; is_same && i < sk_GENERAL_NAME_num(ours); i++)
        is_same = has_name(theirs, sk_GENERAL_NAME_value(ours, i));
    GENERAL_NAMES_free(ours);
    GENERAL_NAMES_free(theirs);
    return is_same;
}

static int key_kind(const X509 *certificate)
{
    return EVP_PKEY_get_base_id(X509_get0_pubkey(certificate));
}

/* Same names and another kind of key, as RSA beside ECDSA: one context offers both. */
static bool is_partner(SSL_CTX *context, const X509 *certificate)
{
    bool fits = true;

    for (long at = SSL_CERT_SET_FIRST; SSL_CTX_set_current_cert(context, at) == 1;
         at = SSL_CERT_SET_NEXT) {
        const X509 *held = SSL_CTX_get0_certificate(context);

        fits = fits && key_kind(held) != key_kind(certificate) && is_same_names(held, certificate);
    }
    return fits;
}

static SSL_CTX *find_partner(const struct tls_server *t, const X509 *certificate)
{
    for (size_t i = 0; i < t->count; i++)
        if (is_partner(t->contexts[i], certificate))
            return t->contexts[i];
    return NULL;
}

static enum err add_certificate(struct tls_server *t, const struct tls_server_conf *conf,
                                const struct tls_files *files, char **why)
{
    SSL_CTX *context = server_context(conf), *partner = NULL;
    enum err e = tls_context_use(context, files->certificate, files->key, why);

    if (e == ERR_OK) {
        const X509 *certificate = SSL_CTX_get0_certificate(context);
        const int64_t ends_s = not_after(certificate);

        if (t->not_after_s == 0 || ends_s < t->not_after_s)
            t->not_after_s = ends_s;
        partner = find_partner(t, certificate);
    }
    if (partner != NULL) {
        SSL_CTX_free(context);
        return tls_context_use(partner, files->certificate, files->key, why);
    }
    t->contexts[t->count++] = context;
    if (e == ERR_OK)
        e = ask_for_client(context, conf, why);
    if (e == ERR_OK)
        learn_names(t, context);
    return e;
}

enum err tls_server_new(const struct tls_server_conf *conf, struct tls_server **out, char **why)
{
    struct tls_server *t = mem_zalloc(sizeof(*t));
    enum err e = ERR_OK;

    CHECK(conf->file_count > 0);
    pthread_once(&once, start);
    atomic_init(&t->refs, 1);
    map_init(&t->names);
    t->contexts = mem_zalloc(conf->file_count * sizeof(*t->contexts));
    for (size_t i = 0; i < conf->file_count && e == ERR_OK; i++)
        e = add_certificate(t, conf, &conf->files[i], why);
    if (e != ERR_OK) {
        tls_server_unref(t);
        return e;
    }
    set_base_id(t, conf);
    *out = t;
    return ERR_OK;
}

struct tls_server *tls_server_ref(struct tls_server *t)
{
    if (t != NULL)
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void tls_server_unref(struct tls_server *t)
{
    if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < t->count; i++)
        SSL_CTX_free(t->contexts[i]);
    free(t->contexts);
    map_fini(&t->names);
    free(t);
}

SSL *tls_server_ssl(struct tls_server *t)
{
    SSL *ssl = SSL_new(t->contexts[0]);

    CHECK(ssl != NULL && SSL_set_ex_data(ssl, server_index, tls_server_ref(t)) == 1);
    SSL_set_accept_state(ssl);
    return ssl;
}

int64_t tls_server_not_after(const struct tls_server *t)
{
    return t->not_after_s;
}
