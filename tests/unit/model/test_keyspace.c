#include "model/keyspace.h"

#include "fixture.h"

static const struct keyspace keys = {{"postern:", 8}};
static const unsigned char digest[32] = {0xab, 0x01};

static int arena_open(void **state)
{
    struct arena *a = mem_alloc(sizeof(*a));

    arena_init(a);
    *state = a;
    return 0;
}

static int arena_close(void **state)
{
    arena_fini(*state);
    free(*state);
    return 0;
}

static void ids_stand_in_names_as_they_are(void **state)
{
    assert_slice(keyspace_user(&keys, *state, SLICE("usr_1")), "postern:user:usr_1");
    assert_slice(keyspace_key(&keys, *state, SLICE("Ab34xyZ9")), "postern:key:Ab34xyZ9");
    assert_slice(keyspace_session(&keys, *state, SLICE("ses_1")), "postern:sess:ses_1");
    assert_slice(keyspace_used(&keys, *state, SLICE("k")), "postern:used:k");
    assert_slice(keyspace_user_keys(&keys, *state, SLICE("usr_1")), "postern:user-keys:usr_1");
    assert_slice(keyspace_user_sessions(&keys, *state, SLICE("usr_1")), "postern:user-sess:usr_1");
    assert_slice(keyspace_users(&keys, *state), "postern:users");
    assert_slice(keyspace_signing(&keys, *state), "postern:signing");
    assert_slice(keyspace_meta(&keys, *state), "postern:meta");
    assert_slice(keyspace_token(&keys, *state, digest),
                 "postern:tok:ab01000000000000000000000000000000000000000000000000000000000000");
    assert_slice(keyspace_limit(&keys, *state, digest),
                 "postern:rl:ab01000000000000000000000000000000000000000000000000000000000000");
}

static void names_of_people_enter_only_folded_and_hashed(void **state)
{
    struct slice name = keyspace_user_name(&keys, *state, SLICE("Alice"));

    /* printf alice | sha256sum */
    assert_slice(name, "postern:user:name:"
                       "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90");
    assert_true(slice_eq(name, keyspace_user_name(&keys, *state, SLICE("aLICE"))));
    assert_false(slice_eq(slice_from(name, 18),
                          slice_from(keyspace_user_name(&keys, *state, SLICE("alicf")), 18)));
    assert_true(slice_starts(keyspace_user_email(&keys, *state, SLICE("A@b")),
                             SLICE("postern:user:email:")));
}

static void what_is_no_id_enters_only_as_a_hash(void **state)
{
    static const struct slice hostile[] = {
        {"name:x", 6}, {"a\r\nDEL", 6},
        {"", 0},       {"*", 1},
        {"a\0b", 3},   {"01234567890123456789012345678901234567890123456789012345678901234", 65}};

    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        struct slice id = exact(hostile[i]), key = keyspace_user(&keys, *state, id);

        assert_int_equal(key.n, strlen("postern:user:!") + 64);
        assert_true(slice_starts(key, SLICE("postern:user:!")));
        exact_free(id);
    }
}

static void no_counter_or_index_is_under_a_tracked_prefix(void **state)
{
    struct slice tracked[KEYSPACE_TRACKED];
    const struct slice quiet[] = {keyspace_limit(&keys, *state, digest),
                                  keyspace_used(&keys, *state, SLICE("k")),
                                  keyspace_users(&keys, *state),
                                  keyspace_user_keys(&keys, *state, SLICE("u")),
                                  keyspace_user_sessions(&keys, *state, SLICE("u")),
                                  keyspace_meta(&keys, *state)};
    const struct slice watched[] = {
        keyspace_user(&keys, *state, SLICE("u")), keyspace_key(&keys, *state, SLICE("k")),
        keyspace_session(&keys, *state, SLICE("s")), keyspace_token(&keys, *state, digest),
        keyspace_signing(&keys, *state)};

    keyspace_tracked(&keys, *state, tracked);
    for (size_t t = 0; t < KEYSPACE_TRACKED; t++) {
        for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++)
            assert_false(slice_starts(quiet[i], tracked[t]));
        assert_true(slice_starts(watched[t], tracked[t]));
        for (size_t i = 0; i < KEYSPACE_TRACKED; i++)
            assert_true(i == t || !slice_starts(tracked[i], tracked[t]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_stand_in_names_as_they_are),
        cmocka_unit_test(names_of_people_enter_only_folded_and_hashed),
        cmocka_unit_test(what_is_no_id_enters_only_as_a_hash),
        cmocka_unit_test(no_counter_or_index_is_under_a_tracked_prefix),
    };

    return cmocka_run_group_tests(tests, arena_open, arena_close);
}
