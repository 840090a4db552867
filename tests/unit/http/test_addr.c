#include "case.h"

#include "http/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct addr parsed(const char *text)
{
    struct slice block = exact(slice_str(text));
    struct addr a;

    if (addr_parse(block, &a) != ERR_OK)
        fail_msg("%s", text);
    exact_free(block);
    return a;
}

static void writes_what_it_reads_in_one_form(void **state)
{
    static const char *const pairs[][2] = {
        {"1.2.3.4", "1.2.3.4"},
        {"::ffff:1.2.3.4", "1.2.3.4"},
        {"::ffff:102:304", "1.2.3.4"},
        {"::", "::"},
        {"::1", "::1"},
        {"2001:DB8::A", "2001:db8::a"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"1:0:0:0:0:0:0:0", "1::"},
        {"0:0:0:0:0:0:1:2", "::1:2"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"1::2:0:0:0", "1::2:0:0:0"},
    };
    char text[ADDR_TEXT_MAX + 1];

    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct addr a = parsed(pairs[i][0]);

        addr_write(&a, text);
        assert_string_equal(text, pairs[i][1]);
    }
}

static void refuses_what_is_no_address(void **state)
{
    static const char *const bad[] = {
        "",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "1.2.3.256",
        "1.2.3.4 ",
        " 1.2.3.4",
        "0x1.2.3.4",
        "1.2.3.4:80",
        "[::1]",
        "fe80::1%eth0",
        ":::",
        "1::2::3",
        "12345::",
        "g::",
        "localhost",
        "1.2.3.-4",
        "::1.2.3",
        "1:2:3:4:5:6:7:8:9",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    };
    struct addr a;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (addr_parse(slice_str(bad[i]), &a) != ERR_SYNTAX)
            fail_msg("%s", bad[i]);
    assert_int_equal(addr_parse(SLICE("1.2.3.4\0"), &a), ERR_SYNTAX);
}

static void takes_socket_addresses(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct addr a, b = parsed("10.1.2.3");

    (void)state;
    inet_pton(AF_INET, "10.1.2.3", &in.sin_addr);
    inet_pton(AF_INET6, "::ffff:10.1.2.3", &in6.sin6_addr);
    addr_from_sockaddr((const struct sockaddr *)&in, &a);
    assert_true(addr_eq(&a, &b));
    assert_int_equal(a.port, 80);
    addr_from_sockaddr((const struct sockaddr *)&in6, &a);
    assert_true(addr_eq(&a, &b));
    assert_int_equal(a.port, 443);
    addr_from_sockaddr((const struct sockaddr *)&un, &a);
    assert_true(addr_is_loopback(&a));
}

