#include "auth_test.h"

#include "net/fetch.h"
#include "observe/metrics.h"

#include <netinet/in.h>
#include <openssl/pem.h>
#include <sys/socket.h>

/*
 * The control thread's side: keys from files and URLs. Control and one worker are
 * turned by hand, and so is an issuer's web server.
 */
enum { HELD_MAX = 16 };

struct bench {
    struct worker *control, *w;
    struct fetcher *fetcher;
    struct issuers *issuers;
    int listener;
    unsigned port;
    struct buf document;
    unsigned status;
    bool is_holding; /* requests are taken and not answered */
    int held[HELD_MAX];
    unsigned held_count, requests;
    char dir[64];
};

static int64_t mono_shift_ms;

static int64_t shifted_mono_us(void)
{
    return true_mono_us() + mono_shift_ms * 1000;
}

/* The clock of the cool-downs runs ahead from now on. */
static void pass_ms(int64_t ms)
{
    mono_shift_ms += ms;
    clock_set_source(shifted_mono_us, shifted_wall_ms);
}

#define URL "http://127.0.0.1:%u/jwks"
#define IDP "https://idp.example"

static int open_bench(void **state)
{
    struct bench *b = mem_zalloc(sizeof(*b));
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(in);

    b->control = worker_new(-1, quiet_log());
    b->control->counters = counters_new();
    b->w = worker_new(0, quiet_log());
    b->w->keyring = keyring_new();
    b->fetcher = fetcher_new(b->control);
    b->issuers = issuers_new(b->control, &b->w, 1, b->fetcher);
    b->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(b->listener, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(b->listener, 16), 0);
    assert_int_equal(getsockname(b->listener, (struct sockaddr *)&in, &n), 0);
    b->port = ntohs(in.sin_port);
    b->status = 200;
    strcpy(b->dir, "/tmp/postern-issuers-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    *state = b;
    return 0;
}

static int close_bench(void **state)
{
    struct bench *b = *state;

    fetcher_free(b->fetcher);
    turn(b->control);
    turn(b->w);
    issuers_free(b->issuers);
    keyring_free(b->w->keyring);
    worker_free(b->w);
    counters_free(b->control->counters);
    worker_free(b->control);
    for (unsigned i = 0; i < b->held_count; i++)
        close(b->held[i]);
    close(b->listener);
    buf_fini(&b->document);
    rmdir(b->dir);
    free(b);
    mono_shift_ms = 0;
    clock_set_source(NULL, NULL);
    return 0;
}

/* ------- the issuer's web server ------- */

static void answer(struct bench *b, int fd)
{
    char head[128];
    int n = snprintf(head, sizeof(head),
                     "HTTP/1.1 %u Reply\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                     b->status, b->document.n);

    assert_int_equal(write(fd, head, (size_t)n), n);
    assert_int_equal(write(fd, buf_slice(&b->document).p, b->document.n), (ssize_t)b->document.n);
    close(fd);
}

static void serve(struct bench *b)
{
    int fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC);
    char request[2048];

    if (fd < 0)
        return;
    b->requests++;
    assert_true(read(fd, request, sizeof(request)) > 0);
    if (!b->is_holding) {
        answer(b, fd);
        return;
    }
    assert_true(b->held_count < HELD_MAX);
    b->held[b->held_count++] = fd;
}

static void let_go(struct bench *b)
{
    b->is_holding = false;
    while (b->held_count > 0)
        answer(b, b->held[--b->held_count]);
}

static bool go_on_until(struct bench *b, bool (*cond)(struct bench *b), int64_t ms)
{
    const int64_t end_us = true_mono_us() + ms * 1000;

    for (;;) {
        const struct timespec nap = {.tv_nsec = 200000};

        serve(b);
        turn(b->control);
        turn(b->w);
        if (cond != NULL && cond(b))
            return true;
        if (true_mono_us() >= end_us)
            return false;
        nanosleep(&nap, NULL);
    }
}

/* What the server shows from now on: the public halves of keys with these kids (NULL-ended). */
static void show(struct bench *b, const char *const *kids)
{
    json_t *keys = json_array(), *document = json_pack("{s:o}", "keys", keys);
    char *text;

    for (; *kids != NULL; kids++) {
        struct jwk *k = key_of(ALG_ES256, *kids);

        json_array_append_new(keys, jwk_public_json(k));
        jwk_free(k);
    }
    text = json_dumps(document, JSON_COMPACT);
    buf_clear(&b->document);
    buf_add(&b->document, slice_str(text));
    free(text);
    json_decref(document);
}

#define SHOW(b, ...) show((b), (const char *const[]){__VA_ARGS__, NULL})

/* ------- the configuration ------- */

static enum err apply(struct bench *b, const char *yaml, char **why)
{
    struct policy *p = policy_of(yaml);
    enum err e = issuers_apply(b->issuers, p, why);

    policy_unref(p); /* nothing of it may be needed later */
    return e;
}

static void apply_url(struct bench *b)
{
    char yaml[512], *why = NULL;

    snprintf(yaml, sizeof(yaml),
             "auth: {issuers: [{issuer: " IDP
             ", audience: [ml], algorithms: [ES256], jwks_url: " URL ", cooldown: 5s}]}\n",
             b->port);
    assert_int_equal(apply(b, yaml, &why), ERR_OK);
}

static bool knows(struct bench *b, const char *kid)
{
    const struct keyset *set = keyring_find(b->w->keyring, SLICE(IDP));

    return set != NULL && keyset_find(set, slice_str(kid), ALG_ES256) != NULL;
}

static bool knows_k1(struct bench *b)
{
    return knows(b, "k1");
}

static bool knows_k2(struct bench *b)
{
    return knows(b, "k2");
}

static bool has_failed(struct bench *b)
{
    return atomic_load(&b->control->counters->values[METRIC_JWKS_FAILURES]) > 0;
}

static bool was_asked(struct bench *b)
{
    return b->requests > 0;
}

static bool was_asked_twice(struct bench *b)
{
    return b->requests > 1;
}

/* ------- URLs ------- */

static void fetches_the_keys_in_the_background(void **state)
{
    struct bench *b = *state;

    SHOW(b, "k1");
    apply_url(b);
    assert_false(knows_k1(b));
    assert_true(go_on_until(b, knows_k1, SOON_MS));
    assert_int_equal(b->requests, 1);
}

static void k8_a_flood_of_unknown_kids_costs_one_fetch_a_cooldown(void **state)
{
    struct bench *b = *state;

    SHOW(b, "k1");
    apply_url(b);
    assert_true(go_on_until(b, knows_k1, SOON_MS));
    for (int round = 0; round < 4; round++) { /* 4 seconds of a cool-down of 5 */
        for (int i = 0; i < 1000; i++)
            issuers_unknown_kid(b->issuers, SLICE(IDP));
        go_on_until(b, NULL, 30);
        pass_ms(1000);
    }
    assert_int_equal(b->requests, 1);
    assert_true(knows_k1(b)); /* a miss evicts nothing */
    pass_ms(1500);
    for (int i = 0; i < 1000; i++)
        issuers_unknown_kid(b->issuers, SLICE(IDP));
    assert_true(go_on_until(b, was_asked_twice, SOON_MS));
    for (int i = 0; i < 1000; i++)
        issuers_unknown_kid(b->issuers, SLICE("https://nobody.example"));
    go_on_until(b, NULL, 30);
    assert_int_equal(b->requests, 2);
}

static void k8_a_new_kid_is_found_early(void **state)
{
    struct bench *b = *state;

    SHOW(b, "k1");
    apply_url(b);
    assert_true(go_on_until(b, knows_k1, SOON_MS));
    SHOW(b, "k1", "k2");
    pass_ms(6000);
    issuers_unknown_kid(b->issuers, SLICE(IDP));
    assert_true(go_on_until(b, knows_k2, SOON_MS));
    assert_true(knows_k1(b));
}

static void k8_one_fetch_is_in_flight(void **state)
{
    struct bench *b = *state;

    SHOW(b, "k1");
    b->is_holding = true;
    apply_url(b);
    assert_true(go_on_until(b, was_asked, SOON_MS));
    for (int round = 0; round < 5; round++) {
        pass_ms(6000);
        issuers_unknown_kid(b->issuers, SLICE(IDP));
        go_on_until(b, NULL, 60);
    }
    assert_int_equal(b->requests, 1);
    let_go(b);
    assert_true(go_on_until(b, knows_k1, SOON_MS));
}

static void fail_one_fetch(struct bench *b)
{
    gauge_set(b->control->counters, METRIC_JWKS_FAILURES, 0);
    pass_ms(6000);
    issuers_unknown_kid(b->issuers, SLICE(IDP));
    assert_true(go_on_until(b, has_failed, SOON_MS));
}

static void k8_known_keys_outlive_every_failure(void **state)
{
    struct bench *b = *state;

    SHOW(b, "k1");
    apply_url(b);
    assert_true(go_on_until(b, knows_k1, SOON_MS));
    b->status = 500;
    fail_one_fetch(b);
    assert_true(knows_k1(b));
    b->status = 200;
    buf_clear(&b->document);
    buf_add(&b->document, SLICE("<html>maintenance</html>"));
    fail_one_fetch(b);
    assert_true(knows_k1(b));
    buf_clear(&b->document);
    buf_add(&b->document, SLICE("{\"keys\":[]}"));
    fail_one_fetch(b);
    assert_true(knows_k1(b));
    SHOW(b, "k2");
    pass_ms(6000);
    issuers_unknown_kid(b->issuers, SLICE(IDP));
    assert_true(go_on_until(b, knows_k2, SOON_MS));
    assert_false(knows_k1(b)); /* the issuer itself took it back */
}

static void the_same_document_changes_nothing(void **state)
{
    struct bench *b = *state;
    uint64_t generation;

    SHOW(b, "k1");
    apply_url(b);
    assert_true(go_on_until(b, knows_k1, SOON_MS));
    generation = keyring_generation(b->w->keyring);
    pass_ms(6000);
    issuers_unknown_kid(b->issuers, SLICE(IDP));
    assert_true(go_on_until(b, was_asked_twice, SOON_MS));
    go_on_until(b, NULL, 100);
    assert_int_equal(keyring_generation(b->w->keyring), generation);
}

static void a_reload_keeps_fetched_keys_and_asks_nobody(void **state)
{
    struct bench *b = *state;

    SHOW(b, "k1");
    apply_url(b);
    assert_true(go_on_until(b, knows_k1, SOON_MS));
    apply_url(b);
    go_on_until(b, NULL, 50);
    assert_true(knows_k1(b));
    assert_int_equal(b->requests, 1);
}

static void an_issuer_that_goes_is_forgotten(void **state)
{
    struct bench *b = *state;
    char *why = NULL;

    SHOW(b, "k1");
    apply_url(b);
    assert_true(go_on_until(b, knows_k1, SOON_MS));
    assert_int_equal(apply(b, "{}\n", &why), ERR_OK);
    go_on_until(b, NULL, 20);
    assert_null(keyring_find(b->w->keyring, SLICE(IDP)));
}

static void k9_a_reload_during_a_fetch_is_safe(void **state)
{
    struct bench *b = *state;
    char *why = NULL;

    SHOW(b, "k1");
    b->is_holding = true;
    apply_url(b);
    assert_true(go_on_until(b, was_asked, SOON_MS));
    assert_int_equal(apply(b, "{}\n", &why), ERR_OK);
    let_go(b); /* the answer comes for an issuer that is gone */
    go_on_until(b, NULL, 100);
    assert_false(knows_k1(b));
    apply_url(b);
    assert_true(go_on_until(b, knows_k1, SOON_MS));
}

static void k9_a_failure_during_a_failure_is_safe(void **state)
{
    struct bench *b = *state;

    b->status = 500;
    b->is_holding = true;
    apply_url(b);
    assert_true(go_on_until(b, was_asked, SOON_MS));
    apply_url(b); /* a second state of the issuer, while the first one's fetch is about to fail */
    go_on_until(b, NULL, 50);
    issuers_unknown_kid(b->issuers, SLICE(IDP));
    go_on_until(b, NULL, 50);
    let_go(b);
    assert_true(go_on_until(b, has_failed, SOON_MS));
    SHOW(b, "k1");
    b->status = 200;
    pass_ms(6000);
    issuers_unknown_kid(b->issuers, SLICE(IDP));
    assert_true(go_on_until(b, knows_k1, SOON_MS));
}

static void k9_the_end_during_a_fetch_is_safe(void **state)
{
    struct bench *b = *state;

    b->is_holding = true;
    apply_url(b);
    assert_true(go_on_until(b, was_asked, SOON_MS));
    issuers_unknown_kid(b->issuers, SLICE(IDP));
}

/* ------- files ------- */

static void write_file(struct bench *b, const char *name, struct slice text, char path[128])
{
    FILE *file;

    snprintf(path, 128, "%s/%s", b->dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.p, 1, text.n, file), text.n);
    fclose(file);
}

