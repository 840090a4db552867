/*
 * Opens TLS 1.3 connections one after the other, asks for one small document on each, and
 * prints how many went well. With "resumed" each takes up the session of the one before.
 *
 *   handshakes PORT SECONDS full|resumed
 */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static SSL_SESSION *ticket;

static int keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* 1: answered with 200 on a session as asked for. */
static int once(SSL_CTX *c, uint16_t port, int resumed)
{
    static const char request[] =
        "GET /open HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), ok = 0, n, had = ticket != NULL;
    char answer[8192] = "";
    SSL *ssl = SSL_new(c);

    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
        SSL_set_fd(ssl, fd);
        if (resumed && had)
            SSL_set_session(ssl, ticket);
        if (SSL_connect(ssl) == 1 && SSL_write(ssl, request, (int)sizeof(request) - 1) > 0) {
            n = SSL_read(ssl, answer, sizeof(answer) - 1);
            ok = n > 12 && strncmp(answer + 8, " 200", 4) == 0;
            while (SSL_read(ssl, answer, sizeof(answer)) > 0)
                continue;
            ok &= !resumed || !had || SSL_session_reused(ssl);
        }
    }
    SSL_set_quiet_shutdown(ssl, 1);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
    return ok;
}

int main(int argc, char **argv)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    int resumed = argc == 4 && strcmp(argv[3], "resumed") == 0;
    long done = 0;

    if (argc != 4) {
        fprintf(stderr, "usage: handshakes PORT SECONDS full|resumed\n");
        return 2;
    }
    SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c, keep);
    for (double end = now() + atof(argv[2]); now() < end; done++) {
        if (!once(c, (uint16_t)atoi(argv[1]), resumed)) {
            fprintf(stderr, "handshake %ld failed or was not %s\n", done, argv[3]);
            return 1;
        }
    }
    printf("%ld\n", done);
    return 0;
}
