#include "case.h"

#include "http/h1_write.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct arena arena;
static struct head head;
static struct buf out;

static int start(void **state)
{
    (void)state;
    arena_init(&arena);
    head_init(&head, &arena);
    buf_init(&out);
    head.method = SLICE("GET");
    head.target = SLICE("/x");
    head.authority = SLICE("a.example");
    head.status = 200;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    arena_fini(&arena);
    buf_fini(&out);
    return 0;
}

static void assert_out(const char *expected)
{
    assert_slice(buf_slice(&out), slice_str(expected));
    buf_clear(&out);
}

static void add(const char *name, const char *value)
{
    head_add(&head, slice_str(name), slice_str(value));
}

static void framing_comes_from_the_arguments_only(void **state)
{
    (void)state;
    add("HOST", "forged");
    add("Content-Length", "99");
    add("Transfer-Encoding", "chunked");
    add("Connection", "close");
    add("Keep-Alive", "1");
    add("X-Kept", "yes");
    h1_write_request(&out, &head, H1_FRAMING_LENGTH, 12, false);
    assert_out("GET /x HTTP/1.1\r\nHost: a.example\r\nX-Kept: yes\r\nContent-Length: 12\r\n\r\n");
    h1_write_request(&out, &head, H1_FRAMING_NONE, 0, true);
    assert_out(
        "GET /x HTTP/1.1\r\nHost: a.example\r\nX-Kept: yes\r\nConnection: upgrade\r\nUpgrade: "
        "websocket\r\n\r\n");
}

static void f5_reframes_a_chunked_delete(void **state)
{
    (void)state;
    head.method = SLICE("DELETE");
    h1_write_request(&out, &head, H1_FRAMING_CHUNKED, 0, false);
    assert_out("DELETE /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void methods_that_expect_content_say_that_there_is_none(void **state)
{
    (void)state;
    head.method = SLICE("POST");
    h1_write_request(&out, &head, H1_FRAMING_NONE, 0, false);
    assert_out("POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n");
    head.method = SLICE("PUT");
    h1_write_request(&out, &head, H1_FRAMING_NONE, 0, false);
    assert_out("PUT /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n");
    head.method = SLICE("PATCH");
    h1_write_request(&out, &head, H1_FRAMING_NONE, 0, false);
    assert_out("PATCH /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n");
    head.method = SLICE("DELETE");
    h1_write_request(&out, &head, H1_FRAMING_NONE, 0, false);
    assert_out("DELETE /x HTTP/1.1\r\nHost: a.example\r\n\r\n");
}

static void every_status_has_a_phrase_for_its_line(void **state)
{
    (void)state;
    for (unsigned status = 100; status <= 599; status++) {
        struct slice phrase = h1_reason(status);

        assert_true(phrase.n > 0 && phrase.n < 40);
        for (size_t i = 0; i < phrase.n; i++)
            assert_true(phrase.p[i] >= ' ' && phrase.p[i] <= '~');
    }
}

static void answers_carry_what_their_status_allows(void **state)
{
    (void)state;
    add("X-A", "");
    h1_write_response(&out, &head, H1_FRAMING_LENGTH, UINT64_MAX, true);
    assert_out("HTTP/1.1 200 OK\r\nX-A: \r\nContent-Length: 18446744073709551615\r\nConnection: "
               "close\r\n\r\n");
    h1_write_response(&out, &head, H1_FRAMING_CHUNKED, 0, false);
    assert_out("HTTP/1.1 200 OK\r\nX-A: \r\nTransfer-Encoding: chunked\r\n\r\n");
    head.status = 204;
    h1_write_response(&out, &head, H1_FRAMING_LENGTH, 0, false);
    assert_out("HTTP/1.1 204 No Content\r\nX-A: \r\n\r\n");
    head.status = 101;
    h1_write_response(&out, &head, H1_FRAMING_NONE, 0, false);
    assert_out("HTTP/1.1 101 Switching Protocols\r\nX-A: \r\nConnection: upgrade\r\nUpgrade: "
               "websocket\r\n\r\n");
    head.status = 599;
    h1_write_response(&out, &head, H1_FRAMING_LENGTH, 0, false);
    assert_out("HTTP/1.1 599 Unknown\r\nX-A: \r\nContent-Length: 0\r\n\r\n");
}

static void what_is_written_parses_back(void **state)
{
    const struct h1_limits limits = {8192, 10, 100};
    struct h1_request request;
    struct head again;

    (void)state;
    head.method = SLICE("POST");
    add("X-A", "b c");
    h1_write_request(&out, &head, H1_FRAMING_LENGTH, 77, false);
    head_init(&again, &arena);
    assert_int_equal(h1_parse_request(buf_slice(&out), &limits, &again, &request), H1_DONE);
    assert_int_equal(request.content_length, 77);
    assert_slice(again.fields[1].value, SLICE("b c"));
}

static void chunks_are_framed(void **state)
{
    char text[H1_CHUNK_HEAD_MAX];

    (void)state;
    assert_slice(slice_of(text, h1_write_chunk_head(text, 1)), SLICE("1\r\n"));
    assert_slice(slice_of(text, h1_write_chunk_head(text, 0x1f0)), SLICE("1f0\r\n"));
    assert_slice(slice_of(text, h1_write_chunk_head(text, UINT64_MAX)),
                 SLICE("ffffffffffffffff\r\n"));
    h1_write_last_chunk(&out, NULL);
    assert_out("0\r\n\r\n");
    add("Grpc-Status", "0");
    add("Content-Length", "5");
    h1_write_last_chunk(&out, &head);
    assert_out("0\r\nGrpc-Status: 0\r\n\r\n");
}

/* True when write() stops the process. */
static bool stops(void (*write_it)(void))
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        write_it();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void write_request(void)
{
    h1_write_request(&out, &head, H1_FRAMING_NONE, 0, false);
}

static void what_could_split_a_message_stops_the_process(void **state)
{
    static const struct slice bad[] = {{"a\r\nX: y", 7}, {"a\nb", 3}, {"a\0b", 3}, {"a\rb", 3}};

    (void)state;
    assert_false(stops(write_request));
    for (size_t i = 0; i < COUNT(bad); i++) {
        head.count = 0;
        head_add(&head, SLICE("X-A"), bad[i]);
        assert_true(stops(write_request));
        head.count = 0;
        head_add(&head, bad[i], SLICE("v"));
        assert_true(stops(write_request));
        head.count = 0;
        head.authority = bad[i];
        assert_true(stops(write_request));
        head.authority = SLICE("a");
        head.target = bad[i];
        assert_true(stops(write_request));
        head.target = SLICE("/");
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(framing_comes_from_the_arguments_only),
        TEST(f5_reframes_a_chunked_delete),
        TEST(methods_that_expect_content_say_that_there_is_none),
        TEST(every_status_has_a_phrase_for_its_line),
        TEST(answers_carry_what_their_status_allows),
        TEST(what_is_written_parses_back),
        TEST(chunks_are_framed),
        TEST(what_could_split_a_message_stops_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
