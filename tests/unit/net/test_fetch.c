#include "net_cert.h"

#include "net/fetch.h"
#include "net/listener.h"

struct fixture;

struct served {
    struct fixture *f;
    struct stream *s;
};

struct fixture {
    struct worker *w;
    struct fetcher *fetcher;
    struct listener *plain, *tls;
    struct cert_dir dir;
    struct cert authority, gw;
    int requests;
    const char *answer; /* what the server says; NULL: nothing */
    struct served served[16];
    int served_count;
    char url[64], tls_url[64];

    int64_t timeout_ms;
    int dones, wanted;
    enum err e;
    unsigned status;
    struct buf body;
    int again; /* fetches that on_done starts before it is content */
    bool free_in_done;
};

static size_t on_request(void *arg, struct slice bytes)
{
    struct served *served = arg;
    struct fixture *f = served->f;

    if (!slice_ends(bytes, SLICE("\r\n\r\n")))
        return 0;
    if (f->answer != NULL)
        stream_write(served->s, slice_str(f->answer));
    f->requests++;
    return bytes.n;
}

static void on_request_end(void *arg, enum err why)
{
    struct served *served = arg;

    (void)why;
    stream_close(served->s);
    served->s = NULL;
}

static const struct stream_handler SERVER = {.on_data = on_request, .on_end = on_request_end};

static void on_stream(void *arg, struct stream *s)
{
    struct fixture *f = arg;
    struct served *served = &f->served[f->served_count++];

    *served = (struct served){f, s};
    stream_set_handler(s, &SERVER, served);
}

static struct listener *listen_with(struct fixture *f, struct tls_server *tls)
{
    const struct listener_conf conf = {
        .address = "127.0.0.1:0", .fd = -1, .handshake_ms = 2000, .tls = tls};
    struct listener *l = NULL;
    char *why;

    assert_int_equal(listener_new(f->w, &conf, on_stream, f, &l, &why), ERR_OK);
    return l;
}

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));
    struct tls_files file;
    const struct tls_server_conf conf = {.files = &file, .file_count = 1};
    struct tls_server *tls;

    cert_dir_open(&f->dir);
    cert_make(&f->authority, &f->dir, "authority", NULL, NULL, 3600);
    cert_make(&f->gw, &f->dir, "gw", "DNS:localhost", &f->authority, 3600);
    file = (struct tls_files){f->gw.path, f->gw.key_path};
    f->w = worker_new(-1, quiet_log());
    f->timeout_ms = SOON_MS;
    f->fetcher = fetcher_new(f->w);
    f->plain = listen_with(f, NULL);
    tls = make_server(&conf);
    f->tls = listen_with(f, tls);
    tls_server_unref(tls);
    snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d/jwks", listener_port(f->plain));
    snprintf(f->tls_url, sizeof(f->tls_url), "https://localhost:%d/jwks", listener_port(f->tls));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    fetcher_free(f->fetcher);
    for (int i = 0; i < f->served_count; i++)
        stream_close(f->served[i].s);
    listener_free(f->plain);
    listener_free(f->tls);
    turn_for(f->w, 1);
    worker_free(f->w);
    buf_fini(&f->body);
    cert_free(&f->authority);
    cert_free(&f->gw);
    cert_dir_close(&f->dir);
    free(f);
    return 0;
}

static void fetch(struct fixture *f, const char *url, const char *ca);

static void on_done(void *arg, enum err e, unsigned status, struct slice body)
{
    struct fixture *f = arg;

    f->dones++;
    f->e = e;
    f->status = status;
    buf_clear(&f->body);
    buf_add(&f->body, body);
    if (f->free_in_done) {
        fetcher_free(f->fetcher);
        f->fetcher = NULL;
    } else if (f->again > 0) {
        f->again--;
        fetch(f, f->url, NULL);
    }
}

static void fetch(struct fixture *f, const char *url, const char *ca)
{
    const struct fetch_rules rules = {
        .url = url, .ca = ca, .max_bytes = 100, .timeout_ms = f->timeout_ms};
    const int before = f->dones;

    fetch_start(f->fetcher, &rules, on_done, f);
    assert_int_equal(f->dones, before); /* never inside the call */
}

static bool is_done(void *arg)
{
    const struct fixture *f = arg;

    return f->dones == f->wanted;
}

/* Fetches and says how it ended. */
static enum err outcome(struct fixture *f, const char *url, const char *ca, const char *answer)
{
    f->answer = answer;
    f->dones = 0;
    f->wanted = f->again + 1;
    fetch(f, url, ca);
    assert_true(turn_until(f->w, is_done, f, SOON_MS));
    return f->e;
}

