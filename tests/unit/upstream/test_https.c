#include "fixture.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* One self-signed certificate for "ml.test", made for this run; it is its own authority. */
static char cert_path[64], key_path[64];

static void write_pem(X509 *x, EVP_PKEY *key)
{
    FILE *cert_file = fopen(cert_path, "w"), *key_file = fopen(key_path, "w");

    assert_non_null(cert_file);
    assert_non_null(key_file);
    PEM_write_X509(cert_file, x);
    PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL);
    fclose(cert_file);
    fclose(key_file);
}

static void add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(e);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

static int make_certificate(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);

    (void)state;
    snprintf(cert_path, sizeof(cert_path), "/tmp/postern-unit-%d.pem", (int)getpid());
    snprintf(key_path, sizeof(key_path), "/tmp/postern-unit-%d.key", (int)getpid());
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"t", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_set_pubkey(x, key);
    add_extension(x, NID_subject_alt_name, "DNS:ml.test");
    add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    write_pem(x, key);
    X509_free(x);
    EVP_PKEY_free(key);
    return 0;
}

static int remove_certificate(void **state)
{
    (void)state;
    unlink(cert_path);
    unlink(key_path);
    return 0;
}

static char asked_name[64];

static void tls_read_head(struct peer *p, SSL *ssl)
{
    char last[4] = {0}, c;

    while (memcmp(last, "\r\n\r\n", 4) != 0 && SSL_read(ssl, &c, 1) == 1) {
        memmove(last, last + 1, 3);
        last[3] = c;
    }
    if (memcmp(last, "\r\n\r\n", 4) == 0)
        atomic_fetch_add(&p->requests, 1);
}

/* One answer until close, in two records; whole says whether close_notify follows. */
static void serve_tls(struct peer *p, int fd, bool whole)
{
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n", body[] = "secret";
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL *ssl;

    assert_true(SSL_CTX_use_certificate_chain_file(ctx, cert_path) == 1);
    assert_true(SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) == 1);
    ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        if (SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) != NULL)
            snprintf(asked_name, sizeof(asked_name), "%s",
                     SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
        tls_read_head(p, ssl);
        SSL_write(ssl, head, sizeof(head) - 1);
        SSL_write(ssl, body, sizeof(body) - 1);
        if (whole)
            SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

static void serve_whole(struct peer *p, int fd, unsigned nth)
{
    (void)nth;
    serve_tls(p, fd, true);
}

static void serve_cut(struct peer *p, int fd, unsigned nth)
{
    (void)nth;
    serve_tls(p, fd, false);
}

struct stage {
    struct bench *b;
    struct peer *p;
    struct fake *f;
};

static int set_stage(void **state)
{
    struct stage *s = mem_zalloc(sizeof(*s));

    s->b = bench_new();
    s->p = peer_new(serve_whole);
    memmove(s->p->url + 5, s->p->url + 4, strlen(s->p->url + 4) + 1);
    s->p->url[4] = 's';
    s->b->groups[0].ca = slice_str(cert_path);
    s->b->groups[0].retries = 0;
    bench_serve(s->b, 0, s->p->url);
    *state = s;
    return 0;
}

static int clear_stage(void **state)
{
    struct stage *s = *state;

    if (s->f != NULL)
        fake_free(s->f);
    assert_int_equal(inflight(s->b), 0);
    bench_free(s->b);
    peer_free(s->p);
    free(s);
    return 0;
}

static struct fake *ask(struct stage *s)
{
    bench_load(s->b);
    s->f = fake_new(s->b, "GET", "/x");
    fake_start(s->f);
    fake_finish(s->b, s->f);
    return s->f;
}

static void asks_for_and_verifies_the_configured_name(void **state)
{
    struct stage *s = *state;

    s->b->groups[0].server_name = SLICE("ml.test");
    ask(s);
    assert_int_equal(s->f->ends, 1);
    assert_body(s->f, "secret");
    assert_string_equal(asked_name, "ml.test");
}

static void refuses_a_certificate_for_another_name(void **state)
{
    struct stage *s = *state;

    s->b->groups[0].server_name = SLICE("other.test");
    ask(s);
    assert_int_equal(s->f->why, ERR_TLS);
    assert_string_equal(s->f->reason, "tls: hostname mismatch");
    assert_int_equal(atomic_load(&s->p->requests), 0);
}

static void refuses_a_certificate_without_the_address(void **state)
{
    struct stage *s = *state;

    ask(s);
    assert_int_equal(s->f->why, ERR_TLS);
    assert_int_equal(atomic_load(&s->p->requests), 0);
}

static void takes_any_certificate_when_told_so(void **state)
{
    struct stage *s = *state;

    s->b->groups[0].verify = false;
    ask(s);
    assert_int_equal(s->f->ends, 1);
}

/* Until-close has no other sign of completeness than close_notify. */
static void an_answer_cut_without_close_notify_is_broken(void **state)
{
    struct stage *s = *state;

    s->p->script = serve_cut;
    s->b->groups[0].server_name = SLICE("ml.test");
    ask(s);
    assert_int_equal(s->f->ends, 0);
    assert_int_equal(s->f->failures, 1);
}

#define ON_STAGE(name) cmocka_unit_test_setup_teardown(name, set_stage, clear_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAGE(asks_for_and_verifies_the_configured_name),
        ON_STAGE(refuses_a_certificate_for_another_name),
        ON_STAGE(refuses_a_certificate_without_the_address),
        ON_STAGE(takes_any_certificate_when_told_so),
        ON_STAGE(an_answer_cut_without_close_notify_is_broken),
    };

    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
