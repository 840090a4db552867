#include "case.h"

#include "base/json.h"
#include "http/h1_write.h"
#include "http/problem.h"

static struct buf out;

static const char *written(enum problem p, enum problem_style style, struct slice detail,
                           struct slice request_id)
{
    buf_clear(&out);
    problem_write(&out, p, style, detail, request_id);
    return buf_cstr(&out);
}

static int free_out(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

static void the_gateway_style_is_the_superset(void **state)
{
    (void)state;
    assert_string_equal(
        written(PROBLEM_RATE_LIMITED, PROBLEM_STYLE_GATEWAY, SLICE_NONE, SLICE("r1")),
        "{\"type\":\"urn:postern:problem:rate_limited\","
        "\"title\":\"Too many requests; try again later.\",\"status\":429,"
        "\"detail\":\"Too many requests; try again later.\",\"request_id\":\"r1\","
        "\"error\":{\"message\":\"Too many requests; try again later.\","
        "\"type\":\"rate_limit_error\",\"param\":null,\"code\":\"rate_limited\","
        "\"request_id\":\"r1\"}}");
}

static void the_other_styles_are_what_their_clients_read(void **state)
{
    (void)state;
    assert_string_equal(
        written(PROBLEM_NOT_FOUND, PROBLEM_STYLE_ANTHROPIC, SLICE("No."), SLICE("r1")),
        "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"No.\"},"
        "\"request_id\":\"r1\"}");
    assert_string_equal(written(PROBLEM_NOT_FOUND, PROBLEM_STYLE_DETAIL, SLICE("No."), SLICE("r1")),
                        "{\"detail\":\"No.\"}");
    assert_string_equal(
        written(PROBLEM_NOT_FOUND, PROBLEM_STYLE_SUCCESS, SLICE("No."), SLICE("r1")),
        "{\"success\":false,\"message\":\"No.\",\"error\":\"not_found\","
        "\"detail\":\"No.\"}");
    assert_string_equal(written(PROBLEM_NOT_FOUND, PROBLEM_STYLE_CODED, SLICE("No."), SLICE("r1")),
                        "{\"error\":true,\"error_code\":\"NOT_FOUND\",\"message\":\"No.\","
                        "\"status_code\":404,\"details\":{}}");
    assert_string_equal(
        written(PROBLEM_RATE_LIMITED, PROBLEM_STYLE_CODED, SLICE("No."), SLICE_NONE),
        "{\"error\":true,\"error_code\":\"RATE_LIMIT_EXCEEDED\",\"message\":\"No.\","
        "\"status_code\":429,\"details\":{}}");
}

static void every_body_is_json_whatever_the_detail(void **state)
{
    struct slice detail = SLICE("\"quoted\" \\ \xff \r\n \0 </script>");

    (void)state;
    for (int p = 0; p < PROBLEM_COUNT; p++) {
        for (int style = 0; style <= PROBLEM_STYLE_CODED; style++) {
            json_t *tree = NULL;

            written((enum problem)p, (enum problem_style)style, detail, SLICE("id\""));
            /* NUL is escaped; our own reader refuses it, so read without it. */
            assert_null(memchr(out.p + out.off, '\0', out.n));
            written((enum problem)p, (enum problem_style)style, slice_to(detail, 16),
                    SLICE("id\""));
            assert_int_equal(json_read(buf_slice(&out), 4096, &tree), ERR_OK);
            json_decref(tree);
        }
    }
}

static void every_problem_has_a_status_with_a_name(void **state)
{
    (void)state;
    for (int p = 0; p < PROBLEM_COUNT; p++) {
        assert_false(slice_eq(h1_reason(problem_status((enum problem)p)), SLICE("Unknown")));
        assert_true(problem_status((enum problem)p) >= 400);
        assert_true(strlen(problem_code((enum problem)p)) > 0);
        assert_true(strlen(problem_title((enum problem)p)) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gateway_style_is_the_superset),
        cmocka_unit_test(the_other_styles_are_what_their_clients_read),
        cmocka_unit_test(every_body_is_json_whatever_the_detail),
        cmocka_unit_test(every_problem_has_a_status_with_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, free_out);
}
