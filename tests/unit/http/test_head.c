#include "case.h"

#include "http/head.h"

#include <stdio.h>

static struct arena arena;
static struct head head;

static int start(void **state)
{
    (void)state;
    arena_init(&arena);
    head_init(&head, &arena);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static void add(const char *name, const char *value)
{
    head_add(&head, slice_str(name), slice_str(value));
}

/* Names and values as "a=1 b=2". */
static void assert_fields(const char *expected)
{
    char text[1024] = "";
    size_t n = 0;

    for (size_t i = 0; i < head.count; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s=%.*s", i > 0 ? " " : "",
                              SLICE_FMT(head.fields[i].name), SLICE_FMT(head.fields[i].value));
    assert_string_equal(text, expected);
}

static void keeps_order_and_spelling_while_it_grows(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        add(i % 2 ? "X-Odd" : "Host", "v");
    assert_int_equal(head.count, 100);
    assert_int_equal(head_count(&head, HEADER_HOST), 50);
    assert_slice(head.fields[99].name, SLICE("X-Odd"));
    assert_slice(head.fields[0].name, SLICE("Host"));
}

static void set_leaves_exactly_one(void **state)
{
    (void)state;
    add("X-User-Id", "forged");
    add("A", "1");
    add("x-user-id", "forged");
    head_set(&head, HEADER_X_USER_ID, SLICE("alice"));
    assert_fields("A=1 x-user-id=alice");
}

static void finds_the_first_value_or_none(void **state)
{
    (void)state;
    add("accept", "a");
    add("ACCEPT", "b");
    assert_slice(head_value(&head, HEADER_ACCEPT), SLICE("a"));
    assert_null(head_value(&head, HEADER_ORIGIN).p);
    assert_null(head_find(&head, HEADER_ORIGIN));
}

static void finds_tokens_in_all_lines(void **state)
{
    (void)state;
    add("Connection", "a ,\tUpgrade");
    add("Connection", "x, ,close");
    assert_true(head_has_token(&head, HEADER_CONNECTION, SLICE("upgrade")));
    assert_true(head_has_token(&head, HEADER_CONNECTION, SLICE("CLOSE")));
    assert_false(head_has_token(&head, HEADER_CONNECTION, SLICE("clos")));
    assert_false(head_has_token(&head, HEADER_UPGRADE, SLICE("close")));
}

static void strips_hop_by_hop_and_what_connection_names(void **state)
{
    (void)state;
    add("A", "1");
    add("Connection", "x-hop, keep-alive");
    add("X-Hop", "1");
    add("Keep-Alive", "timeout=5");
    add("TE", "trailers");
    add("Transfer-Encoding", "chunked");
    add("Upgrade", "h2c");
    add("HTTP2-Settings", "x");
    add("X-Hop", "2");
    add("connection", "x-more");
    add("X-More", "1");
    add("B", "2");
    head_strip_hop_by_hop(&head);
    assert_fields("A=1 B=2");
}

static void h4_connection_cannot_name_what_matters(void **state)
{
    (void)state;
    add("Connection", "Host, X-Forwarded-For, x_user_id, X-User-Id, Authorization, X-Api-Key,"
                      "Content-Length, X-Auth-Any, Connection, ,cookie");
    add("Host", "a");
    add("X-Forwarded-For", "1.2.3.4");
    add("X-User-Id", "u");
    add("x_user_id", "u");
    add("Authorization", "Bearer x");
    add("X-API-Key", "k");
    add("X-Auth-Any", "y");
    add("Content-Length", "5");
    add("Cookie", "c=d");
    head_strip_hop_by_hop(&head);
    assert_fields("Host=a X-Forwarded-For=1.2.3.4 X-User-Id=u x_user_id=u Authorization=Bearer x "
                  "X-API-Key=k X-Auth-Any=y Content-Length=5");
}

static bool starts_with_x(const struct field *f, void *arg)
{
    ++*(int *)arg;
    return slice_starts_ci(f->name, SLICE("x-"));
}

static void removes_by_a_question(void **state)
{
    int asked = 0;

    (void)state;
    add("X-A", "1");
    add("B", "2");
    add("x-c", "3");
    assert_int_equal(head_remove_if(&head, starts_with_x, &asked), 2);
    assert_int_equal(asked, 3);
    assert_fields("B=2");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keeps_order_and_spelling_while_it_grows),
        TEST(set_leaves_exactly_one),
        TEST(finds_the_first_value_or_none),
        TEST(finds_tokens_in_all_lines),
        TEST(strips_hop_by_hop_and_what_connection_names),
        TEST(h4_connection_cannot_name_what_matters),
        TEST(removes_by_a_question),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
