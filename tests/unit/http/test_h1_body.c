#include "case.h"

#include "base/buf.h"
#include "http/h1_body.h"

#include <stdio.h>

struct row {
    const char *what;
    struct slice bytes;
    enum h1_result expected; /* H1_MORE: not ended when the bytes are */
    const char *data;
    size_t rest; /* bytes left for the next message */
};

#define ROW(what, bytes, expected, data, rest)                                                     \
    {                                                                                              \
        what, {"" bytes, sizeof(bytes) - 1}, H1_##expected, data, rest                             \
    }

/* The chunked rows of http1.md 2, and their legal neighbours. */
static const struct row rows[] = {
    ROW("one chunk", "5\r\nhello\r\n0\r\n\r\n", DONE, "hello", 0),
    ROW("what follows is not touched", "1\r\na\r\n0\r\n\r\nGET /", DONE, "a", 5),
    ROW("two chunks", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", DONE, "abcde", 0),
    ROW("hex in both cases", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", DONE,
        "01234567890123456789", 0),
    ROW("16 digits", "0000000000000001\r\na\r\n0000000000000000\r\n\r\n", DONE, "a", 0),
    ROW("17 digits", "00000000000000001\r\na\r\n0\r\n\r\n", BAD, "", 0),
    ROW("2^64+5", "10000000000000005\r\nhello\r\n0\r\n\r\n", BAD, "", 0),
    ROW("2^64-1", "ffffffffffffffff\r\nab", MORE, "ab", 0),
    ROW("byte 0x80 as digit", "\x80\r\n\r\n", BAD, "", 0),
    ROW("byte 0xb5 as digit", "\xb5\r\nhello\r\n", BAD, "", 0),
    ROW("0x5", "0x5\r\nhello\r\n0\r\n\r\n", BAD, "", 0),
    ROW("space before", " 5\r\nhello\r\n0\r\n\r\n", BAD, "", 0),
    ROW("space behind", "5 \r\nhello\r\n0\r\n\r\n", BAD, "", 0),
    ROW("a digit behind the space", "5 5\r\nhello\r\n0\r\n\r\n", BAD, "", 0),
    ROW("minus", "-5\r\nhello\r\n", BAD, "", 0),
    ROW("plus", "+5\r\nhello\r\n", BAD, "", 0),
    ROW("no size", "\r\nhello\r\n", BAD, "", 0),
    ROW("size line ends with LF", "5\nhello\r\n0\r\n\r\n", BAD, "", 0),
    ROW("CR without LF", "5\rhello", BAD, "", 0),
    ROW("extension", "5;a=b;c=\"d e\"\r\nhello\r\n0;last\r\n\r\n", DONE, "hello", 0),
    ROW("extension after white space", "5 \t;a=b\r\nhello\r\n0\r\n\r\n", DONE, "hello", 0),
    ROW("extension with LF", "5;a\nb\r\nhello\r\n0\r\n\r\n", BAD, "", 0),
    ROW("extension with CR", "5;a\rb\r\nhello\r\n0\r\n\r\n", BAD, "", 0),
    ROW("extension with NUL", "5;a\0b\r\nhello\r\n0\r\n\r\n", BAD, "", 0),
    ROW("no CRLF behind the data", "5\r\nhello0\r\n\r\n", BAD, "hello", 0),
    ROW("data longer than its size", "5\r\nhelloX\r\n0\r\n\r\n", BAD, "hello", 0),
    ROW("LF behind the data", "5\r\nhello\n0\r\n\r\n", BAD, "hello", 0),
    ROW("another byte and LF behind the data", "5\r\nhelloX\n0\r\n\r\n", BAD, "hello", 0),
    ROW("a request line as trailer, before the end", "0\r\nX: 1\r\nGET /smug HTTP/1.1\r\n", BAD, "",
        0),
    ROW("a trailer", "0\r\nX-Sum: 1\r\n\r\nnext", DONE, "", 4),
    ROW("two trailers", "1\r\na\r\n0\r\nA: 1\r\nB: 2\r\n\r\n", DONE, "a", 0),
    ROW("a request behind a trailer", "0\r\nX: 1\r\nGET /smug HTTP/1.1\r\nHost: a\r\n\r\n", BAD, "",
        0),
    ROW("trailer without colon", "0\r\nnonsense\r\n\r\n", BAD, "", 0),
    ROW("trailer folded", "0\r\nA: 1\r\n 2\r\n\r\n", BAD, "", 0),
    ROW("trailer with bare LF", "0\r\nA: 1\nB: 2\r\n\r\n", BAD, "", 0),
    ROW("trailer with space before colon", "0\r\nA : 1\r\n\r\n", BAD, "", 0),
    ROW("trailer with NUL", "0\r\nA: \0\r\n\r\n", BAD, "", 0),
    ROW("bare LF ends the trailers", "0\r\n\n", BAD, "", 0),
    ROW("CR and no LF at the end", "0\r\n\rX", BAD, "", 0),
    ROW("not ended", "5\r\nhel", MORE, "hel", 0),
    ROW("last line missing", "0\r\n", MORE, "", 0),
};

/* Feeds bytes in pieces, each an exact-size copy; collects the data. */
static enum h1_result feed(struct h1_body *b, struct slice bytes, size_t first, size_t step,
                           struct buf *data, size_t *taken)
{
    enum h1_result r = H1_MORE;
    size_t piece = first;

    *taken = 0;
    while (r == H1_MORE && *taken < bytes.n) {
        struct slice block = exact(slice_to(slice_from(bytes, *taken), piece)), rest = block, got;
        size_t used;

        do {
            r = h1_body_feed(b, rest, &got, &used);
            assert_true(used <= rest.n && (used > 0 || rest.n == 0 || r != H1_MORE));
            buf_add(data, got);
            rest = slice_from(rest, used);
            *taken += used;
        } while (r == H1_MORE && rest.n > 0);
        exact_free(block);
        piece = step;
    }
    return r;
}

static void check(const struct row *row, size_t first, size_t step, struct arena *arena)
{
    struct h1_body b;
    struct buf data;
    size_t taken;
    enum h1_result r;

    buf_init(&data);
    h1_body_init(&b, H1_FRAMING_CHUNKED, 0, arena);
    r = feed(&b, row->bytes, first, step, &data, &taken);
    if (r != row->expected)
        fail_msg("%s: verdict %d, first piece %zu", row->what, (int)r, first);
    if (r == H1_DONE && row->bytes.n - taken != row->rest)
        fail_msg("%s: %zu bytes taken, first piece %zu", row->what, taken, first);
    assert_slice(buf_slice(&data), slice_str(row->data));
    assert_int_equal(h1_body_eof(&b), r == H1_DONE ? H1_DONE : H1_BAD);
    h1_body_fini(&b);
    buf_fini(&data);
}

static void keeps_to_the_strictness_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i], rows[i].bytes.n, 1, NULL);
}