static void brings_a_body(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(outcome(f, f->url, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
                     ERR_OK);
    assert_int_equal(f->status, 200);
    assert_true(slice_eq(buf_slice(&f->body), SLICE("{}")));
}

static void another_status_is_no_success_and_redirects_are_not_followed(void **state)
{
    struct fixture *f = *state;
    char redirect[128];

    assert_int_equal(outcome(f, f->url, NULL, "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}"),
                     ERR_UNAVAILABLE);
    assert_int_equal(f->status, 404);
    snprintf(redirect, sizeof(redirect),
             "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", f->url);
    assert_int_equal(outcome(f, f->url, NULL, redirect), ERR_UNAVAILABLE);
    assert_int_equal(f->status, 302);
    assert_int_equal(f->requests, 2);
}

static void bodies_over_the_bound_are_refused_announced_or_not(void **state)
{
    struct fixture *f = *state;
    char answer[300];

    assert_int_equal(outcome(f, f->url, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"),
                     ERR_TOO_LARGE);
    snprintf(answer, sizeof(answer),
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
             "65\r\n%0101d\r\n0\r\n\r\n",
             0);
    assert_int_equal(outcome(f, f->url, NULL, answer), ERR_TOO_LARGE);
}

static void silence_ends_at_the_deadline(void **state)
{
    struct fixture *f = *state;

    f->timeout_ms = 100;
    assert_int_equal(outcome(f, f->url, NULL, NULL), ERR_TIMEOUT);
    assert_int_equal(f->status, 0);
}

static void only_https_leaves_the_machine(void **state)
{
    static const char *const DENIED[] = {
        "http://192.0.2.1/jwks", "http://example.com/jwks",       "file:///etc/passwd",
        "ftp://127.0.0.1/x",     "http://127.0.0.1.example.com/", "http://localhost.example.com/",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(DENIED) / sizeof(DENIED[0]); i++)
        assert_int_equal(outcome(f, DENIED[i], NULL, NULL), ERR_DENIED);
    assert_int_equal(outcome(f, "not a url", NULL, NULL), ERR_SYNTAX);
}

static void https_is_verified(void **state)
{
    struct fixture *f = *state;
    static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    char by_address[64];

    assert_int_equal(outcome(f, f->tls_url, f->authority.path, ANSWER), ERR_OK);
    assert_int_equal(outcome(f, f->tls_url, NULL, ANSWER), ERR_TLS);
    snprintf(by_address, sizeof(by_address), "https://127.0.0.1:%d/", listener_port(f->tls));
    assert_int_equal(outcome(f, by_address, f->authority.path, ANSWER), ERR_TLS);
}

static void k9_a_failure_may_start_the_next_fetch_which_fails_too(void **state)
{
    struct fixture *f = *state;

    listener_stop(f->plain);
    f->again = 5;
    assert_int_equal(outcome(f, f->url, NULL, NULL), ERR_REFUSED);
    assert_int_equal(f->dones, 6);
}

static void k9_fetcher_may_be_freed_by_a_failure_while_others_run(void **state)
{
    struct fixture *f = *state;

    f->answer = NULL;
    fetch(f, f->url, NULL);
    fetch(f, "http://192.0.2.1/", NULL);
    fetch(f, "http://192.0.2.1/", NULL);
    f->free_in_done = true;
    turn_for(f->w, 50);
    assert_int_equal(f->dones, 1);
}

static void free_cancels_what_runs(void **state)
{
    struct fixture *f = *state;

    fetch(f, f->url, NULL);
    turn_for(f->w, 20);
    fetch(f, f->tls_url, f->authority.path);
    turn_for(f->w, 5);
    fetcher_free(f->fetcher);
    f->fetcher = NULL;
    turn_for(f->w, 20);
    assert_int_equal(f->dones, 0);
}

static const struct CMUnitTest TESTS[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    CASE(brings_a_body),
    CASE(another_status_is_no_success_and_redirects_are_not_followed),
    CASE(bodies_over_the_bound_are_refused_announced_or_not),
    CASE(silence_ends_at_the_deadline),
    CASE(only_https_leaves_the_machine),
    CASE(https_is_verified),
    CASE(k9_a_failure_may_start_the_next_fetch_which_fails_too),
    CASE(k9_fetcher_may_be_freed_by_a_failure_while_others_run),
    CASE(free_cancels_what_runs),
};

int main(void)
{
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