static enum err apply_file(struct bench *b, const char *option, const char *path, char **why)
{
    char yaml[512];

    snprintf(yaml, sizeof(yaml),
             "auth: {issuers: [{issuer: " IDP ", audience: [ml], algorithms: [ES256, RS256], "
             "%s: %s}]}\n",
             option, path);
    return apply(b, yaml, why);
}

static void reads_a_jwks_file_anew_at_each_reload(void **state)
{
    struct bench *b = *state;
    char path[128], *why = NULL;

    SHOW(b, "k1");
    write_file(b, "jwks.json", buf_slice(&b->document), path);
    assert_int_equal(apply_file(b, "jwks_file", path, &why), ERR_OK);
    go_on_until(b, NULL, 5);
    assert_true(knows_k1(b));
    SHOW(b, "k2");
    write_file(b, "jwks.json", buf_slice(&b->document), path);
    assert_int_equal(apply_file(b, "jwks_file", path, &why), ERR_OK);
    go_on_until(b, NULL, 5);
    assert_true(knows_k2(b));
    assert_false(knows_k1(b));
    unlink(path);
}

static void a_bad_file_changes_nothing_and_says_why(void **state)
{
    struct bench *b = *state;
    char path[128], *why = NULL;

    SHOW(b, "k1");
    write_file(b, "jwks.json", buf_slice(&b->document), path);
    assert_int_equal(apply_file(b, "jwks_file", path, &why), ERR_OK);
    write_file(b, "jwks.json", SLICE("{\"keys\":"), path);
    assert_int_equal(apply_file(b, "jwks_file", path, &why), ERR_SYNTAX);
    assert_non_null(strstr(why, IDP));
    assert_non_null(strstr(why, "jwks.json"));
    free(why);
    go_on_until(b, NULL, 5);
    assert_true(knows_k1(b));
    unlink(path);
    assert_int_equal(apply_file(b, "jwks_file", path, &why), ERR_SYNTAX);
    assert_non_null(strstr(why, "not found"));
    free(why);
    go_on_until(b, NULL, 5);
    assert_true(knows_k1(b));
}

