#include "base_case.h"

#include "base/clock.h"
#include "base/random.h"

static int64_t now_ms = INT64_C(0x0123456789ab);

static int64_t wall(void)
{
    return now_ms;
}

static void all_ones(void *p, size_t n)
{
    memset(p, 0xff, n);
}

static int own_time(void **state)
{
    (void)state;
    clock_set_source(NULL, wall);
    return 0;
}

static int give_back(void **state)
{
    (void)state;
    clock_set_source(NULL, NULL);
    random_set_source(NULL);
    return 0;
}

static void uuid7_is_rfc_9562(void **state)
{
    char text[UUID_CHARS + 1];

    (void)state;
    random_set_source(all_ones);
    random_uuid7(text);
    assert_string_equal(text, "01234567-89ab-7fff-bfff-ffffffffffff");
}

static void ids_sort_by_time(void **state)
{
    char a[ID_CHARS + 1], b[ID_CHARS + 1], u[UUID_CHARS + 1], v[UUID_CHARS + 1];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        random_id(a);
        random_uuid7(u);
        now_ms += 1 + i;
        random_id(b);
        random_uuid7(v);
        assert_true(strcmp(a, b) < 0);
        assert_true(strcmp(u, v) < 0);
        assert_int_equal(strlen(b), ID_CHARS);
        assert_int_equal(strspn(b, "0123456789abcdefghjkmnpqrstvwxyz"), ID_CHARS);
    }
}

static void nothing_is_given_twice(void **state)
{
    static char ids[2000][ID_CHARS + 1];
    unsigned char large[2][64], small[2][16];

    (void)state;
    for (size_t i = 0; i < COUNT(ids); i++)
        random_id(ids[i]);
    for (size_t i = 0; i < COUNT(ids); i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(ids[i], ids[j], ID_CHARS);
    for (size_t i = 0; i < 2; i++) {
        random_bytes(large[i], sizeof(large[i]));
        random_bytes(small[i], sizeof(small[i]));
    }
    assert_memory_not_equal(large[0], large[1], sizeof(large[0]));
    assert_memory_not_equal(small[0], small[1], sizeof(small[0]));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, own_time, give_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(uuid7_is_rfc_9562),
        TEST(ids_sort_by_time),
        TEST(nothing_is_given_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
