#include "observe/access_log.h"

#include "base/json.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
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

static void lines_stay_whole_in_a_pipe_that_others_write_to(void **state)
{
    int ends[2];
    struct access_log *l;
    struct access_entry e = entry();
    char packet[65536];
    ssize_t n;
    size_t packets = 0;

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_DIRECT),
                     0); /* what was written at once is read so */
    l = access_log_new(ends[1]);
    for (int i = 0; i < 60; i++)
        access_log_add(l, &e);
    access_log_flush(l);
    while ((n = read(ends[0], packet, sizeof(packet))) > 0) {
        packets++;
        assert_int_equal(packet[0], '{');
        assert_int_equal(packet[n - 1], '\n');
    }
    assert_in_range(packets, 2, 20);
    access_log_free(l);
    close(ends[0]);
    close(ends[1]);
}

static void what_a_client_chooses_cannot_make_a_line_long(void **state)
{
    static char control[30000], path[16000];
    int ends[2];
    struct access_log *l;
    struct access_entry e = entry();
    json_t *line;

    (void)state;
    memset(control, 1, sizeof(control));
    memset(path, 'p', sizeof(path));
    e.user_agent = slice_of(control, sizeof(control));
    e.path = e.host = slice_of(path, sizeof(path));
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_DIRECT), 0);
    l = access_log_new(ends[1]);
    access_log_add(l, &e);
    access_log_flush(l);
    line = read_line(ends[0]); /* one packet, so one write of PIPE_BUF at most */
    assert_int_equal(json_text(line, "path").n, 1024);
    json_decref(line);
    access_log_free(l);
    close(ends[0]);
    close(ends[1]);
}

static void lines_that_could_not_be_written_are_counted(void **state)
{
    int ends[2], again[2];
    struct access_log *l;
    struct access_entry e = entry();
    json_t *line;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    l = access_log_new(ends[1]);
    for (int i = 0; i < 3; i++)
        access_log_add(l, &e);
    access_log_flush(l);
    assert_int_equal(pipe(again), 0);
    assert_int_equal(dup2(again[1], ends[1]), ends[1]);
    access_log_add(l, &e);
    access_log_flush(l);
    line = read_line(again[0]);
    assert_int_equal(json_integer_value(json_object_get(line, "lines_dropped")), 3);
    json_decref(line);
    access_log_free(l);
    close(again[0]);
    close(again[1]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_written_before_the_flush_and_a_line_is_json),
        cmocka_unit_test(h13_a_client_cannot_forge_a_line),
        cmocka_unit_test(a_full_pipe_costs_lines_and_no_waiting),
        cmocka_unit_test(lines_stay_whole_in_a_pipe_that_others_write_to),
        cmocka_unit_test(what_a_client_chooses_cannot_make_a_line_long),
        cmocka_unit_test(lines_that_could_not_be_written_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
