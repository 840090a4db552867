#include "conf_fixture.h"

#include "base/json.h"
#include "conf/option.h"

/* What is made from the table: sample, help, manual, schema, and the dump. */

static char *slurp(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 1 << 18);

    if (f != NULL) {
        assert_true(fread(text, 1, (1 << 18) - 1, f) > 0);
        assert_int_equal(fclose(f), 0);
    }
    return text;
}

static void check_file(const char *path, struct buf *wanted)
{
    char *text;

    /* UPDATE_SAMPLE=1 writes the file instead; see the commit's diff afterwards. */
    if (getenv("UPDATE_SAMPLE") != NULL) {
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        assert_int_equal(fwrite(buf_cstr(wanted), 1, wanted->n, f), wanted->n);
        assert_int_equal(fclose(f), 0);
    }
    text = slurp(path);
    assert_string_equal(text, buf_cstr(wanted));
    free(text);
}

static void the_shipped_sample_is_up_to_date(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b);
    conf_write_sample(&b);
    check_file(TESTS_DIR "/../conf/postern.sample.yaml", &b);
    buf_fini(&b);
}

static void the_shipped_schema_is_up_to_date(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b);
    conf_write_schema(&b);
    check_file(TESTS_DIR "/../conf/postern.schema.json", &b);
    buf_fini(&b);
}

static void the_sample_is_a_configuration(void **state)
{
    struct buf sample, yaml;
    struct slice rest;
    bool is_heading = true;
    struct reading r;

    (void)state;
    buf_init(&sample);
    buf_init(&yaml);
    conf_write_sample(&sample);
    rest = buf_slice(&sample);
    /* As a person would: every '#' in front taken away, but no credentials are at hand. */
    while (rest.p != NULL) {
        struct slice line = slice_cut(&rest, '\n');

        if (line.n == 0)
            is_heading = false;
        if (!is_heading && memmem(line.p, line.n, "credential:", 11) == NULL)
            buf_printf(&yaml, "%.*s\n", SLICE_FMT(slice_from(line, 1)));
    }
    r = read_yaml(buf_cstr(&yaml));
    assert_string_equal(buf_cstr(&r.text), "");
    assert_int_equal(r.result, ERR_OK);
    reading_fini(&r);
    buf_fini(&yaml);
    buf_fini(&sample);
}

static void the_file_for_development_is_right(void **state)
{
    struct complaints c;
    struct conf *conf = NULL;

    (void)state;
    complaints_init(&c);
    assert_int_equal(conf_read(TESTS_DIR "/../conf/dev.yaml", NULL, &c, &conf), ERR_OK);
    assert_int_equal(c.count, 0);
    assert_int_equal(conf->auth.mode, CONF_auth_mode_DEV);
    conf_free(conf);
    complaints_fini(&c);
}

static void every_option_has_its_help(void **state)
{
    size_t count;
    const struct option *options = option_all(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        const struct section *s = section_find(options[i].section);
        char dotted[200], *p = dotted;
        struct buf b;

        (void)snprintf(
            dotted, sizeof(dotted), "%s.%.*s%s%.*s", s->path, SLICE_FMT(option_group(&options[i])),
            option_group(&options[i]).n > 0 ? "." : "", SLICE_FMT(option_leaf(&options[i])));
        buf_init(&b);
        assert_int_equal(conf_write_help(p, &b), ERR_OK);
        if (strstr(buf_cstr(&b), dotted) == NULL)
            fail_msg("'%s' is not in: %s", dotted, buf_cstr(&b));
        buf_fini(&b);
    }
}

static void help_takes_the_names_people_write(void **state)
{
    static const char *const known[] = {"limits.rate",
                                        "limits.default.rate",
                                        "auth.jwt.issuer",
                                        "auth.issuers.secret",
                                        "listen.tls.certificate",
                                        "listen[].tls.certificates[].key",
                                        "routes.cors.origins",
                                        "upstreams.ocr.timeouts.connect",
                                        "upstreams.timeouts",
                                        "redis",
                                        "routes"};
    static const char *const unknown[] = {
        "", "nothing", "redis.nothing", "limits.a.b.rate", "redis.url.x", "listen.tls.x"};
    struct buf b;

    (void)state;
    buf_init(&b);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        assert_int_equal(conf_write_help(known[i], &b), ERR_OK);
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_int_equal(conf_write_help(unknown[i], &b), ERR_NOT_FOUND);
    assert_non_null(strstr(buf_cstr(&b), "Environment: POSTERN_REDIS__URL"));
    buf_fini(&b);
}

