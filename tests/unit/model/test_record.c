#include "model/record.h"

#include "fixture.h"

enum { PAIRS_MAX = 16 };
#define MAC "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* "name=value|name=value" on blocks of exact size. */
struct fields {
    struct pair pairs[PAIRS_MAX];
    size_t n;
};

static void fields_make(struct fields *f, const char *text, const char *without)
{
    struct slice rest = slice_str(text);

    f->n = 0;
    while (rest.p != NULL) {
        struct slice value = slice_cut(&rest, '|'), name = slice_cut(&value, '=');

        if (without == NULL || !slice_eq(name, slice_str(without)))
            f->pairs[f->n++] = (struct pair){exact(name), exact(value)};
    }
}

static void fields_free(struct fields *f)
{
    for (size_t i = 0; i < f->n; i++) {
        exact_free(f->pairs[i].name);
        exact_free(f->pairs[i].value);
    }
}

static enum err user_of(const char *text, const char *without, struct user_record **out)
{
    struct user_record *made = NULL;
    struct fields f;
    enum err e;

    fields_make(&f, text, without);
    e = user_decode(f.pairs, f.n, &made);
    fields_free(&f);
    if (out != NULL)
        *out = made;
    else
        user_unref(made);
    return e;
}

static enum err key_of(const char *text, const char *without, struct key_record **out)
{
    struct key_record *made = NULL;
    struct fields f;
    enum err e;

    fields_make(&f, text, without);
    e = key_decode(f.pairs, f.n, &made);
    fields_free(&f);
    if (out != NULL)
        *out = made;
    else
        key_unref(made);
    return e;
}

static enum err session_of(const char *text, const char *without, struct session_record **out)
{
    struct session_record *made = NULL;
    struct fields f;
    enum err e;

    fields_make(&f, text, without);
    e = session_decode(f.pairs, f.n, &made);
    fields_free(&f);
    if (out != NULL)
        *out = made;
    else
        session_unref(made);
    return e;
}

static const char user_text[] =
    "id=usr_1|username=alice|email=a@b|roles=user,admin|is_active=1|must_change=0|token_ver=7|"
    "created_at=5|updated_at=6|last_login_at=7";
static const char key_text[] = "id=abcd1234|user=usr_1|name=ci|scopes=read|mac=" MAC
                               "|prev_mac=" OTHER "|prev_until=99|created_at=5|expires_at=0|"
                               "last_used_at=8|is_active=1|allowed=10.0.0.0/8,2001:db8::/32";
static const char session_text[] =
    "id=ses_1|user=usr_1|kind=login|token_ver=7|created_at=5|expires_at=9";

static void a_whole_user_is_read(void **state)
{
    struct user_record *u;

    (void)state;
    assert_int_equal(user_of(user_text, NULL, &u), ERR_OK);
    assert_slice(u->id, "usr_1");
    assert_slice(u->username, "alice");
    assert_slice(u->email, "a@b");
    assert_slice(u->roles, "user,admin");
    assert_true(u->is_active && !u->must_change);
    assert_int_equal(u->token_version, 7);
    assert_int_equal(u->created_at, 5);
    assert_int_equal(u->updated_at, 6);
    assert_int_equal(u->last_login_at, 7);
    user_unref(u);
    user_unref(NULL);
}

static void a_user_that_lacks_a_needed_field_is_refused(void **state)
{
    static const char *const needed[] = {"id",          "username",  "roles",     "is_active",
                                         "must_change", "token_ver", "created_at"};

    (void)state;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        assert_int_equal(user_of(user_text, needed[i], NULL), ERR_SYNTAX);
    assert_int_equal(user_of(user_text, "email", NULL), ERR_OK);
    assert_int_equal(user_of(user_text, "last_login_at", NULL), ERR_OK);
    assert_int_equal(user_decode(NULL, 0, NULL), ERR_SYNTAX);
}

static void a_user_with_a_malformed_field_is_refused(void **state)
{
#define USER(roles, active, version)                                                               \
    "id=u|username=a|roles=" roles "|is_active=" active "|must_change=0|token_ver=" version        \
    "|created_at=5"

    (void)state;
    assert_int_equal(user_of(USER("user", "1", "1"), NULL, NULL), ERR_OK);
    assert_int_equal(user_of(USER("", "1", "1"), NULL, NULL), ERR_OK);
    assert_int_equal(user_of(USER("user,", "1", "1"), NULL, NULL), ERR_SYNTAX);
    assert_int_equal(user_of(USER("user, admin", "1", "1"), NULL, NULL), ERR_SYNTAX);
    assert_int_equal(user_of(USER("Admin", "1", "1"), NULL, NULL), ERR_SYNTAX);
    assert_int_equal(user_of(USER("user", "true", "1"), NULL, NULL), ERR_SYNTAX);
    assert_int_equal(user_of(USER("user", "", "1"), NULL, NULL), ERR_SYNTAX);
    assert_int_equal(user_of(USER("user", "1", "-1"), NULL, NULL), ERR_SYNTAX);
    assert_int_equal(user_of(USER("user", "1", "9223372036854775808"), NULL, NULL), ERR_SYNTAX);
    assert_int_equal(user_of(USER("user", "1", "1|is_active=1"), NULL, NULL), ERR_SYNTAX);
}

