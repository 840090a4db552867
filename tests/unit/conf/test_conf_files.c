#include "conf_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

/* Files beside each other, the environment, and where secrets come from. */

static char folder[64];

static const char *path_of(const char *name)
{
    static char paths[4][200];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_conf.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    return mkdir(path_of("postern.d"), 0700);
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"postern.yaml",       "postern.d/10.yaml",
                                        "postern.d/20.yaml",  "postern.d/.hidden.yaml",
                                        "postern.d/note.txt", "secret"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unlink(path_of(names[i]));
    (void)rmdir(path_of("postern.d"));
    return rmdir(folder);
}

static struct reading read_files(char *const *env)
{
    struct reading r = {0};

    complaints_init(&r.complaints);
    buf_init(&r.text);
    r.result = conf_read(path_of("postern.yaml"), env, &r.complaints, &r.conf);
    complaints_write(&r.complaints, &r.text);
    return r;
}

static void assert_says(struct reading *r, const char *wanted)
{
    if (strstr(buf_cstr(&r->text), wanted) == NULL)
        fail_msg("'%s' is not in:\n%s", wanted, buf_cstr(&r->text));
    reading_fini(r);
}

static void includes_merge_maps_and_replace_lists(void **state)
{
    struct reading r;

    (void)state;
    write_file("postern.yaml", "server: {workers: 2, hosts: [a, b]}\n"
                               "upstreams: {x: {servers: [http://x:1]}}\n");
    write_file("postern.d/20.yaml", "server: {hosts: [c]}\nredis: {timeout: 1s}\n");
    write_file("postern.d/10.yaml", "upstreams: {y: {servers: [http://y:1]}}\n"
                                    "server: {hosts: [never]}\n");
    write_file("postern.d/.hidden.yaml", "nonsense: 1\n");
    write_file("postern.d/note.txt", "nonsense: 1\n");
    r = read_files(NULL);
    assert_int_equal(r.result, ERR_OK);
    assert_int_equal(r.conf->server.workers, 2);
    assert_int_equal(r.conf->server.hosts.count, 1);
    assert_slice(r.conf->server.hosts.items[0], "c");
    assert_int_equal(r.conf->upstream_count, 2);
    assert_int_equal(r.conf->redis.timeout_ms, 1000);
    assert_int_equal(r.conf->file_count, 3);
    reading_fini(&r);
}

static void the_same_scalar_in_two_files_names_both(void **state)
{
    struct reading r;
    char wanted[300];

    (void)state;
    write_file("postern.yaml", "redis:\n  url: redis://a\n");
    write_file("postern.d/10.yaml", "redis: {url: redis://b}\n");
    r = read_files(NULL);
    assert_int_equal(r.result, ERR_SYNTAX);
    (void)snprintf(wanted, sizeof(wanted),
                   "%s:1:14: error: this is already set in %s:2:8; one of the two must go",
                   path_of("postern.d/10.yaml"), path_of("postern.yaml"));
    assert_says(&r, wanted);
}

static void a_broken_include_brings_no_false_complaints(void **state)
{
    struct reading r;

    (void)state;
    write_file("postern.yaml", "routes: [{path: /a, upstream: x}]\n");
    write_file("postern.d/10.yaml", "upstreams: {x: {servers: [http://x:1]}\n");
    r = read_files(NULL);
    assert_int_equal(r.result, ERR_SYNTAX);
    assert_int_equal(r.complaints.errors, 1);
    assert_says(&r, "10.yaml:2:1: error: not valid YAML");
}

static void a_missing_file_is_an_error(void **state)
{
    struct reading r = read_files(NULL);

    (void)state;
    assert_int_equal(r.result, ERR_SYNTAX);
    assert_says(&r, "postern.yaml: error: cannot be read: No such file or directory");
}

static void the_environment_goes_before_the_file(void **state)
{
    static char *const env[] = {"POSTERN_REDIS__URL=redis://env:1",
                                "POSTERN_AUTH__JWT_AUDIENCE=a, b",
                                "POSTERN_REDIS__PASSWORD=inline",
                                "POSTERN_TOKEN=not ours",
                                "POSTERN_ADDR=x",
                                NULL};
    struct reading r;

    (void)state;
    write_file("postern.yaml", "redis: {url: redis://file:1}\n");
    r = read_files(env);
    assert_int_equal(r.result, ERR_OK);
    assert_int_equal(r.complaints.count, 0);
    assert_slice(r.conf->redis.url, "redis://env:1");
    assert_int_equal(r.conf->auth.jwt_audience.count, 2);
    assert_slice(secret_slice(r.conf->redis.password), "inline");
    reading_fini(&r);
}

