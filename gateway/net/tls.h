#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/err.h"
#include "base/slice.h"

#include <openssl/types.h>

/*
 * TLS contexts: 1.2 with AEAD and ECDHE, 1.3; no compression, no renegotiation, no
 * 0-RTT; SSL_MODE_RELEASE_BUFFERS, partial writes, moving buffers (G19).
 */

/* A listener's certificates, immutable and counted; a reload makes a new one. */
struct tls_server;

struct tls_files {
    const char *certificate, *key; /* PEM paths */
};

struct tls_server_conf {
    /* The first is the default. Two for the same names but of two kinds of key (RSA and ECDSA)
     * are offered together, each to the clients that can use it. */
    const struct tls_files *files;
    size_t file_count;
    const char *client_ca; /* NULL: client certificates are not asked for */
    bool client_required;
    bool only_1_3;
    struct slice context_id; /* names the listener: sessions never cross (incidents T1) */
};

/* why gets a sentence for the log when it fails (owned by the caller, free()). */
enum err tls_server_new(const struct tls_server_conf *conf, struct tls_server **out,
                        char **why) MUST_USE;
struct tls_server *tls_server_ref(struct tls_server *t);
void tls_server_unref(struct tls_server *t);
/* One connection, accept state. Chooses by SNI; resumption never crosses names or client
 * authorities. */
SSL *tls_server_ssl(struct tls_server *t);

/* New ticket keys for all servers of the process; the two before stay readable.
 * Any thread. */
void tls_rotate_ticket_keys(void);

/* How we check and present ourselves to an upstream, Redis or an issuer; immutable and counted. */
struct tls_client;
struct tls_client_conf {
    const char *ca;                /* NULL: the system's */
    const char *certificate, *key; /* or NULL */
    bool verify;
};
enum err tls_client_new(const struct tls_client_conf *conf, struct tls_client **out,
                        char **why) MUST_USE;
struct tls_client *tls_client_ref(struct tls_client *t);
void tls_client_unref(struct tls_client *t);
/* One connection to name (SNI and the verified name or IP address), connect state; sessions are
 * resumed per name only (incidents T5). */
SSL *tls_client_ssl(struct tls_client *t, const char *name);

/* Seconds UTC at which the first of its certificates ends. */
int64_t tls_server_not_after(const struct tls_server *t);

#endif
