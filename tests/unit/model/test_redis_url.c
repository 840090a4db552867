#include "model/redis_client.h"

#include "fixture.h"

static enum err parse(const char *text, struct redis_url *out)
{
    struct slice copy = exact(slice_str(text));
    enum err e = redis_url_parse(copy, out);

    exact_free(copy);
    return e;
}

static void forms_of_a_url(void **state)
{
    struct redis_url u;

    (void)state;
    assert_int_equal(redis_url_parse(SLICE("redis://redis.internal"), &u), ERR_OK);
    assert_slice(u.host, "redis.internal");
    assert_int_equal(u.port, 6379);
    assert_int_equal(u.db, 0);
    assert_false(u.is_tls || u.is_unix);
    assert_int_equal(redis_url_parse(SLICE("rediss://gw@10.0.0.1:6380/15"), &u), ERR_OK);
    assert_slice(u.user, "gw");
    assert_slice(u.host, "10.0.0.1");
    assert_int_equal(u.port, 6380);
    assert_int_equal(u.db, 15);
    assert_true(u.is_tls);
    assert_int_equal(redis_url_parse(SLICE("redis://[::1]:1/"), &u), ERR_OK);
    assert_slice(u.host, "::1");
    assert_int_equal(u.port, 1);
    assert_int_equal(redis_url_parse(SLICE("unix:/run/redis.sock"), &u), ERR_OK);
    assert_true(u.is_unix);
    assert_slice(u.host, "/run/redis.sock");
    assert_int_equal(redis_url_parse(SLICE("unix:///run/redis.sock?db=3"), &u), ERR_OK);
    assert_slice(u.host, "/run/redis.sock");
    assert_int_equal(u.db, 3);
}

static void malformed_urls_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "redis",
                                      "redis://",
                                      "redis:///1",
                                      "http://host",
                                      "redis://host:",
                                      "redis://host:0",
                                      "redis://host:65536",
                                      "redis://host:6379/x",
                                      "redis://host/-1",
                                      "redis://host/1/2",
                                      "redis://@host",
                                      "redis://user:password@host",
                                      "redis://ho st",
                                      "redis://[::1",
                                      "redis://[::1]x",
                                      "redis://[host]",
                                      "redis://::1",
                                      "redis://host?db=1",
                                      "unix:",
                                      "unix:relative.sock",
                                      "unix:/",
                                      "unix:/a?db=",
                                      "unix:/a?x=1",
                                      "unix:/a?db=1&x=2"};
    struct redis_url u;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (parse(bad[i], &u) != ERR_SYNTAX)
            fail_msg("%s was taken", bad[i]);
}

static void a_command_is_an_array_of_bulk_strings(void **state)
{
    const struct slice args[] = {SLICE("SET"), SLICE("k\r\n"), SLICE_NONE, SLICE("0123456789ab\0")};
    struct buf out;

    (void)state;
    buf_init(&out);
    buf_add(&out, SLICE("before"));
    redis_write_command(&out, args, 4);
    assert_true(
        slice_eq(buf_slice(&out), SLICE("before*4\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$0\r\n\r\n$13\r\n"
                                        "0123456789ab\0\r\n")));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_a_url),
        cmocka_unit_test(malformed_urls_are_refused),
        cmocka_unit_test(a_command_is_an_array_of_bulk_strings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
