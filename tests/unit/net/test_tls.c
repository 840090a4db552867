#include "net_cert.h"

#include <openssl/err.h>

/* Handshakes in memory: two SSL objects, each the other's network. */

struct fixture {
    struct cert_dir dir;
    struct cert authority, wide, other, alice, shortlived;
    struct tls_server_conf conf;
    struct tls_files files[2];
    struct tls_server *server;
    SSL_CTX *context; /* a client that is not ours, for what ours would not do */
    SSL_SESSION *session;
};

/* Each tries in turn until both are done or one fails. */
static bool shake(SSL *client, SSL *server, size_t slice_bytes)
{
    BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem()), *wire = BIO_new(BIO_s_mem());
    bool done = false;

    BIO_set_mem_eof_return(up, -1);
    BIO_set_mem_eof_return(down, -1);
    BIO_set_mem_eof_return(wire, -1);
    SSL_set_bio(client, down, wire);
    BIO_up_ref(down);
    SSL_set_bio(server, up, down);
    for (int round = 0; round < 4000 && !done; round++) {
        char bytes[16384];
        int n, c, s;

        ERR_clear_error();
        c = SSL_do_handshake(client);
        if (c <= 0 && SSL_get_error(client, c) != SSL_ERROR_WANT_READ)
            break;
        n = BIO_read(wire, bytes, (int)(slice_bytes < sizeof(bytes) ? slice_bytes : sizeof(bytes)));
        if (n > 0)
            BIO_write(up, bytes, n);
        ERR_clear_error();
        s = SSL_do_handshake(server);
        if (s <= 0 && SSL_get_error(server, s) != SSL_ERROR_WANT_READ)
            break;
        done = c == 1 && s == 1 && BIO_ctrl_pending(wire) == 0;
    }
    if (done) { /* takes the tickets, or the server's late alert */
        char byte;
        int n = SSL_read(client, &byte, 1);

        done = n > 0 || SSL_get_error(client, n) == SSL_ERROR_WANT_READ;
    }
    return done;
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct fixture *f = SSL_get_app_data(ssl);

    SSL_SESSION_free(f->session);
    f->session = session;
    return 1;
}

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    cert_dir_open(&f->dir);
    cert_make(&f->authority, &f->dir, "authority", NULL, NULL, 3600);
    cert_make(&f->wide, &f->dir, "wide", "DNS:gw.example,DNS:*.Apps.example,IP:127.0.0.1",
              &f->authority, 3600);
    cert_make(&f->other, &f->dir, "other", "DNS:other.example", &f->authority, 7200);
    cert_make(&f->alice, &f->dir, "alice", "DNS:alice", &f->authority, 3600);
    cert_make(&f->shortlived, &f->dir, "shortlived", "DNS:bob", &f->authority, 2);
    f->files[0] = (struct tls_files){f->wide.path, f->wide.key_path};
    f->files[1] = (struct tls_files){f->other.path, f->other.key_path};
    f->conf = (struct tls_server_conf){
        .files = f->files, .file_count = 2, .context_id = SLICE("0.0.0.0:8443")};
    f->server = make_server(&f->conf);
    f->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(f->context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(f->context, on_new_session);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    SSL_SESSION_free(f->session);
    SSL_CTX_free(f->context);
    tls_server_unref(f->server);
    cert_free(&f->authority);
    cert_free(&f->wide);
    cert_free(&f->other);
    cert_free(&f->alice);
    cert_free(&f->shortlived);
    cert_dir_close(&f->dir);
    free(f);
    return 0;
}

static SSL *foreign_client(struct fixture *f, const char *name)
{
    SSL *ssl = SSL_new(f->context);

    SSL_set_app_data(ssl, f);
    if (name != NULL)
        SSL_set_tlsext_host_name(ssl, name);
    SSL_set_connect_state(ssl);
    return ssl;
}

/* The common name of the certificate that a client asking for name is shown. */
static void assert_shown(struct fixture *f, const char *name, const char *common_name)
{
    SSL *client = foreign_client(f, name), *server = tls_server_ssl(f->server);
    char shown[64] = "";

    assert_true(shake(client, server, SIZE_MAX));
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(client)),
                              NID_commonName, shown, sizeof(shown));
    assert_string_equal(shown, common_name);
    SSL_free(client);
    SSL_free(server);
}

static void chooses_the_certificate_by_server_name(void **state)
{
    struct fixture *f = *state;

    assert_shown(f, "other.example", "other");
    assert_shown(f, "OTHER.example", "other");
    assert_shown(f, "gw.example", "wide");
    assert_shown(f, "x.apps.example", "wide");
    assert_shown(f, "unknown.example", "wide");
    assert_shown(f, NULL, "wide");
}

