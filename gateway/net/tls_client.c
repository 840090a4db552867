#include "net/tls_own.h"

#include "base/alloc.h"
#include "base/map.h"
#include "crypto/tls_file.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SESSIONS_A_NAME = 4, NAMES_MAX = 4096 };

/* What a name's server gave us to resume with, newest last. */
struct sessions {
    SSL_SESSION *items[SESSIONS_A_NAME];
    size_t count;
};

struct tls_client {
    atomic_uint refs;
    SSL_CTX *context;
    bool verify;
    pthread_mutex_t lock;
    struct map by_name; /* to struct sessions; under lock */
};

/* What an SSL knows about itself: freed with it. */
struct tag {
    struct tls_client *client; /* a reference */
    char name[];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int tag_index;

static void on_ssl_free(void *parent, void *value, CRYPTO_EX_DATA *data, int index, long argl,
                        void *argp)
{
    struct tag *tag = value;

    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    if (tag == NULL)
        return;
    tls_client_unref(tag->client);
    free(tag);
}

static void start(void)
{
    tag_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_ssl_free);
    CHECK(tag_index >= 0);
}

static void keep(struct tls_client *t, struct slice name, SSL_SESSION *session)
{
    struct sessions *kept = map_get(&t->by_name, name);

    if (kept == NULL) {
        kept = mem_zalloc(sizeof(*kept));
        map_put(&t->by_name, name, kept);
    }
    if (kept->count == SESSIONS_A_NAME) {
        SSL_SESSION_free(kept->items[0]);
        memmove(kept->items, kept->items + 1, (SESSIONS_A_NAME - 1) * sizeof(kept->items[0]));
        kept->count--;
    }
    kept->items[kept->count++] = session;
}

/* OpenSSL hands over one reference when this returns 1. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    const struct tag *tag = SSL_get_ex_data(ssl, tag_index);
    struct tls_client *t = tag->client;
    const struct slice name = slice_str(tag->name);
    bool is_kept;

    pthread_mutex_lock(&t->lock);
    is_kept = map_get(&t->by_name, name) != NULL || t->by_name.count < NAMES_MAX;
    if (is_kept)
        keep(t, name, session);
    pthread_mutex_unlock(&t->lock);
    return is_kept;
}

/* A TLS 1.3 ticket is used once (RFC 8446 §C.4); an older session is shared. */
static SSL_SESSION *take_session(struct tls_client *t, const char *name)
{
    struct sessions *kept;
    SSL_SESSION *session = NULL;

    pthread_mutex_lock(&t->lock);
    kept = map_get(&t->by_name, slice_str(name));
    if (kept != NULL && kept->count > 0) {
        session = kept->items[kept->count - 1];
        if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
            kept->count--;
        else
            SSL_SESSION_up_ref(session);
    }
    pthread_mutex_unlock(&t->lock);
    return session;
}

static enum err set_trust(struct tls_client *t, const struct tls_client_conf *conf, char **why)
{
    if (!conf->verify)
        return ERR_OK;
    SSL_CTX_set_verify(t->context, SSL_VERIFY_PEER, NULL);
    if (conf->ca != NULL)
        return tls_file_authorities(t->context, conf->ca, why);
    CHECK(SSL_CTX_set_default_verify_paths(t->context) == 1);
    return ERR_OK;
}

enum err tls_client_new(const struct tls_client_conf *conf, struct tls_client **out, char **why)
{
    struct tls_client *t = mem_zalloc(sizeof(*t));
    enum err e;

    pthread_once(&once, start);
    atomic_init(&t->refs, 1);
    CHECK(pthread_mutex_init(&t->lock, NULL) == 0);
    map_init(&t->by_name);
    t->verify = conf->verify;
    t->context = tls_context_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(t->context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(t->context, on_session);
    e = set_trust(t, conf, why);
    if (e == ERR_OK && conf->certificate != NULL)
        e = tls_context_use(t->context, conf->certificate, conf->key, why);
    if (e != ERR_OK) {
        tls_client_unref(t);
        return e;
    }
    *out = t;
    return ERR_OK;
}

struct tls_client *tls_client_ref(struct tls_client *t)
{
    if (t != NULL)
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void tls_client_unref(struct tls_client *t)
{
    size_t cursor = 0;
    struct slice name;
    void *value;

    if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    while (map_next(&t->by_name, &cursor, &name, &value)) {
        struct sessions *kept = value;

        while (kept->count > 0)
            SSL_SESSION_free(kept->items[--kept->count]);
        free(kept);
    }
    map_fini(&t->by_name);
    SSL_CTX_free(t->context);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static bool is_address(const char *name)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* Whom we expect, and the server_name extension, which is never an address (RFC 6066 §3). */
static void set_name(const struct tls_client *t, SSL *ssl, const char *name)
{
    if (is_address(name)) {
        if (t->verify)
            CHECK(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1);
        return;
    }
    CHECK(SSL_set_tlsext_host_name(ssl, name) == 1);
    if (!t->verify)
        return;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    CHECK(SSL_set1_host(ssl, name) == 1);
}

SSL *tls_client_ssl(struct tls_client *t, const char *name)
{
    const size_t n = strlen(name);
    SSL *ssl = SSL_new(t->context);
    struct tag *tag = mem_alloc(sizeof(*tag) + n + 1);
    SSL_SESSION *session = take_session(t, name);

    tag->client = tls_client_ref(t);
    memcpy(tag->name, name, n + 1);
    CHECK(ssl != NULL && SSL_set_ex_data(ssl, tag_index, tag) == 1);
    set_name(t, ssl, name);
    if (session != NULL)
        SSL_set_session(ssl, session);
    SSL_SESSION_free(session);
    SSL_set_connect_state(ssl);
    return ssl;
}