static void knows_loopback(void **state)
{
    static const char *const yes[] = {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"};
    static const char *const no[] = {"128.0.0.1", "::", "::2", "1::1", "126.255.255.255"};

    (void)state;
    for (size_t i = 0; i < COUNT(yes); i++) {
        struct addr a = parsed(yes[i]);

        assert_true(addr_is_loopback(&a));
    }
    for (size_t i = 0; i < COUNT(no); i++) {
        struct addr a = parsed(no[i]);

        assert_false(addr_is_loopback(&a));
    }
}

static bool has(const char *cidr, const char *text)
{
    struct addr a = parsed(text);
    struct cidr c;

    if (cidr_parse(slice_str(cidr), &c) != ERR_OK)
        fail_msg("%s", cidr);
    return cidr_has(&c, &a);
}

static void networks_hold_their_addresses(void **state)
{
    (void)state;
    assert_true(has("10.0.0.0/8", "10.255.0.1"));
    assert_false(has("10.0.0.0/8", "11.0.0.0"));
    assert_true(has("10.0.0.128/25", "10.0.0.129"));
    assert_false(has("10.0.0.128/25", "10.0.0.127"));
    assert_true(has("0.0.0.0/0", "1.2.3.4"));
    assert_false(has("0.0.0.0/0", "2001:db8::1"));
    assert_true(has("::/0", "1.2.3.4"));
    assert_true(has("2001:db8::/32", "2001:db8:1::"));
    assert_false(has("2001:db8::/32", "2001:db9::"));
    assert_true(has("1.2.3.4", "1.2.3.4"));
    assert_false(has("1.2.3.4", "1.2.3.5"));
    assert_true(has("::1/128", "::1"));
}

static void refuses_what_is_no_network(void **state)
{
    static const char *const bad[] = {"10.0.0.1/8",     "10.0.0.0/33",  "10.0.0.0/",
                                      "10.0.0.0/-1",    "/8",           "::/129",
                                      "2001:db8::1/64", "10.0.0.0/8/8", "10/8"};
    struct cidr c;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (cidr_parse(slice_str(bad[i]), &c) != ERR_SYNTAX)
            fail_msg("%s", bad[i]);
}

/* Who is the client behind peer, when 10/8 and ::1 are trusted? */
static enum err client(const char *peer, const char *list, char text[ADDR_TEXT_MAX + 1])
{
    struct cidr trusted[2];
    struct addr p = parsed(peer), out;
    struct slice block = exact(slice_str(list));
    enum err e;

    assert_int_equal(cidr_parse(SLICE("10.0.0.0/8"), &trusted[0]), ERR_OK);
    assert_int_equal(cidr_parse(SLICE("::1"), &trusted[1]), ERR_OK);
    e = addr_from_forwarded(&p, block, trusted, 2, &out);
    exact_free(block);
    if (e == ERR_OK)
        addr_write(&out, text);
    return e;
}

static void h11_the_client_is_the_last_untrusted_hop(void **state)
{
    static const char *const rows[][3] = {
        {"1.1.1.1", "2.2.2.2", "1.1.1.1"}, /* an untrusted peer is the client itself */
        {"10.0.0.1", "2.2.2.2", "2.2.2.2"},
        {"10.0.0.1", "6.6.6.6, 2.2.2.2", "2.2.2.2"},
        {"10.0.0.1", "6.6.6.6,\t2.2.2.2 , 10.0.0.2,::1", "2.2.2.2"},
        {"10.0.0.1", "", "10.0.0.1"},
        {"10.0.0.1", "10.0.0.9, 10.0.0.8", "10.0.0.9"},
        {"10.0.0.1", "rubbish, 2.2.2.2", "2.2.2.2"}, /* never reached */
    };
    char text[ADDR_TEXT_MAX + 1];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(client(rows[i][0], rows[i][1], text), ERR_OK);
        assert_string_equal(text, rows[i][2]);
    }
}

static void h10_a_bad_hop_is_refused_not_skipped(void **state)
{
    char text[ADDR_TEXT_MAX + 1];

    (void)state;
    assert_int_equal(client("10.0.0.1", "2.2.2.2, unknown", text), ERR_SYNTAX);
    assert_int_equal(client("10.0.0.1", "2.2.2.2,", text), ERR_SYNTAX);
    assert_int_equal(client("10.0.0.1", "2.2.2.2,,10.0.0.2", text), ERR_SYNTAX);
    assert_int_equal(client("10.0.0.1", "2.2.2.2:80", text), ERR_SYNTAX);
    assert_int_equal(client("1.1.1.1", "rubbish", text), ERR_OK);
}

static void an_empty_trust_list_trusts_nobody(void **state)
{
    struct addr peer = parsed("127.0.0.1"), out;

    (void)state;
    assert_int_equal(addr_from_forwarded(&peer, SLICE("2.2.2.2"), NULL, 0, &out), ERR_OK);
    assert_true(addr_eq(&peer, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_it_reads_in_one_form),
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(takes_socket_addresses),
        cmocka_unit_test(knows_loopback),
        cmocka_unit_test(networks_hold_their_addresses),
        cmocka_unit_test(refuses_what_is_no_network),
        cmocka_unit_test(h11_the_client_is_the_last_untrusted_hop),
        cmocka_unit_test(h10_a_bad_hop_is_refused_not_skipped),
        cmocka_unit_test(an_empty_trust_list_trusts_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
