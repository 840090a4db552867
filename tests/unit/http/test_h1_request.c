#include "h1_case.h"

#include <stdio.h>

#define HOST "Host: a.example\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST

struct row {
    const char *what;
    struct slice bytes;
    enum h1_result expected;
};

#define ROW(what, bytes, expected)                                                                 \
    {                                                                                              \
        what, {"" bytes, sizeof(bytes) - 1}, H1_##expected                                         \
    }

/* The table of http1.md 2 (what other parsers let through), and its legal neighbours. */
static const struct row rows[] = {
    ROW("plain GET", GET "\r\n", DONE),
    ROW("1.0 without Host", "GET / HTTP/1.0\r\n\r\n", DONE),
    ROW("1.0 with Host", "GET / HTTP/1.0\r\n" HOST "\r\n", DONE),
    ROW("CL and TE", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", BAD),
    ROW("TE and CL", POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", BAD),
    ROW("CL twice, same", POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", BAD),
    ROW("CL twice, different", POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", BAD),
    ROW("CL", POST "Content-Length: 5\r\n\r\n", DONE),
    ROW("CL with white space around", POST "Content-Length:\t 5 \t\r\n\r\n", DONE),
    ROW("CL +5", POST "Content-Length: +5\r\n\r\n", BAD),
    ROW("CL -5", POST "Content-Length: -5\r\n\r\n", BAD),
    ROW("CL 5 5", POST "Content-Length: 5 5\r\n\r\n", BAD),
    ROW("CL 5, 5", POST "Content-Length: 5, 5\r\n\r\n", BAD),
    ROW("CL 0x5", POST "Content-Length: 0x5\r\n\r\n", BAD),
    ROW("CL 2^64+5", POST "Content-Length: 18446744073709551621\r\n\r\n", BAD),
    ROW("CL 2^63", POST "Content-Length: 9223372036854775808\r\n\r\n", BAD),
    ROW("CL 2^63-1", POST "Content-Length: 9223372036854775807\r\n\r\n", DONE),
    ROW("CL empty", POST "Content-Length:\r\n\r\n", BAD),
    ROW("CL only white space", POST "Content-Length:  \t\r\n\r\n", BAD),
    ROW("CL folded with tab", POST "Content-Length: 1\r\n\t2\r\n\r\n", BAD),
    ROW("CL with DEL", POST "Content-Length: 5\x7f\r\n\r\n", BAD),
    ROW("TE folded", POST "Transfer-Encoding: chun\r\n\tked\r\n\r\n", BAD),
    ROW("TE xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n", BAD),
    ROW("TE VT chunked", POST "Transfer-Encoding: \vchunked\r\n\r\n", BAD),
    ROW("TE chunked, identity", POST "Transfer-Encoding: chunked, identity\r\n\r\n", BAD),
    ROW("TE chunked, chunked", POST "Transfer-Encoding: chunked, chunked\r\n\r\n", BAD),
    ROW("TE gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n", BAD),
    ROW("TE identity", POST "Transfer-Encoding: identity\r\n\r\n", BAD),
    ROW("TE quoted", POST "Transfer-Encoding: \"chunked\"\r\n\r\n", BAD),
    ROW("TE chunked with parameter", POST "Transfer-Encoding: chunked;q=1\r\n\r\n", BAD),
    ROW("TE empty", POST "Transfer-Encoding:\r\n\r\n", BAD),
    ROW("TE twice", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", BAD),
    ROW("TE CHUNKED", POST "Transfer-Encoding: CHUNKED\r\n\r\n", DONE),
    ROW("TE trailing white space", POST "Transfer-Encoding: chunked \t\r\n\r\n", DONE),
    ROW("TE leading tab", POST "Transfer-Encoding:\tchunked\r\n\r\n", DONE),
    ROW("TE on 1.0", "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", BAD),
    ROW("space before colon", POST "Content-Length : 5\r\n\r\n", BAD),
    ROW("tab before colon", POST "Transfer-Encoding\t: chunked\r\n\r\n", BAD),
    ROW("fold with space", GET "X-A: 1\r\n 2\r\n\r\n", BAD),
    ROW("fold on the first line", "GET / HTTP/1.1\r\n " HOST "\r\n", BAD),
    ROW("bare LF line end", "GET / HTTP/1.1\nHost: a\r\n\r\n", BAD),
    ROW("bare LF ends the head", GET "\n", BAD),
    ROW("LF LF", "GET / HTTP/1.1\nHost: a\n\n", BAD),
    ROW("bare LF in a value, then TE", POST "X-A: b\nTransfer-Encoding: chunked\r\n\r\n", BAD),
    ROW("LF in a name", GET "X\nA: b\r\n\r\n", BAD),
    ROW("line without colon", GET "nonsense\r\n\r\n", BAD),
    ROW("bare CR in a value", GET "X-A: b\rc\r\n\r\n", BAD),
    ROW("CR CR LF", GET "X-A: b\r\r\n\r\n", BAD),
    ROW("NUL in a value", GET "X-A: b\0c\r\n\r\n", BAD),
    ROW("NUL in a name", GET "X\0A: b\r\n\r\n", BAD),
    ROW("BEL in a value", GET "X-A: b\ac\r\n\r\n", BAD),
    ROW("tab in a value", GET "X-A: b\tc\r\n\r\n", DONE),
    ROW("obs-text in a value", GET "X-A: caf\xc3\xa9\r\n\r\n", DONE),
    ROW("empty value", GET "X-A:\r\n\r\n", DONE),
    ROW("name with space", GET "X A: b\r\n\r\n", BAD),
    ROW("name with slash", GET "X/A: b\r\n\r\n", BAD),
    ROW("name with byte >= 0x80", GET "X\x80: b\r\n\r\n", BAD),
    ROW("empty name", GET ": b\r\n\r\n", BAD),
    ROW("HTTP/0.9 line", "GET /\r\n\r\n", BAD),
    ROW("HTTP/0.9 named", "GET / HTTP/0.9\r\n\r\n", VERSION),
    ROW("HTTP/1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", VERSION),
    ROW("HTTP/2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", VERSION),
    ROW("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\n", VERSION),
    ROW("HTTP/257.1", "GET / HTTP/257.1\r\n" HOST "\r\n", BAD),
    ROW("HTTP/1.10", "GET / HTTP/1.10\r\n" HOST "\r\n", BAD),
    ROW("HTTP/1.", "GET / HTTP/1.\r\n" HOST "\r\n", BAD),
    ROW("http/1.1", "GET / http/1.1\r\n" HOST "\r\n", BAD),
    ROW("space behind the version", "GET / HTTP/1.1 \r\n" HOST "\r\n", BAD),
    ROW("NUL in the target", "GET /a\0b HTTP/1.1\r\n" HOST "\r\n", BAD),
    ROW("tab in the target", "GET /a\tb HTTP/1.1\r\n" HOST "\r\n", BAD),
    ROW("# in the target", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", BAD),
    ROW("byte >= 0x80 in the target", "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", BAD),
    ROW("space in the target", "GET /a b HTTP/1.1\r\n" HOST "\r\n", BAD),
    ROW("two spaces after the method", "GET  / HTTP/1.1\r\n" HOST "\r\n", BAD),
    ROW("two spaces after the target", "GET /  HTTP/1.1\r\n" HOST "\r\n", BAD),
    ROW("tab after the method", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", BAD),
    ROW("space before the method", " GET / HTTP/1.1\r\n" HOST "\r\n", BAD),
    ROW("method with a slash", "G/T / HTTP/1.1\r\n" HOST "\r\n", BAD),
    ROW("unknown method", "BREW /pot HTTP/1.1\r\n" HOST "\r\n", DONE),
    ROW("OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", DONE),
    ROW("GET *", "GET * HTTP/1.1\r\n" HOST "\r\n", BAD),
    ROW("CONNECT", "CONNECT a.example:443 HTTP/1.1\r\n" HOST "\r\n", BAD),
    ROW("CONNECT /", "CONNECT / HTTP/1.1\r\n" HOST "\r\n", BAD),
    ROW("authority form", "GET a.example:80 HTTP/1.1\r\n" HOST "\r\n", BAD),
    ROW("relative target", "GET a/b HTTP/1.1\r\n" HOST "\r\n", BAD),
    ROW("one empty line before", "\r\n" GET "\r\n", DONE),
    ROW("two empty lines before", "\r\n\r\n" GET "\r\n", DONE),
    ROW("three empty lines before", "\r\n\r\n\r\n" GET "\r\n", BAD),
    ROW("bare LF before", "\n" GET "\r\n", BAD),
    ROW("bare CR before", "\r" GET "\r\n", BAD),
    ROW("missing Host", "GET / HTTP/1.1\r\nX-A: b\r\n\r\n", BAD),
    ROW("duplicate Host", GET "Host: b.example\r\n\r\n", BAD),
    ROW("duplicate Host on 1.0", "GET / HTTP/1.0\r\n" HOST HOST "\r\n", BAD),
    ROW("empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", BAD),
    ROW("Host with a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", BAD),
    ROW("Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", BAD),
    ROW("TLS ClientHello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", BAD),
};

static enum h1_result receive(struct slice bytes, size_t first, size_t step)
{
    struct h1_request request;
    struct arena arena;
    struct head head;
    enum h1_result r;

    arena_init(&arena);
    r = receive_request(bytes, first, step, &arena, &head, &request);
    arena_fini(&arena);
    return r;
}

static void keeps_to_the_strictness_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (receive(rows[i].bytes, rows[i].bytes.n, 1) != rows[i].expected)
            fail_msg("%s", rows[i].what);
}

static void every_split_gives_the_same_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice bytes = rows[i].bytes;

        for (size_t cut = 0; cut < bytes.n; cut++)
            if (receive(bytes, cut, bytes.n - cut) != rows[i].expected)
                fail_msg("%s, cut at %zu", rows[i].what, cut);
        if (receive(bytes, 1, 1) != rows[i].expected)
            fail_msg("%s, byte by byte", rows[i].what);
    }
}

/* The parser alone, without the scanner before it, must not read past a head that is cut short. */
static void no_prefix_of_a_head_is_a_head(void **state)
{
    struct slice whole = SLICE(POST "Content-Length: 5\r\nX-A: b\r\n\r\n");
    struct h1_request request;
    struct arena arena;
    struct head head;

    (void)state;
    arena_init(&arena);
    for (size_t n = 0; n < whole.n; n++) {
        struct slice block = exact(slice_to(whole, n));

        head_init(&head, &arena);
        assert_int_equal(h1_parse_request(block, &roomy, &head, &request), H1_BAD);
        exact_free(block);
    }
    arena_fini(&arena);
}

/* One good request to look at; state is freed by the next call. */
static struct arena arena;
static struct head head;

static struct h1_request parsed(struct slice bytes)
{
    struct h1_request request = {0};

    arena_reset(&arena);
    assert_int_equal(receive_request(bytes, bytes.n, 1, &arena, &head, &request), H1_DONE);
    return request;
}

static int free_arena(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static void splits_the_head_into_its_parts(void **state)
{
    struct h1_request r =
        parsed(SLICE("PUT /a/b?c=d HTTP/1.1\r\nhOsT: a.example:8080\r\nX-One:  1 \r\nX-Two:\r\n"
                     "Content-Length: 007\r\n\r\n"));

    (void)state;
    assert_slice(head.method, SLICE("PUT"));
    assert_slice(head.target, SLICE("/a/b?c=d"));
    assert_slice(head.authority, SLICE("a.example:8080"));
    assert_int_equal(head.version_minor, 1);
    assert_int_equal(head.count, 4);
    assert_slice(head.fields[0].name, SLICE("hOsT"));
    assert_int_equal(head.fields[0].id, HEADER_HOST);
    assert_slice(head.fields[1].value, SLICE("1"));
    assert_int_equal(head.fields[1].id, HEADER_OTHER);
    assert_int_equal(head.fields[2].value.n, 0);
    assert_int_equal(r.framing, H1_FRAMING_LENGTH);
    assert_int_equal(r.content_length, 7);
    assert_true(r.keep_alive);
}

static void f1_refuses_content_length_with_transfer_encoding(void **state)
{
    (void)state;
    assert_int_equal(
        receive(SLICE(POST "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"), 1,
                1),
        H1_BAD);
}

static void f2_refuses_an_empty_content_length(void **state)
{
    (void)state;
    assert_int_equal(receive(SLICE(POST "Content-Length: \r\n\r\n"), 1, 1), H1_BAD);
    assert_int_equal(receive(SLICE(POST "Content-Length:\r\nX: 1\r\n\r\n"), 1, 1), H1_BAD);
}

/* HAProxy kept the length of a name in 8 bits: one of 256+14 bytes hid a Content-Length. */
static void f3_a_long_name_hides_no_field(void **state)
{
    struct slice tail = SLICE(":\r\nContent-Length: 20\r\n\r\n");
    char text[512] = GET "Content-Length0";
    size_t n = strlen(text);
    struct h1_request r;

    (void)state;
    memset(text + n, 'a', 270 - sizeof("Content-Length0") + 1);
    n += 270 - sizeof("Content-Length0") + 1;
    memcpy(text + n, tail.p, tail.n);
    r = parsed(slice_of(text, n + tail.n));
    assert_int_equal(head.count, 3);
    assert_int_equal(head.fields[1].name.n, 270);
    assert_int_equal(r.content_length, 20);
    assert_int_equal(r.framing, H1_FRAMING_LENGTH);
}

static void f4_refuses_other_codings_and_empty_names(void **state)
{
    (void)state;
    assert_int_equal(receive(SLICE(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), 1, 1), H1_BAD);
    assert_int_equal(
        receive(SLICE(POST "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\n"), 1, 1), H1_BAD);
    assert_int_equal(receive(SLICE(GET ": Transfer-Encoding\r\n\r\n"), 1, 1), H1_BAD);
}

static void f5_a_delete_keeps_its_chunked_body(void **state)
{
    struct h1_request r =
        parsed(SLICE("DELETE /x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"));

    (void)state;
    assert_int_equal(r.framing, H1_FRAMING_CHUNKED);
}

static void h6_refuses_a_second_occurrence_of_single_fields(void **state)
{
    (void)state;
    for (unsigned id = 1; id < HEADER_COUNT; id++) {
        struct slice name = header_name((enum header)id);
        bool host = id == HEADER_HOST;
        char text[512];
        int n;

        if (!(header_flags((enum header)id) & HEADER_FLAG_ONCE) || id == HEADER_CONTENT_LENGTH ||
            id == HEADER_TRANSFER_ENCODING)
            continue;
        n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n%s%.*s: a\r\nX: y\r\n%.*s: a\r\n\r\n",
                     host ? "" : HOST, SLICE_FMT(name), SLICE_FMT(name));
        if (receive(slice_of(text, (size_t)n), (size_t)n, 1) != (host ? H1_BAD : H1_DUPLICATE))
            fail_msg("%.*s twice", SLICE_FMT(name));
    }
    assert_int_equal(receive(SLICE(GET "Cookie: a\r\nCookie: b\r\n\r\n"), 1, 1), H1_DONE);
}

static void h14_refuses_control_bytes_in_values(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[] = GET "X-User: ad?min-and-more\r\n\r\n";
        size_t at = sizeof(GET "X-User: ad") - 1;
        bool good = (c >= 0x20 && c != 0x7f) || c == '\t';

        text[at] = (char)c;
        if (receive(slice_of(text, sizeof(text) - 1), sizeof(text) - 1, 1) !=
            (good ? H1_DONE : H1_BAD))
            fail_msg("byte %02x", (unsigned)c);
    }
}

static void p3_refuses_a_fragment(void **state)
{
    (void)state;
    assert_int_equal(receive(SLICE("GET /admin#/public HTTP/1.1\r\n" HOST "\r\n"), 1, 1), H1_BAD);
    assert_int_equal(receive(SLICE("GET /a?b#c HTTP/1.1\r\n" HOST "\r\n"), 1, 1), H1_BAD);
}

static void p12_refuses_a_host_that_is_no_authority(void **state)
{
    static const char *const hosts[] = {"a.example/x?", "a.example#@b.example",
                                        "u@a.example",  "a b",
                                        "a.example:8o", "a.example:65536",
                                        "[::1",         "::1",
                                        "[1.2.3.4]",    "[::1%25eth0]",
                                        "a\\b",         "a%zz",
                                        "a%4g",         "a%4",
                                        "[::1]x",       "a\"b",
                                        ":80",          "a:1:2"};
    static const char *const good[] = {"a.example", "a.example:8080", "127.0.0.1:1",  "[::1]",
                                       "[::1]:443", "a_b.example",    "a%41.example:"};

    (void)state;
    for (size_t i = 0; i < COUNT(hosts); i++)
        if (h1_is_authority(slice_str(hosts[i])))
            fail_msg("%s", hosts[i]);
    for (size_t i = 0; i < COUNT(good); i++)
        if (!h1_is_authority(slice_str(good[i])))
            fail_msg("%s", good[i]);
    assert_int_equal(receive(SLICE("GET / HTTP/1.1\r\nHost: a#@b\r\n\r\n"), 1, 1), H1_BAD);
}

static void reduces_absolute_form_when_host_agrees(void **state)
{
    (void)state;
    parsed(SLICE("GET http://A.example/x?y HTTP/1.1\r\n" HOST "\r\n"));
    assert_slice(head.target, SLICE("/x?y"));
    parsed(SLICE("GET HTTPS://a.example HTTP/1.1\r\n" HOST "\r\n"));
    assert_slice(head.target, SLICE("/"));
    parsed(SLICE("GET http://a.example?y HTTP/1.1\r\n" HOST "\r\n"));
    assert_slice(head.target, SLICE("/?y"));
    parsed(SLICE("OPTIONS http://a.example HTTP/1.1\r\n" HOST "\r\n"));
    assert_slice(head.target, SLICE("*"));
    assert_int_equal(receive(SLICE("GET http://b.example/ HTTP/1.1\r\n" HOST "\r\n"), 1, 1),
                     H1_BAD);
    assert_int_equal(receive(SLICE("GET http://u@a.example/ HTTP/1.1\r\n" HOST "\r\n"), 1, 1),
                     H1_BAD);
    assert_int_equal(receive(SLICE("GET http:/// HTTP/1.1\r\n" HOST "\r\n"), 1, 1), H1_BAD);
    assert_int_equal(receive(SLICE("GET ftp://a.example/ HTTP/1.1\r\n" HOST "\r\n"), 1, 1), H1_BAD);
    assert_int_equal(receive(SLICE("GET http://a.example/ HTTP/1.0\r\n\r\n"), 1, 1), H1_BAD);
}

static void knows_whether_the_connection_stays(void **state)
{
    (void)state;
    assert_true(parsed(SLICE(GET "\r\n")).keep_alive);
    assert_false(parsed(SLICE(GET "Connection: Close\r\n\r\n")).keep_alive);
    assert_false(
        parsed(SLICE(GET "Connection: keep-alive\r\nConnection: x,close\r\n\r\n")).keep_alive);
    assert_false(parsed(SLICE("GET / HTTP/1.0\r\n\r\n")).keep_alive);
    assert_true(parsed(SLICE("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")).keep_alive);
}

static void knows_expectations(void **state)
{
    struct h1_request r = parsed(SLICE(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n"));

    (void)state;
    assert_true(r.expect_continue && !r.expect_other);
    r = parsed(SLICE(POST "Expect: 200-ok\r\n\r\n"));
    assert_true(!r.expect_continue && r.expect_other);
    r = parsed(SLICE("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"));
    assert_true(!r.expect_continue && !r.expect_other);
}

static void knows_only_a_websocket_upgrade(void **state)
{
    (void)state;
    assert_true(parsed(SLICE(GET "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n"))
                    .upgrade_websocket);
    assert_false(parsed(SLICE(GET "Upgrade: websocket\r\n\r\n")).upgrade_websocket);
    assert_false(
        parsed(SLICE(GET "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n")).upgrade_websocket);
    assert_false(parsed(SLICE(GET "Connection: upgrade\r\nUpgrade: h2c, websocket\r\n\r\n"))
                     .upgrade_websocket);
    assert_false(
        parsed(SLICE(POST "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n")).upgrade_websocket);
    assert_false(parsed(SLICE(GET "Connection: upgrade\r\nUpgrade: websocket\r\n"
                                  "Content-Length: 3\r\n\r\n"))
                     .upgrade_websocket);
}

static enum h1_result within(struct slice bytes, struct h1_limits limits)
{
    struct h1_request request;

    arena_reset(&arena);
    head_init(&head, &arena);
    return h1_parse_request(bytes, &limits, &head, &request);
}

static enum h1_result with_connection_names(size_t first, size_t second)
{
    char text[512];
    size_t n = (size_t)snprintf(text, sizeof(text), GET "Connection: ");

    for (size_t i = 1; i < first; i++)
        text[n++] = ',';
    n += (size_t)snprintf(text + n, sizeof(text) - n, "x\r\nConnection: ");
    for (size_t i = 1; i < second; i++)
        text[n++] = ',';
    n += (size_t)snprintf(text + n, sizeof(text) - n, "y\r\n\r\n");
    return within(slice_of(text, n), (struct h1_limits){n, 9, 9});
}

static void h4_connection_names_few_fields(void **state)
{
    (void)state;
    assert_int_equal(with_connection_names(60, 4), H1_DONE);
    assert_int_equal(with_connection_names(1, 64), H1_TOO_LARGE);
    assert_int_equal(with_connection_names(65, 1), H1_TOO_LARGE);
}

static void holds_to_its_limits(void **state)
{
    struct slice bytes = SLICE("GET /12345678 HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n");

    (void)state;
    assert_int_equal(within(bytes, (struct h1_limits){bytes.n, 2, 9}), H1_DONE);
    assert_int_equal(within(bytes, (struct h1_limits){bytes.n - 1, 2, 9}), H1_TOO_LARGE);
    assert_int_equal(within(bytes, (struct h1_limits){bytes.n, 1, 9}), H1_TOO_LARGE);
    assert_int_equal(within(bytes, (struct h1_limits){bytes.n, 2, 8}), H1_URI_TOO_LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_to_the_strictness_table),
        cmocka_unit_test(every_split_gives_the_same_verdict),
        cmocka_unit_test(no_prefix_of_a_head_is_a_head),
        cmocka_unit_test(splits_the_head_into_its_parts),
        cmocka_unit_test(f1_refuses_content_length_with_transfer_encoding),
        cmocka_unit_test(f2_refuses_an_empty_content_length),
        cmocka_unit_test(f3_a_long_name_hides_no_field),
        cmocka_unit_test(f4_refuses_other_codings_and_empty_names),
        cmocka_unit_test(f5_a_delete_keeps_its_chunked_body),
        cmocka_unit_test(h6_refuses_a_second_occurrence_of_single_fields),
        cmocka_unit_test(h14_refuses_control_bytes_in_values),
        cmocka_unit_test(p3_refuses_a_fragment),
        cmocka_unit_test(p12_refuses_a_host_that_is_no_authority),
        cmocka_unit_test(reduces_absolute_form_when_host_agrees),
        cmocka_unit_test(knows_whether_the_connection_stays),
        cmocka_unit_test(knows_expectations),
        cmocka_unit_test(knows_only_a_websocket_upgrade),
        cmocka_unit_test(h4_connection_names_few_fields),
        cmocka_unit_test(holds_to_its_limits),
    };

    return cmocka_run_group_tests(tests, NULL, free_arena);
}
