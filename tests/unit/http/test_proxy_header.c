#include "case.h"

#include "http/proxy_header.h"

#include <stdio.h>

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\x01\x02\x03\x04\x05\x06\x07\x08\x01\xbb\x00\x50"
#define V6A "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define V6 V6A V6A "\x01\xbb\x00\x50"

struct row {
    const char *what;
    struct slice bytes;
    enum err expected;
    const char *client; /* "-" when the header is local */
    size_t rest;        /* bytes behind the header */
};

#define ROW(what, bytes, e, client, rest)                                                          \
    {                                                                                              \
        what, {bytes, sizeof(bytes) - 1}, ERR_##e, client, rest                                    \
    }

static const struct row rows[] = {
    ROW("v1 TCP4", "PROXY TCP4 1.2.3.4 5.6.7.8 443 80\r\nGET", OK, "1.2.3.4:443", 3),
    ROW("v1 TCP6", "PROXY TCP6 2001:db8::1 ::1 443 80\r\n", OK, "2001:db8::1:443", 0),
    ROW("v1 UNKNOWN", "PROXY UNKNOWN\r\n", OK, "-", 0),
    ROW("v1 UNKNOWN with rest", "PROXY UNKNOWN ffff::1 whatever\r\nx", OK, "-", 1),
    ROW("v1 port 0", "PROXY TCP4 1.2.3.4 5.6.7.8 0 0\r\n", OK, "1.2.3.4:0", 0),
    ROW("v1 lower case", "proxy TCP4 1.2.3.4 5.6.7.8 443 80\r\n", SYNTAX, "", 0),
    ROW("v1 bare LF", "PROXY TCP4 1.2.3.4 5.6.7.8 443 80\n", SYNTAX, "", 0),
    ROW("v1 two spaces", "PROXY TCP4  1.2.3.4 5.6.7.8 443 80\r\n", SYNTAX, "", 0),
    ROW("v1 trailing space", "PROXY TCP4 1.2.3.4 5.6.7.8 443 80 \r\n", SYNTAX, "", 0),
    ROW("v1 family differs", "PROXY TCP4 ::1 ::1 443 80\r\n", SYNTAX, "", 0),
    ROW("v1 family differs, 6", "PROXY TCP6 1.2.3.4 5.6.7.8 443 80\r\n", SYNTAX, "", 0),
    ROW("v1 UDP", "PROXY UDP4 1.2.3.4 5.6.7.8 443 80\r\n", SYNTAX, "", 0),
    ROW("v1 port too large", "PROXY TCP4 1.2.3.4 5.6.7.8 65536 80\r\n", SYNTAX, "", 0),
    ROW("v1 port with 0", "PROXY TCP4 1.2.3.4 5.6.7.8 0443 80\r\n", SYNTAX, "", 0),
    ROW("v1 no ports", "PROXY TCP4 1.2.3.4 5.6.7.8\r\n", SYNTAX, "", 0),
    ROW("v1 empty", "PROXY \r\n", SYNTAX, "", 0),
    ROW("v1 cut short", "PROXY TCP4 1.2.3.4 5.6.7.8 443 8", AGAIN, "", 0),
    ROW("v1 too long",
        "PROXY UNKNOWN aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
        SYNTAX, "", 0),
    ROW("no header", "GET / HTTP/1.1\r\n", SYNTAX, "", 0),
    ROW("starts like one", "PROXIMA", SYNTAX, "", 0),
    ROW("starts like the other", "\r\n\r\nGET", SYNTAX, "", 0),
    ROW("v2 IPv4", SIG "\x21\x11\x00\x0c" V4 "GET", OK, "1.2.3.4:443", 3),
    ROW("v2 IPv6", SIG "\x21\x21\x00\x24" V6, OK, "2001:db8::1:443", 0),
    ROW("v2 local", SIG "\x20\x00\x00\x00", OK, "-", 0),
    ROW("v2 local with rest", SIG "\x20\x00\x00\x03xyzG", OK, "-", 1),
    ROW("v2 unspecified", SIG "\x21\x00\x00\x00", OK, "-", 0),
    ROW("v2 TLV", SIG "\x21\x11\x00\x11" V4 "\x04\x00\x02xyG", OK, "1.2.3.4:443", 1),
    ROW("v2 TLVs", SIG "\x21\x11\x00\x14" V4 "\x04\x00\x02xy\x05\x00\x00G", OK, "1.2.3.4:443", 1),
    ROW("v2 TLV not UTF-8", SIG "\x21\x11\x00\x10" V4 "\x02\x00\x01\xff", OK, "1.2.3.4:443", 0),
    ROW("v2 TLV cut", SIG "\x21\x11\x00\x0e" V4 "\x04\x00", SYNTAX, "", 0),
    ROW("v2 TLV past the end", SIG "\x21\x11\x00\x0f" V4 "\x04\xff\xffGET / HTTP/1.1", SYNTAX, "",
        0),
    ROW("v2 too short for IPv4", SIG "\x21\x11\x00\x0b" V4, SYNTAX, "", 0),
    ROW("v2 too short for IPv6", SIG "\x21\x21\x00\x0c" V4, SYNTAX, "", 0),
    ROW("v2 datagram", SIG "\x21\x12\x00\x0c" V4, SYNTAX, "", 0),
    ROW("v2 Unix", SIG "\x21\x31\x00\x00", SYNTAX, "", 0),
    ROW("v2 version 1", SIG "\x11\x11\x00\x0c" V4, SYNTAX, "", 0),
    ROW("v2 unknown command", SIG "\x22\x11\x00\x0c" V4, SYNTAX, "", 0),
    ROW("v2 huge", SIG "\x21\x11\xff\xff" V4, SYNTAX, "", 0),
    ROW("v2 cut short", SIG "\x21\x11\x00\x0c\x01\x02", AGAIN, "", 0),
};

