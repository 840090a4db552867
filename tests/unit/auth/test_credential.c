#include "auth_test.h"

struct request {
    struct arena arena;
    struct head head;
};

static void request_init(struct request *r)
{
    arena_init(&r->arena);
    head_init(&r->head, &r->arena);
}

/* Finds the credential in a head of these fields (NULL-ended name, value pairs). */
static enum err find(struct request *r, const char *const *fields, struct credential *out)
{
    request_init(r);
    for (; *fields != NULL; fields += 2)
        head_add(&r->head, slice_str(fields[0]), slice_str(fields[1]));
    return credential_find(&r->head, out);
}

#define FIND(r, out, ...) find((r), (const char *const[]){__VA_ARGS__, NULL}, (out))

#define KEY "sk_AbCdEfGh_0123456789012345678901234567890123456789012345678"

static void assert_found(const char *name, const char *value, enum credential_kind kind,
                         const char *text)
{
    struct request r;
    struct credential c;

    assert_int_equal(FIND(&r, &c, "Host", "a", name, value), ERR_OK);
    assert_int_equal(c.kind, kind);
    assert_slice(c.text, text);
    arena_fini(&r.arena);
}

static void recognises_each_kind(void **state)
{
    (void)state;
    assert_found("X-API-Key", KEY, CREDENTIAL_API_KEY, KEY);
    assert_found("x-api-key", "old-style", CREDENTIAL_API_KEY, "old-style");
    assert_found("Authorization", "Bearer " KEY, CREDENTIAL_API_KEY, KEY);
    assert_found("Authorization", "bEARER  e30.e30.c2ln", CREDENTIAL_JWT, "e30.e30.c2ln");
    assert_found("authorization", "Bearer abc+/def==", CREDENTIAL_TOKEN, "abc+/def==");
    assert_found("Authorization", "Bearer a.b", CREDENTIAL_TOKEN, "a.b");
}

static enum err error_of(const char *name, const char *value)
{
    struct request r;
    struct credential c;
    enum err e = FIND(&r, &c, name, value);

    arena_fini(&r.arena);
    return e;
}

static void no_credential_is_told_from_a_bad_one(void **state)
{
    (void)state;
    assert_int_equal(error_of("Host", "a"), ERR_NOT_FOUND);
    assert_int_equal(error_of("Authorization", ""), ERR_SYNTAX);
    assert_int_equal(error_of("Authorization", "Bearer"), ERR_SYNTAX);
    assert_int_equal(error_of("Authorization", "Bearer "), ERR_SYNTAX);
    assert_int_equal(error_of("Authorization", "Basic dTpw"), ERR_SYNTAX);
    assert_int_equal(error_of("Authorization", "Bearer a b"), ERR_SYNTAX);
    assert_int_equal(error_of("Authorization", "Bearer a,b"), ERR_SYNTAX);
    assert_int_equal(error_of("Authorization", "Bearer a=b"), ERR_SYNTAX);
    assert_int_equal(error_of("Authorization", "Bearer ="), ERR_SYNTAX);
    assert_int_equal(error_of("Authorization", KEY), ERR_SYNTAX);
    assert_int_equal(error_of("X-API-Key", ""), ERR_SYNTAX);
    assert_int_equal(error_of("X-API-Key", "a\tb"), ERR_SYNTAX);
}

static void h6_refuses_one_kind_twice(void **state)
{
    struct request r;
    struct credential c;

    (void)state;
    assert_int_equal(FIND(&r, &c, "Authorization", "Bearer a", "authorization", "Bearer a"),
                     ERR_CONFLICT);
    arena_fini(&r.arena);
    assert_int_equal(FIND(&r, &c, "X-API-Key", KEY, "X-API-Key", KEY), ERR_CONFLICT);
    arena_fini(&r.arena);
}

static void h7_refuses_two_kinds(void **state)
{
    struct request r;
    struct credential c;

    (void)state;
    assert_int_equal(FIND(&r, &c, "Authorization", "Bearer " KEY, "X-API-Key", KEY), ERR_CONFLICT);
    arena_fini(&r.arena);
    assert_int_equal(FIND(&r, &c, "Authorization", "Basic x", "X-API-Key", KEY), ERR_CONFLICT);
    arena_fini(&r.arena);
}

static void h2_an_alias_is_no_credential_and_no_silence(void **state)
{
    struct request r;
    struct credential c;

    (void)state;
    assert_int_equal(error_of("X_API_Key", KEY), ERR_SYNTAX);
    assert_int_equal(error_of("x.api.key", KEY), ERR_SYNTAX);
    assert_int_equal(FIND(&r, &c, "X-API-Key", KEY, "X_Api_Key", KEY), ERR_CONFLICT);
    arena_fini(&r.arena);
}

static void h14_refuses_a_control_byte(void **state)
{
    struct request r;
    struct credential c;

    (void)state;
    request_init(&r);
    head_add(&r.head, SLICE("X-API-Key"), SLICE("sk_a\0b"));
    assert_int_equal(credential_find(&r.head, &c), ERR_SYNTAX);
    arena_fini(&r.arena);
}

static void k7_a_token_is_bounded_and_dots_cost_nothing(void **state)
{
    char value[7 + JWT_BYTES_MAX + 2] = "Bearer ";

    (void)state;
    memset(value + 7, '.', JWT_BYTES_MAX);
    value[7 + JWT_BYTES_MAX] = '\0';
    assert_found("Authorization", value, CREDENTIAL_TOKEN, value + 7);
    value[7 + JWT_BYTES_MAX] = '.';
    assert_int_equal(error_of("Authorization", value), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recognises_each_kind),
        cmocka_unit_test(no_credential_is_told_from_a_bad_one),
        cmocka_unit_test(h6_refuses_one_kind_twice),
        cmocka_unit_test(h7_refuses_two_kinds),
        cmocka_unit_test(h2_an_alias_is_no_credential_and_no_silence),
        cmocka_unit_test(h14_refuses_a_control_byte),
        cmocka_unit_test(k7_a_token_is_bounded_and_dots_cost_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