static void reads_a_pem_key_for_the_algorithms_it_is_fit_for(void **state)
{
    struct bench *b = *state;
    struct jwk *k = key_of(ALG_ES256, "k1");
    BIO *bio = BIO_new(BIO_s_mem());
    char path[128], *why = NULL, *text;
    long n;

    assert_int_equal(PEM_write_bio_PUBKEY(bio, k->pkey), 1);
    n = BIO_get_mem_data(bio, &text);
    write_file(b, "key.pem", slice_of(text, (size_t)n), path);
    assert_int_equal(apply_file(b, "key_file", path, &why), ERR_OK);
    go_on_until(b, NULL, 5);
    assert_int_equal(keyring_find(b->w->keyring, SLICE(IDP))->count, 1);
    assert_non_null(keyset_find(keyring_find(b->w->keyring, SLICE(IDP)), SLICE_NONE, ALG_ES256));
    BIO_free(bio);
    jwk_free(k);
    unlink(path);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fetches_the_keys_in_the_background),
        TEST(k8_a_flood_of_unknown_kids_costs_one_fetch_a_cooldown),
        TEST(k8_a_new_kid_is_found_early),
        TEST(k8_one_fetch_is_in_flight),
        TEST(k8_known_keys_outlive_every_failure),
        TEST(the_same_document_changes_nothing),
        TEST(a_reload_keeps_fetched_keys_and_asks_nobody),
        TEST(an_issuer_that_goes_is_forgotten),
        TEST(k9_a_reload_during_a_fetch_is_safe),
        TEST(k9_a_failure_during_a_failure_is_safe),
        TEST(k9_the_end_during_a_fetch_is_safe),
        TEST(reads_a_jwks_file_anew_at_each_reload),
        TEST(a_bad_file_changes_nothing_and_says_why),
        TEST(reads_a_pem_key_for_the_algorithms_it_is_fit_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
