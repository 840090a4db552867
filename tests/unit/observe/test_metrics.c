#include "observe/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *page(struct counters *const *all, size_t count, struct buf *out)
{
    buf_init(out);
    metrics_write(all, count, out);
    return buf_cstr(out);
}

static void sums_a_counter_over_the_workers(void **state)
{
    struct counters *all[2] = {counters_new(), counters_new()};
    struct buf out;

    (void)state;
    count(all[0], METRIC_AUTH_GRANTED, 2);
    count(all[1], METRIC_AUTH_GRANTED, 3);
    gauge_set(all[1], METRIC_STORE_UP, 1);
    assert_non_null(strstr(page(all, 2, &out), "\npostern_auth_granted_total 5\n"));
    assert_non_null(strstr(buf_cstr(&out), "# TYPE postern_auth_granted_total counter\n"));
    assert_non_null(strstr(buf_cstr(&out), "\npostern_store_up 1\n"));
    assert_non_null(
        strstr(buf_cstr(&out), "postern_build_info{version=\"" POSTERN_VERSION "\"} 1\n"));
    buf_fini(&out);
    counters_free(all[0]);
    counters_free(all[1]);
}

static void a_bucket_holds_its_upper_bound_and_buckets_are_cumulative(void **state)
{
    struct counters *c = counters_new();
    unsigned slot = metrics_route_slot(SLICE("predict"));
    struct buf out;

    (void)state;
    counters_make_room(c);
    count_request(c, slot, 200, 5000);
    count_request(c, slot, 204, 5001);
    count_request(c, slot, 503, INT64_C(700000000));
    count_request(c, slot, 0, -4);
    page(&c, 1, &out);
#define HAS(text) assert_non_null(strstr(buf_cstr(&out), text))
    HAS("postern_request_duration_seconds_bucket{route=\"predict\",le=\"0.005\"} 2\n");
    HAS("postern_request_duration_seconds_bucket{route=\"predict\",le=\"0.01\"} 3\n");
    HAS("postern_request_duration_seconds_bucket{route=\"predict\",le=\"600\"} 3\n");
    HAS("postern_request_duration_seconds_bucket{route=\"predict\",le=\"+Inf\"} 4\n");
    HAS("postern_request_duration_seconds_count{route=\"predict\"} 4\n");
    HAS("postern_request_duration_seconds_sum{route=\"predict\"} 700.010001\n");
    HAS("postern_requests_total{route=\"predict\",code=\"2xx\"} 2\n");
    HAS("postern_requests_total{route=\"predict\",code=\"5xx\"} 1\n");
    HAS("postern_requests_total{route=\"predict\",code=\"none\"} 1\n");
#undef HAS
    buf_fini(&out);
    counters_free(c);
}

static void a_route_name_keeps_its_slot(void **state)
{
    unsigned a = metrics_route_slot(SLICE("a")), b = metrics_route_slot(SLICE("b"));

    (void)state;
    assert_int_not_equal(a, ROUTE_SLOT_NONE);
    assert_int_not_equal(a, b);
    assert_int_equal(metrics_route_slot(SLICE("a")), a);
    assert_true(slice_eq(metrics_route_name(b), SLICE("b")));
}

static void a_route_name_cannot_end_its_label(void **state)
{
    struct counters *c = counters_new();
    unsigned slot = metrics_route_slot(SLICE("x\"y\\z\n"));
    struct buf out;

    (void)state;
    counters_make_room(c);
    count_request(c, slot, 200, 1);
    assert_non_null(strstr(page(&c, 1, &out), "{route=\"x\\\"y\\\\z\\n\",code=\"2xx\"} 1\n"));
    buf_fini(&out);
    counters_free(c);
}

/* Last: it fills the table. */
static void a_route_named_none_makes_no_second_series_of_that_name(void **state)
{
    (void)state;
    assert_true(metrics_route_slot(SLICE("any")) != ROUTE_SLOT_NONE);
    assert_int_equal(metrics_route_slot(SLICE("none")), ROUTE_SLOT_NONE);
}

static void names_beyond_the_table_share_the_last_slot(void **state)
{
    struct counters *c = counters_new();
    unsigned last = 0;
    char name[32];

    (void)state;
    for (int i = 0; i < ROUTE_SLOTS_MAX + 5; i++) {
        snprintf(name, sizeof(name), "route-%d", i);
        last = metrics_route_slot(slice_str(name));
        assert_true(last < ROUTE_SLOTS_MAX);
    }
    assert_int_equal(last, ROUTE_SLOTS_MAX - 1);
    assert_true(slice_eq(metrics_route_name(last), SLICE("other")));
    counters_make_room(c);
    count_request(c, last, 200, 1);
    count_request(c, 123456, 200, 1);
    counters_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_a_counter_over_the_workers),
        cmocka_unit_test(a_bucket_holds_its_upper_bound_and_buckets_are_cumulative),
        cmocka_unit_test(a_route_name_keeps_its_slot),
        cmocka_unit_test(a_route_name_cannot_end_its_label),
        cmocka_unit_test(a_route_named_none_makes_no_second_series_of_that_name),
        cmocka_unit_test(names_beyond_the_table_share_the_last_slot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
