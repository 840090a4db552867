#include "observe/access_log.h"

#include "base/json.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct access_entry entry(void)
{
    return (struct access_entry){.request_id = SLICE("r1"),
                                 .path = SLICE("/predict"),
                                 .user_id = SLICE("usr_1"),
                                 .status = 200,
                                 .auth_us = 1234,
                                 .limit_us = -1,
                                 .upstream_us = -1,
                                 .first_byte_us = -1,
                                 .total_us = 98765,
                                 .attempts = 1};
}

static json_t *read_line(int fd)
{
    static char text[65536];
    ssize_t n = read(fd, text, sizeof(text));
    json_t *tree = NULL;

    assert_true(n > 1);
    assert_int_equal(text[n - 1], '\n');
    assert_int_equal(json_read(slice_of(text, (size_t)n - 1), sizeof(text), &tree), ERR_OK);
    return tree;
}

static void nothing_is_written_before_the_flush_and_a_line_is_json(void **state)
{
    int ends[2];
    struct access_log *l;
    struct access_entry e = entry();
    json_t *line;

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    l = access_log_new(ends[1]);
    access_log_add(l, &e);
    assert_int_equal(read(ends[0], &(char){0}, 1), -1);
    access_log_flush(l);
    line = read_line(ends[0]);
    assert_true(slice_eq(json_text(line, "msg"), SLICE("access")));
    assert_true(slice_eq(json_text(line, "user"), SLICE("usr_1")));
    assert_int_equal(json_integer_value(json_object_get(line, "status")), 200);
    assert_true(json_real_value(json_object_get(line, "ms")) == 98.765);
    assert_true(json_real_value(json_object_get(line, "auth_ms")) == 1.234);
    assert_null(json_object_get(line, "limit_ms"));
    json_decref(line);
    access_log_free(l);
    close(ends[0]);
    close(ends[1]);
}

static void h13_a_client_cannot_forge_a_line(void **state)
{
    int ends[2];
    struct access_log *l;
    struct access_entry e = entry();
    json_t *line;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    e.user_agent = SLICE("x\"}\n{\"msg\":\"forged\"\x01\xff");
    l = access_log_new(ends[1]);
    access_log_add(l, &e);
    access_log_flush(l);
    line = read_line(ends[0]);
    assert_true(slice_eq(json_text(line, "msg"), SLICE("access")));
    json_decref(line);
    access_log_free(l);
    close(ends[0]);
    close(ends[1]);
}

static void a_full_pipe_costs_lines_and_no_waiting(void **state)
{
    int ends[2];
    struct access_log *l;
    struct access_entry e = entry();
    char sink[4096];
    size_t total = 0;
    ssize_t n;

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    l = access_log_new(ends[1]);
    for (int i = 0; i < 20000; i++)
        access_log_add(l, &e);
    while ((n = read(ends[0], sink, sizeof(sink))) > 0) {
        total += (size_t)n;
        access_log_flush(l);
    }
    assert_in_range(total, 1000000, 1300000);
    access_log_add(l, &e);
    access_log_flush(l);
    n = read(ends[0], sink, sizeof(sink) - 1);
    assert_true(n > 0);
    sink[n] = '\0';
    assert_non_null(strstr(sink, "\"lines_dropped\":"));
    access_log_free(l);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_written_before_the_flush_and_a_line_is_json),
        cmocka_unit_test(h13_a_client_cannot_forge_a_line),
        cmocka_unit_test(a_full_pipe_costs_lines_and_no_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
