#include "base_case.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <unistd.h>

static int64_t fixed_wall(void)
{
    return INT64_C(1795577353123);
}

static int ends[2];

static int open_pipe(void **state)
{
    (void)state;
    clock_set_source(NULL, fixed_wall);
    return pipe(ends);
}

static int close_pipe(void **state)
{
    (void)state;
    clock_set_source(NULL, NULL);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static struct slice line(void)
{
    static char text[4096];
    ssize_t n = read(ends[0], text, sizeof(text));

    assert_true(n > 0);
    return slice_of(text, (size_t)n);
}

static void h13_no_value_can_forge_a_line(void **state)
{
    struct log *l = log_new(ends[1], LOG_JSON, LOG_INFO);
    json_t *tree = NULL;
    struct slice text;

    (void)state;
    log_warn(l, "auth.refused",
             LOG_SLICE("user", SLICE("a\",\"admin\":true}\r\n{\"x\":\"\xff\x1b[2J")));
    text = line();
    assert_int_equal(slice_find(text, '\n', 0), text.n - 1);
    assert_int_equal(slice_find(text, '\x1b', 0), text.n);
    assert_int_equal(json_read(text, 4096, &tree), ERR_OK);
    assert_int_equal(json_object_size(tree), 4);
    assert_null(json_object_get(tree, "admin"));
    json_decref(tree);
    log_free(l);
}

static void values_keep_their_type(void **state)
{
    struct log *l = log_new(ends[1], LOG_JSON, LOG_INFO);

    (void)state;
    log_info(l, "a.b", LOG_STR("s", "x"), LOG_INT("n", -5), LOG_BOOL("y", true),
             LOG_ERR("e", ERR_TIMEOUT));
    assert_slice(line(),
                 SLICE("{\"ts\":\"2026-11-25T03:29:13.123Z\",\"level\":\"info\",\"msg\":\"a.b\","
                       "\"s\":\"x\",\"n\":-5,\"y\":true,\"e\":\"took too long\"}\n"));
    log_info(l, "bare");
    assert_slice(
        line(),
        SLICE("{\"ts\":\"2026-11-25T03:29:13.123Z\",\"level\":\"info\",\"msg\":\"bare\"}\n"));
    log_info(l, "null", LOG_STR("s", NULL));
    assert_true(slice_ends(line(), SLICE(",\"s\":\"\"}\n")));
    log_free(l);
}

static void text_is_one_line_too(void **state)
{
    struct log *l = log_new(ends[1], LOG_TEXT, LOG_INFO);

    (void)state;
    log_error(l, "a.b", LOG_STR("s", "x\ny"));
    assert_slice(line(), SLICE("2026-11-25T03:29:13.123Z error a.b s=\"x\\u000ay\"\n"));
    log_free(l);
}

static void what_is_below_the_level_is_not_written(void **state)
{
    struct log *l = log_new(ends[1], LOG_TEXT, LOG_WARN);

    (void)state;
    assert_false(log_is_on(l, LOG_INFO));
    assert_true(log_is_on(l, LOG_ERROR));
    assert_false(log_is_on(NULL, LOG_ERROR));
    log_info(l, "not.this");
    log_warn(NULL, "nor.this");
    log_warn(l, "this");
    assert_true(slice_ends(line(), SLICE(" this\n")));
    log_free(l);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_pipe, close_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(h13_no_value_can_forge_a_line),
        TEST(values_keep_their_type),
        TEST(text_is_one_line_too),
        TEST(what_is_below_the_level_is_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
