#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upstream/health.h"

static const struct health_rules rules = {.fall = 3, .rise = 2, .eject_ms = 100};

static void failures_in_a_row_eject(void **state)
{
    struct health h = {0};

    (void)state;
    assert_false(health_request_failed(&h, &rules, 1000));
    assert_false(health_request_failed(&h, &rules, 1000));
    assert_false(health_is_ejected(&h, 1000));
    assert_true(health_request_failed(&h, &rules, 1000));
    assert_true(health_is_ejected(&h, 1000));
    assert_false(health_may_ask(&h, 1099));
    assert_true(health_may_ask(&h, 1100));
}

static void a_success_between_starts_the_count_again(void **state)
{
    struct health h = {0};

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        assert_false(health_request_failed(&h, &rules, 1000));
        assert_false(health_request_failed(&h, &rules, 1000));
        assert_false(health_request_succeeded(&h));
    }
    assert_true(health_may_ask(&h, 1000));
}

static void a_failed_trial_means_another_rest(void **state)
{
    struct health h = {0};

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        (void)health_request_failed(&h, &rules, 1000);
    assert_false(health_begin(&h, &rules, 1050));
    assert_true(health_begin(&h, &rules, 1100));
    assert_false(health_begin(&h, &rules, 1100));
    assert_false(health_request_failed(&h, &rules, 1150)); /* already ejected: not news */
    assert_false(health_may_ask(&h, 1249));
    assert_true(health_may_ask(&h, 1250));
}

static void a_good_trial_ends_the_ejection(void **state)
{
    struct health h = {0};

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        (void)health_request_failed(&h, &rules, 1000);
    assert_true(health_begin(&h, &rules, 1100));
    assert_true(health_request_succeeded(&h));
    assert_true(health_may_ask(&h, 1101));
    assert_false(health_request_failed(&h, &rules, 1101)); /* and the count starts again */
}

static void eject_0_never_ejects(void **state)
{
    const struct health_rules never = {.fall = 1, .rise = 1, .eject_ms = 0};
    struct health h = {0};

    (void)state;
    assert_false(health_request_failed(&h, &never, 1000));
    assert_true(health_may_ask(&h, 1000));
}

static void checks_take_a_server_down_and_up(void **state)
{
    struct health h = {0};
    struct health_check c = {0};

    (void)state;
    assert_false(health_check_result(&h, &c, &rules, false, 1000));
    assert_false(health_check_result(&h, &c, &rules, false, 1000));
    assert_true(health_check_result(&h, &c, &rules, false, 1000));
    assert_false(health_check_result(&h, &c, &rules, false, 1000));
    assert_false(health_may_ask(&h, 1000));
    assert_false(health_check_result(&h, &c, &rules, true, 1000));
    assert_false(health_check_result(&h, &c, &rules, false, 1000));
    assert_false(health_check_result(&h, &c, &rules, true, 1000));
    assert_true(health_check_result(&h, &c, &rules, true, 1000));
    assert_true(health_may_ask(&h, 1000));
}

static void checks_end_an_ejection_early(void **state)
{
    struct health h = {0};
    struct health_check c = {0};

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_false(health_check_result(&h, &c, &rules, true, 1000)); /* in order: no count */
    for (unsigned i = 0; i < 3; i++)
        (void)health_request_failed(&h, &rules, 1000);
    assert_false(health_check_result(&h, &c, &rules, true, 1010));
    assert_true(health_check_result(&h, &c, &rules, true, 1020));
    assert_true(health_may_ask(&h, 1020));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_in_a_row_eject),
        cmocka_unit_test(a_success_between_starts_the_count_again),
        cmocka_unit_test(a_failed_trial_means_another_rest),
        cmocka_unit_test(a_good_trial_ends_the_ejection),
        cmocka_unit_test(eject_0_never_ejects),
        cmocka_unit_test(checks_take_a_server_down_and_up),
        cmocka_unit_test(checks_end_an_ejection_early),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
