#include "h1_case.h"

struct row {
    const char *what;
    const char *method;
    struct slice bytes;
    enum h1_result expected;
    enum h1_framing framing;
    uint64_t length;
    bool keep_alive;
};

#define ROW(what, method, bytes, framing, length, keep)                                            \
    {                                                                                              \
        what, method, {"" bytes, sizeof(bytes) - 1}, H1_DONE, H1_FRAMING_##framing, length, keep   \
    }
#define BAD_ROW(what, bytes)                                                                       \
    {                                                                                              \
        what, "GET", {"" bytes, sizeof(bytes) - 1}, H1_BAD, H1_FRAMING_NONE, 0, false              \
    }

static const struct row rows[] = {
    ROW("length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", LENGTH, 5, true),
    ROW("length 0", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", LENGTH, 0, true),
    ROW("chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", CHUNKED, 0,
        true),
    ROW("until close", "GET", "HTTP/1.1 200 OK\r\n\r\n", CLOSE, 0, false),
    ROW("until close, 1.0", "GET", "HTTP/1.0 200 OK\r\n\r\n", CLOSE, 0, false),
    ROW("closes", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n",
        LENGTH, 1, false),
    ROW("1.0 keeps", "GET",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n", LENGTH, 1, true),
    ROW("HEAD with length", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", NONE, 5, true),
    ROW("HEAD chunked", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", NONE, 0,
        true),
    ROW("HEAD without length", "HEAD", "HTTP/1.1 200 OK\r\n\r\n", NONE, 0, true),
    ROW("204 with length", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", NONE, 5,
        false),
    ROW("204 chunked", "GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", NONE,
        0, false),
    ROW("204 with length 0", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", NONE, 0,
        true),
    ROW("304 with length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", NONE, 5,
        true),
    ROW("100", "POST", "HTTP/1.1 100 Continue\r\n\r\n", NONE, 0, true),
    ROW("103 with fields", "GET", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", NONE, 0, true),
    ROW("101", "GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", NONE, 0,
        false),
    ROW("empty reason", "GET", "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n", LENGTH, 1, true),
    ROW("obs-text reason", "GET", "HTTP/1.1 200 \xe4\t.\r\nContent-Length: 1\r\n\r\n", LENGTH, 1,
        true),
    ROW("unusual status", "GET", "HTTP/1.1 599 X\r\nContent-Length: 1\r\n\r\n", LENGTH, 1, true),
    ROW("two cookies", "GET",
        "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 1\r\n\r\n", LENGTH, 1,
        true),
    BAD_ROW("CL and TE",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD_ROW("two CL", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    BAD_ROW("empty CL", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n"),
    BAD_ROW("gzip, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
    BAD_ROW("TE twice",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD_ROW("TE on 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD_ROW("2-digit status", "HTTP/1.1 20 OK\r\n\r\n"),
    BAD_ROW("4-digit status", "HTTP/1.1 2000 OK\r\n\r\n"),
    BAD_ROW("status below 100", "HTTP/1.1 099 OK\r\n\r\n"),
    BAD_ROW("no space behind the status", "HTTP/1.1 200\r\n\r\n"),
    BAD_ROW("two spaces", "HTTP/1.1  200 OK\r\n\r\n"),
    BAD_ROW("NUL in a value", "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"),
    BAD_ROW("fold", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"),
    BAD_ROW("bare LF", "HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\n"),
    BAD_ROW("no version", "200 OK\r\n\r\n"),
    BAD_ROW("other protocol", "ICY 200 OK\r\n\r\n"),
    BAD_ROW("empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n"),
};

static struct arena arena;

static void check(const struct row *row, size_t first, size_t step)
{
    struct h1_response r = {0};
    struct head head;

    arena_reset(&arena);
    if (receive_response(row->bytes, first, step, slice_str(row->method), &arena, &head, &r) !=
        row->expected)
        fail_msg("%s: verdict, first piece %zu", row->what, first);
    if (row->expected == H1_DONE && (r.framing != row->framing || r.content_length != row->length ||
                                     r.keep_alive != row->keep_alive))
        fail_msg("%s: framing %d, length %d, keep %d", row->what, (int)r.framing,
                 (int)r.content_length, (int)r.keep_alive);
}

static void frames_each_answer_by_rfc_9112(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i], rows[i].bytes.n, 1);
}

static void every_split_gives_the_same_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t cut = 0; cut < rows[i].bytes.n; cut++)
            check(&rows[i], cut, rows[i].bytes.n - cut);
        check(&rows[i], 1, 1);
    }
}

static void other_versions_are_named(void **state)
{
    struct h1_response r;
    struct head head;

    (void)state;
    arena_reset(&arena);
    assert_int_equal(
        receive_response(SLICE("HTTP/2.0 200 OK\r\n\r\n"), 1, 1, SLICE("GET"), &arena, &head, &r),
        H1_VERSION);
}

static void no_prefix_of_an_answer_is_an_answer(void **state)
{
    struct slice whole = SLICE("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");

    (void)state;
    for (size_t n = 0; n < whole.n; n++) {
        struct slice block = exact(slice_to(whole, n));
        struct h1_response r;
        struct head head;

        arena_reset(&arena);
        head_init(&head, &arena);
        assert_int_equal(h1_parse_response(block, &roomy, SLICE("GET"), &head, &r), H1_BAD);
        exact_free(block);
    }
}

static void status_and_upgrade_are_read(void **state)
{
    struct h1_response r;
    struct head head;

    (void)state;
    arena_reset(&arena);
    assert_int_equal(
        receive_response(SLICE("HTTP/1.1 101 Go\r\n\r\n"), 1, 1, SLICE("GET"), &arena, &head, &r),
        H1_DONE);
    assert_int_equal(head.status, 101);
    assert_true(r.is_upgrade);
}

static void an_answer_over_the_limit_is_too_large(void **state)
{
    struct slice whole = SLICE("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    struct h1_limits limits = roomy;
    struct h1_response r;
    struct head head;

    (void)state;
    arena_reset(&arena);
    head_init(&head, &arena);
    limits.head_bytes = whole.n - 1;
    assert_int_equal(h1_parse_response(whole, &limits, SLICE("GET"), &head, &r), H1_TOO_LARGE);
    limits.head_bytes = whole.n;
    assert_int_equal(h1_parse_response(whole, &limits, SLICE("GET"), &head, &r), H1_DONE);
}

static int free_arena(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_each_answer_by_rfc_9112),
        cmocka_unit_test(every_split_gives_the_same_answer),
        cmocka_unit_test(other_versions_are_named),
        cmocka_unit_test(no_prefix_of_an_answer_is_an_answer),
        cmocka_unit_test(status_and_upgrade_are_read),
        cmocka_unit_test(an_answer_over_the_limit_is_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, free_arena);
}