static void wildcard_covers_one_label_only(void **state)
{
    struct fixture *f = *state;
    const struct tls_files swapped[] = {f->files[1], f->files[0]};

    tls_server_unref(f->server);
    f->conf.files = swapped;
    f->server = make_server(&f->conf);
    assert_shown(f, "x.apps.example", "wide");
    assert_shown(f, "x.y.apps.example", "other");
    assert_shown(f, "apps.example", "other");
    assert_shown(f, ".apps.example", "other");
}

static void t4_client_hello_in_single_bytes_gets_the_same_certificate(void **state)
{
    struct fixture *f = *state;
    SSL *client = foreign_client(f, "other.example"), *server = tls_server_ssl(f->server);
    char shown[64] = "";

    assert_true(shake(client, server, 1));
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(client)),
                              NID_commonName, shown, sizeof(shown));
    assert_string_equal(shown, "other");
    SSL_free(client);
    SSL_free(server);
}

/* Whether a client with f->session (if any) resumes at t; -1: the handshake fails. */
static int resumes(struct fixture *f, struct tls_server *t, const char *name)
{
    SSL *client = foreign_client(f, name), *server = tls_server_ssl(t);
    int resumed = -1;

    if (f->session != NULL)
        SSL_set_session(client, f->session);
    if (shake(client, server, SIZE_MAX)) {
        resumed = SSL_session_reused(client);
        assert_int_equal(resumed, SSL_session_reused(server));
        assert_non_null(f->session);
    }
    SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(client);
    SSL_free(server);
    return resumed;
}

static void every_worker_resumes_the_sessions_of_all(void **state)
{
    struct fixture *f = *state;
    struct tls_server *another = make_server(&f->conf); /* or the same after a reload */

    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_SESSION_free(f->session);
        f->session = NULL;
        SSL_CTX_set_max_proto_version(f->context, version);
        assert_int_equal(resumes(f, f->server, "gw.example"), 0);
        assert_int_equal(resumes(f, another, "gw.example"), 1);
        assert_int_equal(resumes(f, f->server, "gw.example"), 1); /* by the ticket of the last */
    }
    tls_server_unref(another);
}

static void t1_session_of_another_name_is_not_resumed(void **state)
{
    struct fixture *f = *state;

    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_SESSION_free(f->session);
        f->session = NULL;
        SSL_CTX_set_max_proto_version(f->context, version);
        assert_int_equal(resumes(f, f->server, "gw.example"), 0);
        assert_int_equal(resumes(f, f->server, "x.apps.example"), 0);
        assert_int_equal(resumes(f, f->server, "other.example"), 0);
        assert_int_equal(resumes(f, f->server, NULL), 0);
    }
}

static void t1_session_of_another_listener_is_not_resumed(void **state)
{
    struct fixture *f = *state;
    struct tls_server *another;

    f->conf.context_id = SLICE("0.0.0.0:9443");
    another = make_server(&f->conf);
    assert_int_equal(resumes(f, f->server, "gw.example"), 0);
    assert_int_equal(resumes(f, another, "gw.example"), 0);
    tls_server_unref(another);
}

static void t1_session_without_client_certificate_is_not_resumed_where_one_is_asked(void **state)
{
    struct fixture *f = *state;
    struct tls_server *another;

    f->conf.client_ca = f->authority.path;
    another = make_server(&f->conf);
    assert_int_equal(resumes(f, f->server, "gw.example"), 0);
    assert_int_equal(resumes(f, another, "gw.example"), 0);
    tls_server_unref(another);
    f->conf.client_required = true;
    another = make_server(&f->conf);
    assert_int_equal(resumes(f, another, "gw.example"), -1);
    tls_server_unref(another);
}

static void t2_session_does_not_outlive_the_client_certificate(void **state)
{
    struct fixture *f = *state;
    const struct timespec expiry = {.tv_sec = 3};

    tls_server_unref(f->server);
    f->conf.client_ca = f->authority.path;
    f->conf.client_required = true;
    f->server = make_server(&f->conf);
    SSL_CTX_use_certificate(f->context, f->shortlived.x509);
    SSL_CTX_use_PrivateKey(f->context, f->shortlived.key);
    assert_int_equal(resumes(f, f->server, "gw.example"), 0);
    assert_int_equal(resumes(f, f->server, "gw.example"), 1);
    nanosleep(&expiry, NULL);
    assert_int_equal(resumes(f, f->server, "gw.example"), -1);
}