static void every_split_gives_the_same_body(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t cut = 1; cut < rows[i].bytes.n; cut++)
            check(&rows[i], cut, rows[i].bytes.n, &arena);
        check(&rows[i], 1, 1, &arena);
        check(&rows[i], 1, 1, NULL);
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

static void trailers_arrive_without_names_that_matter(void **state)
{
    struct slice bytes = SLICE("0\r\nGrpc-Status: 0\r\nX-User-Id: root\r\nx_user.id: root\r\n"
                               "Content-Length: 5\r\nAuthorization: Bearer x\r\nX-Auth-Other: y\r\n"
                               "grpc-message:  ok \r\n\r\n");
    struct arena arena;
    struct h1_body b;
    struct buf data;
    size_t taken;

    (void)state;
    arena_init(&arena);
    buf_init(&data);
    h1_body_init(&b, H1_FRAMING_CHUNKED, 0, &arena);
    assert_int_equal(feed(&b, bytes, 3, 3, &data, &taken), H1_DONE);
    assert_non_null(b.trailers);
    assert_int_equal(b.trailers->count, 2);
    assert_slice(b.trailers->fields[0].name, SLICE("Grpc-Status"));
    assert_slice(b.trailers->fields[1].value, SLICE("ok"));
    h1_body_fini(&b);
    buf_fini(&data);
    arena_fini(&arena);
}

static enum h1_result feed_repeated(struct slice start, struct slice piece, size_t times,
                                    struct slice end)
{
    struct h1_body b;
    struct buf bytes, data;
    enum h1_result r;
    size_t taken;

    buf_init(&bytes);
    buf_init(&data);
    buf_add(&bytes, start);
    for (size_t i = 0; i < times; i++)
        buf_add(&bytes, piece);
    buf_add(&bytes, end);
    h1_body_init(&b, H1_FRAMING_CHUNKED, 0, NULL);
    r = feed(&b, buf_slice(&bytes), 100, 100, &data, &taken);
    h1_body_fini(&b);
    buf_fini(&bytes);
    buf_fini(&data);
    return r;
}