static void _file_names_a_file_that_holds_the_value(void **state)
{
    char variable[300];
    char *env[] = {variable, NULL, NULL};
    struct reading r;

    (void)state;
    write_file("postern.yaml", "");
    write_file("secret", "s3cret with spaces \n");
    (void)snprintf(variable, sizeof(variable), "POSTERN_REDIS__PASSWORD_FILE=%s",
                   path_of("secret"));
    r = read_files(env);
    assert_int_equal(r.result, ERR_OK);
    assert_slice(secret_slice(r.conf->redis.password), "s3cret with spaces ");
    reading_fini(&r);
    env[1] = "POSTERN_REDIS__PASSWORD=x";
    r = read_files(env);
    assert_int_equal(r.result, ERR_SYNTAX);
    assert_says(&r, "set together with POSTERN_REDIS__PASSWORD");
    env[0] = "POSTERN_REDIS__PASSWORD_FILE=/nonexistent";
    env[1] = NULL;
    r = read_files(env);
    assert_int_equal(r.result, ERR_SYNTAX);
    assert_says(&r, "environment variable POSTERN_REDIS__PASSWORD_FILE: error: the secret in "
                    "/nonexistent cannot be read: no such file");
}

static void a_misspelt_variable_is_an_error(void **state)
{
    static char *const wrong[] = {"POSTERN_REDIS__ULR=redis://x", NULL};
    static char *const lists[] = {"POSTERN_ROUTES__PATH=/x", NULL};
    static char *const range[] = {"POSTERN_SERVER__WORKERS=9999", NULL};
    struct reading r = read_with("", wrong);

    (void)state;
    assert_says(&r, "environment variable POSTERN_REDIS__ULR: error: no such option; did you mean "
                    "POSTERN_REDIS__URL?");
    r = read_with("", lists);
    assert_says(&r, "routes is set in the file only");
    r = read_with("", range);
    assert_says(&r, "environment variable POSTERN_SERVER__WORKERS: error: workers: 9999 is out of");
}

static void secrets_come_from_files_and_credentials(void **state)
{
    char directory[100], yaml[300];
    char *const env[] = {directory, NULL};
    struct reading r;

    (void)state;
    write_file("secret", "hunter2\n");
    (void)snprintf(directory, sizeof(directory), "CREDENTIALS_DIRECTORY=%s", folder);
    (void)snprintf(yaml, sizeof(yaml),
                   "redis: {password: 'file:%s'}\n"
                   "auth: {master_key: credential:secret}\n",
                   path_of("secret"));
    r = read_with(yaml, env);
    assert_int_equal(r.result, ERR_OK);
    assert_int_equal(r.complaints.count, 0);
    assert_slice(secret_slice(r.conf->redis.password), "hunter2");
    assert_slice(secret_slice(r.conf->auth.master_key), "hunter2");
    reading_fini(&r);
    r = read_yaml("auth: {master_key: credential:secret}\n");
    assert_says(&r, "CREDENTIALS_DIRECTORY is not set");
    r = read_with("auth: {master_key: credential:../secret}\n", env);
    assert_says(&r, "takes a name, not a path");
}

static void a_secret_in_the_file_brings_a_warning(void **state)
{
    struct reading r = read_yaml("redis:\n  password: hunter2\n");

    (void)state;
    assert_int_equal(r.result, ERR_OK);
    assert_int_equal(r.complaints.errors, 0);
    assert_slice(secret_slice(r.conf->redis.password), "hunter2");
    assert_says(&r, "gw.yaml:2:13: warning: password is written into the file");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(includes_merge_maps_and_replace_lists),
        IN_FOLDER(the_same_scalar_in_two_files_names_both),
        IN_FOLDER(a_broken_include_brings_no_false_complaints),
        IN_FOLDER(a_missing_file_is_an_error),
        IN_FOLDER(the_environment_goes_before_the_file),
        IN_FOLDER(_file_names_a_file_that_holds_the_value),
        cmocka_unit_test(a_misspelt_variable_is_an_error),
        IN_FOLDER(secrets_come_from_files_and_credentials),
        cmocka_unit_test(a_secret_in_the_file_brings_a_warning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