static void client_certificate_is_verified_and_shown(void **state)
{
    struct fixture *f = *state;
    SSL *client, *server;

    tls_server_unref(f->server);
    f->conf.client_ca = f->authority.path;
    f->server = make_server(&f->conf);
    assert_int_equal(resumes(f, f->server, "gw.example"), 0); /* optional */
    SSL_CTX_use_certificate(f->context, f->alice.x509);
    SSL_CTX_use_PrivateKey(f->context, f->alice.key);
    client = foreign_client(f, "gw.example");
    server = tls_server_ssl(f->server);
    assert_true(shake(client, server, SIZE_MAX));
    assert_int_equal(X509_cmp(SSL_get0_peer_certificate(server), f->alice.x509), 0);
    assert_int_equal(SSL_get_verify_result(server), X509_V_OK);
    SSL_free(client);
    SSL_free(server);
}

static void tickets_survive_two_rotations_of_the_keys(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(resumes(f, f->server, "gw.example"), 0);
    tls_rotate_ticket_keys();
    tls_rotate_ticket_keys();
    assert_int_equal(resumes(f, f->server, "gw.example"), 1); /* and is given a new ticket */
    tls_rotate_ticket_keys();
    tls_rotate_ticket_keys();
    assert_int_equal(resumes(f, f->server, "gw.example"), 1);
    tls_rotate_ticket_keys();
    tls_rotate_ticket_keys();
    tls_rotate_ticket_keys();
    assert_int_equal(resumes(f, f->server, "gw.example"), 0);
}

/* What the server chose of this offer, or SLICE_NONE: refused. */
static struct slice chosen_of(struct fixture *f, const char *offer, size_t offer_bytes)
{
    static char name[16];
    const unsigned char *chosen = NULL;
    unsigned n = 0;
    SSL *client = foreign_client(f, NULL), *server = tls_server_ssl(f->server);

    SSL_set_alpn_protos(client, (const unsigned char *)offer, (unsigned)offer_bytes);
    if (shake(client, server, SIZE_MAX))
        SSL_get0_alpn_selected(client, &chosen, &n);
    assert_true(n < sizeof(name));
    if (n > 0)
        memcpy(name, chosen, n);
    SSL_free(client);
    SSL_free(server);
    return n > 0 ? slice_of(name, n) : SLICE_NONE;
}

static void speaks_http_1_and_tells_who_offers_only_others(void **state)
{
    struct fixture *f = *state;

    assert_true(slice_eq(chosen_of(f, "\2h2\10http/1.1", 12), SLICE("http/1.1")));
    assert_true(slice_eq(chosen_of(f, "\10http/1.0\10http/1.1", 18), SLICE("http/1.1")));
    assert_true(slice_eq(chosen_of(f, "\10http/1.0", 9), SLICE("http/1.0")));
    assert_null(chosen_of(f, "\4smtp", 5).p);
}

static bool shakes_with(struct fixture *f, int version, const char *ciphers)
{
    SSL *client = foreign_client(f, NULL), *server = tls_server_ssl(f->server);
    bool done;

    SSL_set_security_level(client, 0);
    SSL_set_min_proto_version(client, version);
    SSL_set_max_proto_version(client, version);
    if (ciphers != NULL)
        assert_int_equal(SSL_set_cipher_list(client, ciphers), 1);
    done = shake(client, server, SIZE_MAX);
    SSL_free(client);
    SSL_free(server);
    return done;
}

