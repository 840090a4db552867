#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "store/cache.h"

#include <stdio.h>
#include <stdlib.h>

static struct token_record *record(void)
{
    struct token_record *r = NULL;
    const struct pair pairs[] = {{SLICE("session"), SLICE("s")},
                                 {SLICE("scopes"), SLICE("")},
                                 {SLICE("expires_at"), SLICE("99999999999")}};

    assert_int_equal(token_decode(pairs, 3, &r), ERR_OK);
    return r;
}

static struct slice name_of(char room[32], int i)
{
    return slice_of(room, (size_t)snprintf(room, 32, "name:%d", i));
}

static void put(struct cache *c, struct slice name, int64_t now_ms)
{
    struct token_record *r = record();

    cache_put(c, name, RECORD_TOKEN, r, 0, now_ms);
    token_unref(r);
}

static void r1_a_million_absent_names_push_out_nothing_and_stay_bounded(void **state)
{
    struct cache *c = mem_alloc(sizeof(*c));
    char room[32];
    void *found;

    (void)state;
    cache_init(c, 1000);
    for (int i = 0; i < 1000; i++)
        put(c, name_of(room, i), 0);
    for (int i = 1000; i < 1001000; i++)
        cache_put(c, name_of(room, i), RECORD_TOKEN, NULL, 0, 0);
    assert_true(c->absent.count <= 8192);
    assert_int_equal(c->map.count, c->absent.count + 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(cache_get(c, name_of(room, i), RECORD_TOKEN, 0, &found), CACHED_RECORD);
    cache_fini(c);
    free(c);
}

static void least_recently_used_goes_first(void **state)
{
    struct cache *c = mem_alloc(sizeof(*c));
    char room[32];
    void *found;

    (void)state;
    cache_init(c, 3);
    for (int i = 0; i < 3; i++)
        put(c, name_of(room, i), 0);
    cache_get(c, name_of(room, 0), RECORD_TOKEN, 0, &found);
    put(c, name_of(room, 3), 0);
    assert_int_equal(cache_get(c, name_of(room, 0), RECORD_TOKEN, 0, &found), CACHED_RECORD);
    assert_int_equal(cache_get(c, name_of(room, 1), RECORD_TOKEN, 0, &found), CACHED_NOT);
    cache_fini(c);
    free(c);
}

static void entry_ends_after_thirty_seconds_and_with_its_record(void **state)
{
    struct cache *c = mem_alloc(sizeof(*c));
    struct token_record *r = record();
    void *found;

    (void)state;
    cache_init(c, 3);
    put(c, SLICE("a"), 1000);
    assert_int_equal(cache_get(c, SLICE("a"), RECORD_TOKEN, 31000, &found), CACHED_RECORD);
    assert_int_equal(cache_get(c, SLICE("a"), RECORD_TOKEN, 31001, &found), CACHED_NOT);
    cache_put(c, SLICE("b"), RECORD_TOKEN, r, 5, 0); /* over since 1970 */
    assert_int_equal(cache_get(c, SLICE("b"), RECORD_TOKEN, 0, &found), CACHED_NOT);
    assert_int_equal(c->map.count, 0);
    token_unref(r);
    cache_fini(c);
    free(c);
}

static void entry_of_another_kind_is_not_found(void **state)
{
    struct cache *c = mem_alloc(sizeof(*c));
    void *found;

    (void)state;
    cache_init(c, 3);
    put(c, SLICE("a"), 0);
    assert_int_equal(cache_get(c, SLICE("a"), RECORD_USER, 0, &found), CACHED_NOT);
    cache_fini(c);
    free(c);
}

static void mark_moves_with_its_name_and_with_a_flush(void **state)
{
    struct cache *c = mem_alloc(sizeof(*c));
    struct cache_mark mark;

    (void)state;
    cache_init(c, 3);
    cache_invalidate(c, SLICE("a")); /* before the mark */
    mark = cache_mark(c);
    assert_true(cache_is_unmoved(c, mark, SLICE("a")));
    cache_invalidate(c, SLICE("a"));
    assert_false(cache_is_unmoved(c, mark, SLICE("a")));
    mark = cache_mark(c);
    assert_true(cache_is_unmoved(c, mark, SLICE("a")));
    cache_flush(c);
    assert_false(cache_is_unmoved(c, mark, SLICE("a")));
    cache_fini(c);
    free(c);
}

static void same_record_may_replace_itself(void **state)
{
    struct cache *c = mem_alloc(sizeof(*c));
    struct token_record *r = record();
    void *found;

    (void)state;
    cache_init(c, 1);
    cache_put(c, SLICE("a"), RECORD_TOKEN, r, 0, 0);
    token_unref(r); /* only the cache holds it now */
    cache_put(c, SLICE("a"), RECORD_TOKEN, r, 0, 0);
    assert_int_equal(cache_get(c, SLICE("a"), RECORD_TOKEN, 0, &found), CACHED_RECORD);
    assert_ptr_equal(found, r);
    cache_put(c, SLICE("a"), RECORD_TOKEN, NULL, 0, 0);
    assert_int_equal(cache_get(c, SLICE("a"), RECORD_TOKEN, 0, &found), CACHED_ABSENT);
    assert_int_equal(c->present.count, 0);
    cache_fini(c);
    free(c);
}

static void token_without_session_or_end_grants_nothing(void **state)
{
    struct token_record *r = NULL;
    const struct pair pairs[] = {{SLICE("session"), SLICE("s")},
                                 {SLICE("expires_at"), SLICE("x")},
                                 {SLICE("expires_at"), SLICE("1")}};

    (void)state;
    assert_int_equal(token_decode(pairs, 1, &r), ERR_SYNTAX);
    assert_int_equal(token_decode(pairs, 2, &r), ERR_SYNTAX);
    assert_int_equal(token_decode(pairs + 2, 1, &r), ERR_SYNTAX);
    assert_null(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r1_a_million_absent_names_push_out_nothing_and_stay_bounded),
        cmocka_unit_test(least_recently_used_goes_first),
        cmocka_unit_test(entry_ends_after_thirty_seconds_and_with_its_record),
        cmocka_unit_test(entry_of_another_kind_is_not_found),
        cmocka_unit_test(mark_moves_with_its_name_and_with_a_flush),
        cmocka_unit_test(same_record_may_replace_itself),
        cmocka_unit_test(token_without_session_or_end_grants_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
