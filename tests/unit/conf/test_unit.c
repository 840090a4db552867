#include "conf_fixture.h"

#include "conf/suggest.h"
#include "conf/unit.h"

static void reads_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"500ms", 500},    {"30s", 30000}, {"5m", 300000}, {"2h", 7200000},
                {"7d", 604800000}, {"0", 0},       {"0s", 0}};
    static const char *const bad[][2] = {
        {"30", "30s"}, {"5 m", "5m"}, {"10sec", "10s"}, {"1hour", "1h"},
        {"5MiB", ""},  {"1.5s", ""},  {"", ""},         {"s", ""},
        {"-1s", ""},   {"05s", "5s"}, {"5M", "5m"},     {"99999999999999999999s", ""},
        {"1h30m", ""}};
    char proposal[UNIT_TEXT_MAX];
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(unit_parse_duration(slice_str(good[i].text), &ms, proposal), ERR_OK);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(unit_parse_duration(slice_str(bad[i][0]), &ms, proposal), ERR_SYNTAX);
        assert_string_equal(proposal, bad[i][1]);
    }
}

static void reads_sizes(void **state)
{
    static const char *const bad[][2] = {{"5m", "5MiB"},      {"5MB", "5MiB"}, {"1G", "1GiB"},
                                         {"10 KiB", "10KiB"}, {"5s", ""},      {"1.5GiB", ""}};
    char proposal[UNIT_TEXT_MAX];
    uint64_t bytes;

    (void)state;
    assert_int_equal(unit_parse_bytes(SLICE("32KiB"), &bytes, proposal), ERR_OK);
    assert_int_equal(bytes, 32768);
    assert_int_equal(unit_parse_bytes(SLICE("100"), &bytes, proposal), ERR_OK);
    assert_int_equal(bytes, 100);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(unit_parse_bytes(slice_str(bad[i][0]), &bytes, proposal), ERR_SYNTAX);
        assert_string_equal(proposal, bad[i][1]);
    }
}

static void reads_rates(void **state)
{
    static const char *const bad[][2] = {
        {"60/m", "60/min"},  {"60 per minute", "60/min"}, {"60r/s", "60/s"}, {"60", "60/min"},
        {"60/hour", "60/h"}, {"60 / min", "60/min"},      {"x/min", ""},     {"60/500ms", ""}};
    char proposal[UNIT_TEXT_MAX];
    struct rate rate;

    (void)state;
    assert_int_equal(unit_parse_rate(SLICE("60/min"), &rate, proposal), ERR_OK);
    assert_int_equal(rate.units, 60);
    assert_int_equal(rate.period_ms, 60000);
    assert_int_equal(unit_parse_rate(SLICE("10/15m"), &rate, proposal), ERR_OK);
    assert_int_equal(rate.period_ms, 900000);
    assert_int_equal(unit_parse_rate(SLICE("1000000001/s"), &rate, proposal), ERR_SYNTAX);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(unit_parse_rate(slice_str(bad[i][0]), &rate, proposal), ERR_SYNTAX);
        assert_string_equal(proposal, bad[i][1]);
    }
}

static void writes_what_it_reads(void **state)
{
    static const int64_t amounts[] = {0, 1, 999, 1000, 90000, 3600000, 86400000, 604800000};
    char text[UNIT_TEXT_MAX], proposal[UNIT_TEXT_MAX];
    int64_t ms;
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
        unit_write_duration(amounts[i], text);
        assert_int_equal(unit_parse_duration(slice_str(text), &ms, proposal), ERR_OK);
        assert_int_equal(ms, amounts[i]);
        unit_write_bytes((uint64_t)amounts[i], text);
        assert_int_equal(unit_parse_bytes(slice_str(text), &bytes, proposal), ERR_OK);
        assert_int_equal(bytes, amounts[i]);
    }
}

static struct slice nearest(const char *typed, const char *a, const char *b)
{
    struct suggest s;

    suggest_init(&s, slice_str(typed));
    suggest_offer(&s, slice_str(a));
    suggest_offer(&s, slice_str(b));
    return suggest_best(&s);
}

static void proposes_what_is_near_and_nothing_else(void **state)
{
    (void)state;
    assert_slice(nearest("wokers", "workers", "hosts"), "workers");
    assert_slice(nearest("ulr", "url", "ca"), "url");
    assert_slice(nearest("cert", "certificate", "key"), "certificate");
    assert_slice(nearest("banana", "workers", "hosts"), "");
    assert_slice(nearest("", "a", "b"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_durations),
        cmocka_unit_test(reads_sizes),
        cmocka_unit_test(reads_rates),
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(proposes_what_is_near_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