static void extensions_and_trailers_are_bounded(void **state)
{
    struct slice end = SLICE("\r\n\r\n"), zero = SLICE("0\r\n");

    (void)state;
    assert_int_equal(feed_repeated(SLICE("0;"), SLICE("a"), H1_EXTENSION_BYTES_MAX, end), H1_DONE);
    assert_int_equal(feed_repeated(SLICE("0;"), SLICE("a"), H1_EXTENSION_BYTES_MAX + 1, end),
                     H1_BAD);
    assert_int_equal(feed_repeated(SLICE("0"), SLICE(" "), H1_EXTENSION_BYTES_MAX + 2, end),
                     H1_BAD);
    assert_int_equal(feed_repeated(zero, SLICE("a:b\r\n"), H1_TRAILER_COUNT_MAX, SLICE("\r\n")),
                     H1_DONE);
    assert_int_equal(feed_repeated(zero, SLICE("a:b\r\n"), H1_TRAILER_COUNT_MAX + 1, SLICE("\r\n")),
                     H1_BAD);
    assert_int_equal(feed_repeated(SLICE("0\r\na:"), SLICE("b"), H1_TRAILER_BYTES_MAX - 4, end),
                     H1_DONE);
    assert_int_equal(feed_repeated(SLICE("0\r\na:"), SLICE("b"), H1_TRAILER_BYTES_MAX - 3, end),
                     H1_BAD);
}

static void a_length_takes_exactly_its_bytes(void **state)
{
    struct slice bytes = SLICE("hello, next");

    (void)state;
    for (size_t cut = 1; cut <= bytes.n; cut++) {
        struct h1_body b;
        struct buf data;
        size_t taken;

        buf_init(&data);
        h1_body_init(&b, H1_FRAMING_LENGTH, 5, NULL);
        assert_int_equal(h1_body_eof(&b), H1_BAD);
        assert_int_equal(feed(&b, bytes, cut, 1, &data, &taken), H1_DONE);
        assert_int_equal(taken, 5);
        assert_slice(buf_slice(&data), SLICE("hello"));
        assert_int_equal(h1_body_eof(&b), H1_DONE);
        h1_body_fini(&b);
        buf_fini(&data);
    }
}

static void an_empty_body_is_done_at_once(void **state)
{
    struct slice data;
    struct h1_body b;
    size_t used;

    (void)state;
    h1_body_init(&b, H1_FRAMING_NONE, 0, NULL);
    assert_int_equal(h1_body_feed(&b, SLICE("GET"), &data, &used), H1_DONE);
    assert_int_equal(used, 0);
    h1_body_init(&b, H1_FRAMING_LENGTH, 0, NULL);
    assert_int_equal(h1_body_feed(&b, SLICE_NONE, &data, &used), H1_DONE);
    assert_int_equal(h1_body_eof(&b), H1_DONE);
}

static void until_close_ends_with_the_connection(void **state)
{
    struct slice data;
    struct h1_body b;
    size_t used;

    (void)state;
    h1_body_init(&b, H1_FRAMING_CLOSE, 0, NULL);
    assert_int_equal(h1_body_feed(&b, SLICE("abc"), &data, &used), H1_MORE);
    assert_slice(data, SLICE("abc"));
    assert_int_equal(used, 3);
    assert_int_equal(h1_body_eof(&b), H1_DONE);
}

static void a_bad_body_stays_bad(void **state)
{
    struct slice data;
    struct h1_body b;
    size_t used;

    (void)state;
    h1_body_init(&b, H1_FRAMING_CHUNKED, 0, NULL);
    assert_int_equal(h1_body_feed(&b, SLICE("x"), &data, &used), H1_BAD);
    assert_int_equal(h1_body_feed(&b, SLICE("0\r\n\r\n"), &data, &used), H1_BAD);
    assert_int_equal(used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_to_the_strictness_table),
        cmocka_unit_test(every_split_gives_the_same_body),
        cmocka_unit_test(trailers_arrive_without_names_that_matter),
        cmocka_unit_test(extensions_and_trailers_are_bounded),
        cmocka_unit_test(a_length_takes_exactly_its_bytes),
        cmocka_unit_test(an_empty_body_is_done_at_once),
        cmocka_unit_test(until_close_ends_with_the_connection),
        cmocka_unit_test(a_bad_body_stays_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
