#include "base_case.h"

#include "base/buf.h"

static void appends_at_the_end_and_consumes_at_the_front(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b);
    assert_int_equal(buf_slice(&b).n, 0);
    buf_add(&b, SLICE("hello "));
    buf_add(&b, SLICE_NONE);
    buf_printf(&b, "%d", 42);
    buf_add_char(&b, '!');
    assert_slice(buf_slice(&b), SLICE("hello 42!"));
    buf_consume(&b, 6);
    assert_slice(buf_slice(&b), SLICE("42!"));
    assert_string_equal(buf_cstr(&b), "42!");
    buf_consume(&b, 3);
    assert_int_equal(buf_slice(&b).n, 0);
    assert_int_equal(b.off, 0);
    buf_fini(&b);
}

/* A long-lived buffer that is fed and drained must not grow with what has passed. */
static void memory_follows_what_is_held_not_what_passed(void **state)
{
    char piece[100];
    struct buf b;

    (void)state;
    memset(piece, 'x', sizeof(piece));
    buf_init(&b);
    for (int i = 0; i < 10000; i++) {
        buf_add(&b, slice_of(piece, sizeof(piece)));
        if (b.n > 300)
            buf_consume(&b, 100);
    }
    assert_true(b.cap <= 1024);
    buf_fini(&b);
}

static void room_is_followed_by_commit(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b);
    memcpy(buf_room(&b, 5000), "abc", 3);
    buf_commit(&b, 3);
    assert_slice(buf_slice(&b), SLICE("abc"));
    buf_trim(&b);
    assert_non_null(b.p);
    buf_clear(&b);
    buf_trim(&b);
    assert_null(b.p);
    buf_fini(&b);
}

static void prints_longer_than_its_first_room(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b);
    buf_printf(&b, "%0*d", 1000, 7);
    assert_int_equal(b.n, 1000);
    assert_int_equal(buf_slice(&b).p[999], '7');
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_at_the_end_and_consumes_at_the_front),
        cmocka_unit_test(memory_follows_what_is_held_not_what_passed),
        cmocka_unit_test(room_is_followed_by_commit),
        cmocka_unit_test(prints_longer_than_its_first_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
