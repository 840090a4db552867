#include "base_case.h"

#include "base/map.h"

#include <stdio.h>

enum { MANY = 5000 };

static struct slice key_of(int i, char text[16])
{
    return slice_of(text, (size_t)snprintf(text, 16, "key-%d", i));
}

static void holds_replaces_and_removes(void **state)
{
    int one = 1, two = 2;
    struct map m;

    (void)state;
    map_init(&m);
    assert_null(map_get(&m, SLICE("a")));
    assert_null(map_remove(&m, SLICE("a")));
    assert_null(map_put(&m, SLICE("a"), &one));
    assert_ptr_equal(map_put(&m, SLICE("a"), &two), &one);
    assert_ptr_equal(map_get(&m, SLICE("a")), &two);
    assert_null(map_put(&m, SLICE_NONE, &one));
    assert_ptr_equal(map_get(&m, SLICE("")), &one);
    assert_int_equal(m.count, 2);
    assert_ptr_equal(map_remove(&m, SLICE("a")), &two);
    assert_null(map_get(&m, SLICE("a")));
    assert_int_equal(m.count, 1);
    map_fini(&m);
}

static void keys_are_copied_and_may_hold_any_byte(void **state)
{
    char key[] = "a\0b";
    struct map m;

    (void)state;
    map_init(&m);
    map_put(&m, slice_of(key, 3), &m);
    key[2] = 'c';
    assert_null(map_get(&m, slice_of(key, 3)));
    assert_ptr_equal(map_get(&m, SLICE("a\0b")), &m);
    map_fini(&m);
}

static void visits_each_entry_once(void **state)
{
    static int values[MANY];
    static int visits[MANY];
    struct map m;
    struct slice key;
    size_t cursor = 0, n = 0;
    void *value;
    char text[16];

    (void)state;
    map_init(&m);
    for (int i = 0; i < MANY; i++)
        map_put(&m, key_of(i, text), &values[i]);
    for (int i = 0; i < MANY; i += 2)
        assert_ptr_equal(map_remove(&m, key_of(i, text)), &values[i]);
    while (map_next(&m, &cursor, &key, &value)) {
        ptrdiff_t i = (int *)value - values;

        assert_slice(key, key_of((int)i, text));
        visits[i]++;
        n++;
    }
    assert_int_equal(n, MANY / 2);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(visits[i], i % 2);
    map_fini(&m);
}

static void the_hash_depends_on_every_byte_and_the_length(void **state)
{
    char text[40] = {0};
    uint64_t whole;

    (void)state;
    for (size_t n = 0; n < sizeof(text); n++) {
        whole = hash_slice(slice_of(text, n));
        assert_true(whole == hash_slice(slice_of(text, n)));
        assert_false(whole == hash_slice(slice_of(text, n + 1 < sizeof(text) ? n + 1 : 0)));
        for (size_t i = 0; i < n; i++) {
            text[i] = 1;
            assert_false(whole == hash_slice(slice_of(text, n)));
            text[i] = 0;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_replaces_and_removes),
        cmocka_unit_test(keys_are_copied_and_may_hold_any_byte),
        cmocka_unit_test(visits_each_entry_once),
        cmocka_unit_test(the_hash_depends_on_every_byte_and_the_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
