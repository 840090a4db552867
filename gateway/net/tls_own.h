#ifndef NET_TLS_OWN_H
#define NET_TLS_OWN_H

#include "net/tls.h"

#include <openssl/ssl.h>

/* What both sides of TLS share; for the files tls*.c. */

/* A context with our versions, ciphers and modes; method is TLS_server_method() or the client's. */
SSL_CTX *tls_context_new(const SSL_METHOD *method);
/* PEM certificate chain and key; *why gets a sentence on failure. */
enum err tls_context_use(SSL_CTX *context, const char *certificate, const char *key,
                         char **why) MUST_USE;

/* The process's ticket keys seal and open the context's session tickets. */
void tls_use_ticket_keys(SSL_CTX *context);

#endif