static enum err parse(struct slice bytes, char *client, size_t *used)
{
    struct slice block = exact(bytes);
    struct addr a = {.port = 7};
    bool is_local = false;
    enum err e = proxy_header_parse(block, &a, &is_local, used);
    char text[ADDR_TEXT_MAX + 1];

    exact_free(block);
    if (e != ERR_OK)
        return e;
    if (is_local) {
        assert_int_equal(a.port, 7); /* untouched */
        strcpy(client, "-");
        return e;
    }
    addr_write(&a, text);
    snprintf(client, 64, "%s:%u", text, (unsigned)a.port);
    return e;
}

static void keeps_to_the_table(void **state)
{
    char client[64];
    size_t used;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (parse(rows[i].bytes, client, &used) != rows[i].expected)
            fail_msg("%s", rows[i].what);
        if (rows[i].expected != ERR_OK)
            continue;
        assert_string_equal(client, rows[i].client);
        assert_int_equal(rows[i].bytes.n - used, rows[i].rest);
    }
}

/* Looks at ever more bytes until there is a verdict, as a connection does. */
static enum err arrive(struct slice bytes, size_t first, size_t step, char *client, size_t *used)
{
    for (size_t n = first;; n += step) {
        enum err e = parse(slice_to(bytes, n), client, used);

        if (e != ERR_AGAIN || n >= bytes.n)
            return e;
    }
}

static void every_split_gives_the_same_client(void **state)
{
    char client[64];
    size_t used;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t cut = 0; cut < rows[i].bytes.n; cut++) {
            if (arrive(rows[i].bytes, cut, rows[i].bytes.n, client, &used) != rows[i].expected)
                fail_msg("%s, cut at %zu", rows[i].what, cut);
            if (rows[i].expected == ERR_OK)
                assert_string_equal(client, rows[i].client);
        }
        if (arrive(rows[i].bytes, 0, 1, client, &used) != rows[i].expected)
            fail_msg("%s, byte by byte", rows[i].what);
    }
}

static void f12_tlvs_cannot_spill_into_the_request(void **state)
{
    static const struct slice bad[] = {
        {SIG "\x21\x11\x00\x0f" V4 "\x04\x00\x10GET / HTTP/1.1\r\n", 16 + 12 + 3 + 16},
        {SIG "\x21\x11\x00\x10" V4 "\x04\x00\x00\x04GET / HTTP/1.1\r\n", 16 + 12 + 4 + 16},
    };
    char client[64];
    size_t used;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(parse(bad[i], client, &used), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_to_the_table),
        cmocka_unit_test(every_split_gives_the_same_client),
        cmocka_unit_test(f12_tlvs_cannot_spill_into_the_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
