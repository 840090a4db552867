#include "net/tls_own.h"

#include "base/random.h"
#include "base/secret.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>

enum { NAME_BYTES = 16, AES_BYTES = 32, MAC_BYTES = 32, KEY_COUNT = 3 };

/*
 * Keys that seal session tickets, the same for all servers of the process, so that
 * a session begun on one worker resumes on another. The first seals; the others,
 * from before, only open. A ticket never crosses listeners, names or client
 * authorities for all that: tls_server.c gives each its session id context.
 */
struct ticket_key {
    unsigned char name[NAME_BYTES], aes[AES_BYTES], mac[MAC_BYTES];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ticket_key keys[KEY_COUNT]; /* under lock */
static EVP_CIPHER *cipher;                /* fetched once: a fetch a handshake is slow */

static void start(void)
{
    random_bytes(keys, sizeof(keys));
    cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    CHECK(cipher != NULL);
}

void tls_rotate_ticket_keys(void)
{
    pthread_once(&once, start);
    pthread_mutex_lock(&lock);
    memmove(keys + 1, keys, sizeof(keys) - sizeof(keys[0]));
    random_bytes(keys, sizeof(keys[0]));
    pthread_mutex_unlock(&lock);
}

/* The key to seal with (name NULL), or the one called name; its index or -1. */
static int find_key(const unsigned char *name, struct ticket_key *out)
{
    int found = -1;

    pthread_mutex_lock(&lock);
    for (int i = 0; i < KEY_COUNT && found < 0; i++)
        if (name == NULL || memcmp(keys[i].name, name, NAME_BYTES) == 0)
            found = i;
    if (found >= 0)
        *out = keys[found];
    pthread_mutex_unlock(&lock);
    return found;
}

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, MAC_BYTES),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) wants: 1 good, 2 good but renew, 0 unknown, -1 failed.
 */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *aes,
                     EVP_MAC_CTX *mac, int is_sealing)
{
    struct ticket_key key;
    const int index = find_key(is_sealing ? NULL : name, &key);
    bool done;

    if (index < 0)
        return 0;
    if (is_sealing) {
        memcpy(name, key.name, NAME_BYTES);
        random_bytes(iv, (size_t)EVP_CIPHER_get_iv_length(cipher));
        done = EVP_EncryptInit_ex2(aes, cipher, key.aes, iv, NULL) == 1;
    } else {
        done = EVP_DecryptInit_ex2(aes, cipher, key.aes, iv, NULL) == 1;
    }
    done = done && set_mac(mac, &key);
    secret_wipe(&key, sizeof(key));
    if (!done)
        return -1;
    if (is_sealing)
        return 1;
    /* A TLS 1.3 client uses a ticket once (RFC 8446 §C.4), so it needs the next one. */
    return index == 0 && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
}

void tls_use_ticket_keys(SSL_CTX *context)
{
    pthread_once(&once, start);
    CHECK(SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) == 1);
}