static void refuses_old_versions_and_weak_ciphers(void **state)
{
    struct fixture *f = *state;

    assert_true(shakes_with(f, TLS1_3_VERSION, NULL));
    assert_true(shakes_with(f, TLS1_2_VERSION, NULL));
    assert_false(shakes_with(f, TLS1_1_VERSION, NULL));
    assert_false(shakes_with(f, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256")); /* CBC */
    assert_false(shakes_with(f, TLS1_2_VERSION, "AES128-GCM-SHA256"));         /* no ECDHE */
    tls_server_unref(f->server);
    f->conf.only_1_3 = true;
    f->server = make_server(&f->conf);
    assert_true(shakes_with(f, TLS1_3_VERSION, NULL));
    assert_false(shakes_with(f, TLS1_2_VERSION, NULL));
}

static void assert_refused(struct fixture *f, const char *part)
{
    struct tls_server *t = NULL;
    char *why = NULL;

    assert_int_equal(tls_server_new(&f->conf, &t, &why), ERR_TLS);
    assert_null(t);
    assert_non_null(strstr(why, part));
    free(why);
}

static void bad_files_are_refused_with_a_sentence(void **state)
{
    struct fixture *f = *state;

    f->files[1].certificate = "/nonexistent/cert.pem";
    assert_refused(f, "/nonexistent/cert.pem");
    f->files[1].certificate = f->other.path;
    f->files[1].key = f->alice.key_path;
    assert_refused(f, "key");
    f->files[1].key = f->other.key_path;
    f->conf.client_ca = f->other.key_path;
    assert_refused(f, "authorities");
}

static void server_outlives_its_last_reference_while_connections_use_it(void **state)
{
    struct fixture *f = *state;
    SSL *client = foreign_client(f, "other.example"), *server = tls_server_ssl(f->server);

    tls_server_unref(f->server);
    f->server = NULL;
    assert_true(shake(client, server, SIZE_MAX));
    SSL_free(client);
    SSL_free(server);
}

static void knows_when_the_default_certificate_ends(void **state)
{
    struct fixture *f = *state;
    const int64_t left_s = tls_server_not_after(f->server) - clock_wall_s();

    assert_true(left_s > 3500 && left_s <= 3600);
}

/* Our client to our server. */
static bool meets(struct fixture *f, struct tls_client *t, const char *name, bool *resumed)
{
    SSL *client = tls_client_ssl(t, name), *server = tls_server_ssl(f->server);
    bool done = shake(client, server, SIZE_MAX);

    if (resumed != NULL)
        *resumed = done && SSL_session_reused(client);
    SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(client);
    SSL_free(server);
    return done;
}

static void client_verifies_authority_name_and_address(void **state)
{
    struct fixture *f = *state;
    const struct tls_client_conf conf = {.ca = f->authority.path, .verify = true};
    const struct tls_client_conf stranger = {.ca = f->shortlived.path, .verify = true};
    const struct tls_client_conf blind = {.verify = false};
    struct tls_client *t = make_client(&conf);

    assert_true(meets(f, t, "gw.example", NULL));
    assert_true(meets(f, t, "x.apps.example", NULL));
    assert_true(meets(f, t, "127.0.0.1", NULL));
    assert_false(meets(f, t, "127.0.0.2", NULL));
    assert_false(meets(f, t, "unknown.example", NULL));
    tls_client_unref(t);
    t = make_client(&stranger);
    assert_false(meets(f, t, "gw.example", NULL));
    tls_client_unref(t);
    t = make_client(&blind);
    assert_true(meets(f, t, "unknown.example", NULL));
    tls_client_unref(t);
}

static void t5_client_sessions_are_kept_by_name(void **state)
{
    struct fixture *f = *state;
    const struct tls_client_conf conf = {.ca = f->authority.path, .verify = true};
    struct tls_client *t = make_client(&conf);
    bool resumed;

    assert_true(meets(f, t, "gw.example", &resumed));
    assert_false(resumed);
    assert_true(meets(f, t, "gw.example", &resumed));
    assert_true(resumed);
    assert_true(meets(f, t, "other.example", &resumed));
    assert_false(resumed);
    assert_true(meets(f, t, "other.example", &resumed));
    assert_true(resumed);
    tls_client_unref(t);
}

static void client_shows_its_certificate(void **state)
{
    struct fixture *f = *state;
    const struct tls_client_conf plain = {.ca = f->authority.path, .verify = true};
    const struct tls_client_conf alice = {.ca = f->authority.path,
                                          .verify = true,
                                          .certificate = f->alice.path,
                                          .key = f->alice.key_path};
    struct tls_client *t = make_client(&plain);

    tls_server_unref(f->server);
    f->conf.client_ca = f->authority.path;
    f->conf.client_required = true;
    f->server = make_server(&f->conf);
    assert_false(meets(f, t, "gw.example", NULL));
    tls_client_unref(t);
    t = make_client(&alice);
    assert_true(meets(f, t, "gw.example", NULL));
    tls_client_unref(t);
}

static const struct CMUnitTest TESTS[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    CASE(chooses_the_certificate_by_server_name),
    CASE(wildcard_covers_one_label_only),
    CASE(t4_client_hello_in_single_bytes_gets_the_same_certificate),
    CASE(every_worker_resumes_the_sessions_of_all),
    CASE(t1_session_of_another_name_is_not_resumed),
    CASE(t1_session_of_another_listener_is_not_resumed),
    CASE(t1_session_without_client_certificate_is_not_resumed_where_one_is_asked),
    CASE(t2_session_does_not_outlive_the_client_certificate),
    CASE(client_certificate_is_verified_and_shown),
    CASE(tickets_survive_two_rotations_of_the_keys),
    CASE(speaks_http_1_and_tells_who_offers_only_others),
    CASE(refuses_old_versions_and_weak_ciphers),
    CASE(bad_files_are_refused_with_a_sentence),
    CASE(server_outlives_its_last_reference_while_connections_use_it),
    CASE(knows_when_the_default_certificate_ends),
    CASE(client_verifies_authority_name_and_address),
    CASE(t5_client_sessions_are_kept_by_name),
    CASE(client_shows_its_certificate),
};

int main(void)
{
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
