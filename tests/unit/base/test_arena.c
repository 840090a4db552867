#include "base_case.h"

#include "base/arena.h"

static void pieces_are_aligned_and_apart(void **state)
{
    struct arena a;
    char *last = NULL;
    size_t last_n = 0;

    (void)state;
    arena_init(&a);
    for (size_t n = 0; n < 3000; n += 7) {
        char *p = arena_alloc(&a, n);

        assert_int_equal((uintptr_t)p % 16, 0);
        if (last != NULL)
            assert_true(p >= last + last_n || p + n <= last);
        memset(p, 0xa5, n);
        last = p;
        last_n = n;
    }
    arena_fini(&a);
}

static void a_piece_may_be_larger_than_a_block(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a);
    memset(arena_alloc(&a, 1), 1, 1);
    memset(arena_alloc(&a, 100000), 1, 100000);
    arena_fini(&a);
}

static void a_reset_keeps_the_first_block(void **state)
{
    struct arena a;
    void *first;

    (void)state;
    arena_init(&a);
    arena_reset(&a);
    first = arena_alloc(&a, 10);
    for (int i = 0; i < 100; i++)
        arena_alloc(&a, 1000);
    arena_reset(&a);
    assert_ptr_equal(arena_alloc(&a, 10), first);
    arena_fini(&a);
}

static void copies_and_prints_with_a_nul_behind(void **state)
{
    struct arena a;
    struct slice s;
    char long_text[6000];

    (void)state;
    arena_init(&a);
    s = arena_dup(&a, SLICE("a\0b"));
    assert_int_equal(s.n, 3);
    assert_memory_equal(s.p, "a\0b", 4);
    s = arena_dup(&a, SLICE_NONE);
    assert_int_equal(s.n, 0);
    assert_string_equal(s.p, "");
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    s = arena_printf(&a, "<%s>", long_text);
    assert_int_equal(s.n, sizeof(long_text) + 1);
    assert_int_equal(strlen(s.p), s.n);
    arena_fini(&a);
}

static void zeroed_means_zeroed_after_a_reset_too(void **state)
{
    static const char zeros[64];
    struct arena a;

    (void)state;
    arena_init(&a);
    memset(arena_alloc(&a, 64), 0xff, 64);
    arena_reset(&a);
    assert_memory_equal(arena_zalloc(&a, 64), zeros, 64);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(a_piece_may_be_larger_than_a_block),
        cmocka_unit_test(a_reset_keeps_the_first_block),
        cmocka_unit_test(copies_and_prints_with_a_nul_behind),
        cmocka_unit_test(zeroed_means_zeroed_after_a_reset_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