static void a_whole_key_is_read(void **state)
{
    struct key_record *k;
    struct addr inside;

    (void)state;
    assert_int_equal(key_of(key_text, NULL, &k), ERR_OK);
    assert_slice(k->id, "abcd1234");
    assert_slice(k->user_id, "usr_1");
    assert_slice(k->name, "ci");
    assert_slice(k->scopes, "read");
    assert_int_equal(k->mac[1], 0x11);
    assert_int_equal(k->mac[31], 0xff);
    assert_int_equal(k->previous_mac[0], 0xff);
    assert_int_equal(k->previous_until, 99);
    assert_int_equal(k->created_at, 5);
    assert_int_equal(k->expires_at, 0);
    assert_int_equal(k->last_used_at, 8);
    assert_true(k->is_active);
    assert_int_equal(k->allowed_count, 2);
    assert_int_equal(addr_parse(SLICE("10.1.2.3"), &inside), ERR_OK);
    assert_true(cidrs_have(k->allowed, k->allowed_count, &inside));
    assert_int_equal(addr_parse(SLICE("11.1.2.3"), &inside), ERR_OK);
    assert_false(cidrs_have(k->allowed, k->allowed_count, &inside));
    key_unref(k);
    key_unref(NULL);
}

/* What narrows a key is needed as well: a lost field must not widen it. */
static void a_key_that_lacks_a_needed_field_is_refused(void **state)
{
    static const char *const needed[] = {"id",        "user",       "scopes",
                                         "mac",       "created_at", "expires_at",
                                         "is_active", "allowed",    "prev_mac"};

    (void)state;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        assert_int_equal(key_of(key_text, needed[i], NULL), ERR_SYNTAX);
    assert_int_equal(key_of(key_text, "name", NULL), ERR_OK);
    assert_int_equal(key_of(key_text, "last_used_at", NULL), ERR_OK);
}

#define KEY(mac, allowed)                                                                          \
    "id=k|user=u|scopes=|mac=" mac "|created_at=1|expires_at=0|is_active=1|allowed=" allowed

static void a_damaged_address_list_refuses_the_key(void **state)
{
    (void)state;
    assert_int_equal(key_of(KEY(MAC, ""), NULL, NULL), ERR_OK);
    assert_int_equal(key_of(KEY(MAC, "10.0.0.0/8"), NULL, NULL), ERR_OK);
    assert_int_equal(key_of(KEY(MAC, "10.0.0.0/8,"), NULL, NULL), ERR_SYNTAX);
    assert_int_equal(key_of(KEY(MAC, "10.0.0.0/8,x"), NULL, NULL), ERR_SYNTAX);
    assert_int_equal(key_of(KEY(MAC, "10.0.0.1/8"), NULL, NULL), ERR_SYNTAX);
}

static void k10_only_a_mac_of_full_length_is_taken(void **state)
{
    (void)state;
    assert_int_equal(key_of(KEY("", ""), NULL, NULL), ERR_SYNTAX);
    assert_int_equal(key_of(KEY("001", ""), NULL, NULL), ERR_SYNTAX);
    assert_int_equal(key_of(KEY("0011223344556677", ""), NULL, NULL), ERR_SYNTAX);
    assert_int_equal(key_of(KEY(MAC "00", ""), NULL, NULL), ERR_SYNTAX);
    assert_int_equal(key_of(KEY("0g112233445566778899aabbccddeeff"
                                "00112233445566778899aabbccddeeff",
                                ""),
                            NULL, NULL),
                     ERR_SYNTAX);
}

static void a_whole_session_is_read_and_nothing_less(void **state)
{
    static const char *const needed[] = {"id",        "user",       "kind",
                                         "token_ver", "created_at", "expires_at"};
    struct session_record *s;

    (void)state;
    assert_int_equal(session_of(session_text, NULL, &s), ERR_OK);
    assert_slice(s->id, "ses_1");
    assert_slice(s->user_id, "usr_1");
    assert_slice(s->kind, "login");
    assert_int_equal(s->token_version, 7);
    assert_int_equal(s->expires_at, 9);
    session_unref(s);
    session_unref(NULL);
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        assert_int_equal(session_of(session_text, needed[i], NULL), ERR_SYNTAX);
    assert_int_equal(
        session_of("id=s|user=u|kind=cli|token_ver=1|created_at=1|expires_at=0", NULL, NULL),
        ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_user_is_read),
        cmocka_unit_test(a_user_that_lacks_a_needed_field_is_refused),
        cmocka_unit_test(a_user_with_a_malformed_field_is_refused),
        cmocka_unit_test(a_whole_key_is_read),
        cmocka_unit_test(a_key_that_lacks_a_needed_field_is_refused),
        cmocka_unit_test(a_damaged_address_list_refuses_the_key),
        cmocka_unit_test(k10_only_a_mac_of_full_length_is_taken),
        cmocka_unit_test(a_whole_session_is_read_and_nothing_less),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