static void the_manual_names_every_option(void **state)
{
    size_t count;
    const struct option *options = option_all(&count);
    struct buf b;

    (void)state;
    buf_init(&b);
    conf_write_manual(&b);
    for (size_t i = 0; i < count; i++) {
        char item[100];

        (void)snprintf(item, sizeof(item), "%.*s Pq", SLICE_FMT(option_leaf(&options[i])));
        assert_non_null(strstr(buf_cstr(&b), item));
    }
    buf_fini(&b);
}

static const char full[] =
    "server: {hosts: [gw], trusted_proxies: [10.0.0.0/8, '::1'], head_max: 64KiB}\n"
    "listen:\n"
    "  - address: 127.0.0.1:1\n"
    "    tls:\n"
    "      certificate: /c\n"
    "      key: /k\n"
    "      certificates: [{certificate: /c2, key: /k2}]\n"
    "  - {address: 'unix:/run/x'}\n"
    "auth: {issuers: [{issuer: i, audience: [a], algorithms: [RS256], jwks_file: /j}]}\n"
    "limits: {a: {rate: [60/min, 10/15m]}}\n"
    "upstreams: {u: {servers: ['http://h:1']}}\n"
    "routes: [{path: '/x/{id}/**', upstream: u, limit: a, cors: {origins: ['*']}, rewrite: "
    "'/$${q}', name: 'a b'}]\n";

static void what_is_written_reads_the_same(void **state)
{
    struct buf first, second;
    struct reading r;
    struct conf *conf;

    (void)state;
    conf =
        read_good("upstreams: {u: {servers: ['http://h:1']}}\nroutes: [{path: /a, upstream: u}]\n");
    conf_free(conf);
    r = read_yaml(full);
    /* {q} is not in the pattern. */
    assert_int_equal(r.result, ERR_SYNTAX);
    reading_fini(&r);
    buf_init(&first);
    buf_init(&second);
    {
        char *good = strdup(full), *at = strstr(good, "$${q}");

        memcpy(at, "a{id}", 5);
        conf = read_good(good);
        free(good);
    }
    conf_write(conf, false, &first);
    conf_free(conf);
    conf = read_good(buf_cstr(&first));
    assert_int_equal(conf_diff(conf, conf, &second), 0);
    conf_write(conf, false, &second);
    assert_string_equal(buf_cstr(&first), buf_cstr(&second));
    conf_free(conf);
    buf_fini(&first);
    buf_fini(&second);
}

static void the_dump_masks_secrets_and_names_each_origin(void **state)
{
    static char *const env[] = {"POSTERN_REDIS__TIMEOUT=2s", NULL};
    struct reading r = read_with("redis: {password: hunter2}\nserver:\n  workers: 3\n", env);
    struct buf b;

    (void)state;
    assert_int_equal(r.result, ERR_OK);
    buf_init(&b);
    conf_write(r.conf, true, &b);
    assert_null(strstr(buf_cstr(&b), "hunter2"));
    assert_non_null(strstr(buf_cstr(&b), "  password: \"********\""));
    assert_non_null(strstr(buf_cstr(&b), "# gw.yaml:3\n"));
    assert_non_null(strstr(buf_cstr(&b), "# environment variable POSTERN_REDIS__TIMEOUT\n"));
    assert_non_null(strstr(buf_cstr(&b), "# default\n"));
    buf_fini(&b);
    reading_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_sample_is_up_to_date),
        cmocka_unit_test(the_shipped_schema_is_up_to_date),
        cmocka_unit_test(the_sample_is_a_configuration),
        cmocka_unit_test(the_file_for_development_is_right),
        cmocka_unit_test(every_option_has_its_help),
        cmocka_unit_test(help_takes_the_names_people_write),
        cmocka_unit_test(the_manual_names_every_option),
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(the_dump_masks_secrets_and_names_each_origin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
