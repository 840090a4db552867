#include "base_case.h"

#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void equality_is_of_all_bytes(void **state)
{
    (void)state;
    assert_true(secret_equal(SLICE("abc"), SLICE("abc")));
    assert_true(secret_equal(SLICE_NONE, SLICE("")));
    assert_false(secret_equal(SLICE("abc"), SLICE("abd")));
    assert_false(secret_equal(SLICE("abc"), SLICE("bbc")));
    assert_false(secret_equal(SLICE("abc"), SLICE("ab")));
    assert_false(secret_equal(SLICE(""), SLICE("a")));
    assert_false(secret_equal(SLICE("a\0b"), SLICE("a\0c")));
}

static void a_copy_is_its_own(void **state)
{
    char text[] = "pass";
    struct secret *s = secret_copy(slice_of(text, 4));

    (void)state;
    text[0] = 'x';
    assert_slice(secret_slice(s), SLICE("pass"));
    assert_int_equal(s->p[s->n], '\0');
    secret_free(s);
    secret_free(NULL);
}

static void wiping_leaves_nothing(void **state)
{
    char text[] = "pass";

    (void)state;
    secret_wipe(text, 4);
    assert_memory_equal(text, "\0\0\0\0", 4);
}

/* Writes content to a file and reads it back as a secret. */
static enum err read_back(struct slice content, size_t max, struct secret **out)
{
    char path[] = "/tmp/test_secret.XXXXXX";
    int fd = mkstemp(path);
    enum err e;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.p, content.n), content.n);
    close(fd);
    e = secret_read_file(path, max, out);
    unlink(path);
    return e;
}

static void a_file_is_read_without_one_line_break(void **state)
{
    static const struct {
        const char *content, *secret;
    } rows[] = {
        {"key", "key"}, {"key\n", "key"}, {"key\r\n", "key"}, {"key\n\n", "key\n"}, {" k ", " k "}};
    struct secret *s = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(read_back(slice_str(rows[i].content), 100, &s), ERR_OK);
        assert_slice(secret_slice(s), slice_str(rows[i].secret));
        secret_free(s);
    }
}

static void a_file_is_bounded_and_not_empty(void **state)
{
    struct secret *s = NULL;

    (void)state;
    assert_int_equal(read_back(SLICE(""), 10, &s), ERR_SYNTAX);
    assert_int_equal(read_back(SLICE("\n"), 10, &s), ERR_SYNTAX);
    assert_int_equal(read_back(SLICE("0123456789x"), 10, &s), ERR_TOO_LARGE);
    assert_int_equal(secret_read_file("/nonexistent/secret", 10, &s), ERR_NOT_FOUND);
    assert_null(s);
    assert_int_equal(read_back(SLICE("0123456789\r\n"), 10, &s), ERR_OK);
    assert_int_equal(s->n, 10);
    secret_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_is_of_all_bytes),
        cmocka_unit_test(a_copy_is_its_own),
        cmocka_unit_test(wiping_leaves_nothing),
        cmocka_unit_test(a_file_is_read_without_one_line_break),
        cmocka_unit_test(a_file_is_bounded_and_not_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
