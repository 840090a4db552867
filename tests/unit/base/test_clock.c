#include "base_case.h"

#include "base/clock.h"

static void writes_rfc_3339_in_utc(void **state)
{
    char text[RFC3339_CHARS + 1];

    (void)state;
    clock_rfc3339(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    clock_rfc3339(INT64_C(951827696789), text);
    assert_string_equal(text, "2000-02-29T12:34:56.789Z");
    clock_rfc3339(INT64_C(253402300799999), text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

static void writes_the_date_of_http(void **state)
{
    char text[HTTP_DATE_CHARS + 1];

    (void)state;
    clock_http_date(INT64_C(784111777000), text);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT"); /* RFC 9110 §5.6.7 */
}

static int64_t fixed(void)
{
    return 12345678;
}

static void a_test_may_own_the_time(void **state)
{
    (void)state;
    clock_set_source(fixed, fixed);
    assert_int_equal(clock_mono_us(), 12345678);
    assert_int_equal(clock_mono_ms(), 12345);
    assert_int_equal(clock_wall_ms(), 12345678);
    assert_int_equal(clock_wall_s(), 12345);
    clock_set_source(NULL, NULL);
    assert_true(clock_wall_ms() > INT64_C(1500000000000));
}

static void the_monotonic_clock_does_not_step_back(void **state)
{
    int64_t last = clock_mono_us();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_mono_us();

        assert_true(now >= last);
        last = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_rfc_3339_in_utc),
        cmocka_unit_test(writes_the_date_of_http),
        cmocka_unit_test(a_test_may_own_the_time),
        cmocka_unit_test(the_monotonic_clock_does_not_step_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
