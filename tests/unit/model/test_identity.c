#include "model/identity.h"

#include "fixture.h"

static const struct identity sample = {.method = METHOD_API_KEY,
                                       .user_id = {"usr_1", 5},
                                       .name = {"alice", 5},
                                       .roles = {"user,admin", 10},
                                       .scopes = {"read route:ocr", 14},
                                       .scopes_limited = true,
                                       .key_id = {"abcd1234", 8},
                                       .expires_s = 77};

/* True when making one ends the process. */
static bool is_refused(const struct identity *from)
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        identity_unref(identity_new(from));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void k5_an_identity_without_user_or_method_cannot_be_made(void **state)
{
    struct identity from = sample;

    (void)state;
    assert_false(is_refused(&from));
    from.user_id = SLICE_NONE;
    assert_true(is_refused(&from));
    from = sample;
    from.method = METHOD_NONE;
    assert_true(is_refused(&from));
}

static void an_identity_is_a_copy_and_counted(void **state)
{
    char text[] = "usr_1";
    struct identity from = sample, *who;

    (void)state;
    from.user_id = slice_str(text);
    who = identity_new(&from);
    text[0] = 'X';
    assert_slice(who->user_id, "usr_1");
    assert_slice(who->name, "alice");
    assert_slice(who->roles, "user,admin");
    assert_slice(who->scopes, "read route:ocr");
    assert_slice(who->key_id, "abcd1234");
    assert_int_equal(who->session_id.n, 0);
    assert_int_equal(who->expires_s, 77);
    assert_ptr_equal(identity_ref(who), who);
    assert_int_equal(who->refs, 2);
    identity_unref(who);
    assert_slice(who->name, "alice");
    identity_unref(who);
    identity_unref(NULL);
    assert_null(identity_ref(NULL));
}

static void a_role_is_a_whole_word_of_the_list(void **state)
{
    (void)state;
    assert_true(identity_has_role(&sample, SLICE("user")));
    assert_true(identity_has_role(&sample, SLICE("admin")));
    assert_false(identity_has_role(&sample, SLICE("adm")));
    assert_false(identity_has_role(&sample, SLICE("user,admin")));
    assert_false(identity_has_role(&sample, SLICE("")));
    assert_false(identity_has_role(&(struct identity){.roles = SLICE_NONE}, SLICE("")));
}

static void limited_scopes_decide_the_method(void **state)
{
    struct identity who = sample;

    (void)state;
    assert_true(identity_may_method(&who, SLICE("GET"), SLICE("other")));
    assert_true(identity_may_method(&who, SLICE("HEAD"), SLICE("other")));
    assert_false(identity_may_method(&who, SLICE("POST"), SLICE("other")));
    /* Methods are case sensitive (RFC 9110 §9.1): "get" is some other one. */
    assert_false(identity_may_method(&who, SLICE("get"), SLICE("other")));
    assert_true(identity_may_method(&who, SLICE("POST"), SLICE("ocr")));
    assert_false(identity_may_method(&who, SLICE("POST"), SLICE("oc")));
    assert_false(identity_may_method(&who, SLICE("POST"), SLICE("")));
    who.scopes_limited = false;
    assert_true(identity_may_method(&who, SLICE("DELETE"), SLICE("other")));
    who.scopes_limited = true;
    who.scopes = SLICE_NONE;
    assert_false(identity_may_method(&who, SLICE("GET"), SLICE("ocr")));
}

static void only_scopes_that_exist_are_known(void **state)
{
    (void)state;
    assert_true(scope_is_known(SLICE("read")));
    assert_true(scope_is_known(SLICE("keys:write")));
    assert_true(scope_is_known(SLICE("route:ocr-2")));
    assert_false(scope_is_known(SLICE("route:")));
    assert_false(scope_is_known(SLICE("route:a b")));
    assert_false(scope_is_known(SLICE("Read")));
    assert_false(scope_is_known(SLICE("")));
    assert_false(scope_is_known(SLICE("*")));
}

static void role_names_are_short_lower_case_words(void **state)
{
    (void)state;
    assert_true(role_is_valid(SLICE("user")));
    assert_true(role_is_valid(SLICE("ml_ops-2")));
    assert_true(role_is_valid(SLICE("abcdefghijklmnopqrstuvwxyz012345")));
    assert_false(role_is_valid(SLICE("abcdefghijklmnopqrstuvwxyz0123456")));
    assert_false(role_is_valid(SLICE("")));
    assert_false(role_is_valid(SLICE("Admin")));
    assert_false(role_is_valid(SLICE("2fa")));
    assert_false(role_is_valid(SLICE("a,b")));
}

static void user_names_are_never_of_the_form_of_an_id(void **state)
{
    (void)state;
    assert_true(username_is_valid(SLICE("al")));
    assert_true(username_is_valid(SLICE("Alice.B-c_9")));
    assert_true(username_is_valid(SLICE("usr_alice")));
    assert_true(username_is_valid(SLICE("user_1")));
    assert_false(username_is_valid(SLICE("a")));
    assert_false(username_is_valid(SLICE("")));
    assert_false(username_is_valid(SLICE("_alice")));
    assert_false(username_is_valid(SLICE("alice@example.com")));
    assert_false(username_is_valid(SLICE("al ice")));
    assert_false(username_is_valid(SLICE("al\0ice")));
    assert_false(username_is_valid(SLICE("alic\xc3\xa9")));
    assert_false(username_is_valid(SLICE("12345")));
    assert_false(username_is_valid(SLICE("usr_01jdabcdefghjkmnpqrstvwxyz")));
    assert_false(username_is_valid(SLICE("USR_01jdabcdefghjkmnpqrstvwxyz")));
    assert_false(username_is_valid(SLICE("sk_abcd1234")));
    assert_true(username_is_valid(
        SLICE("a123456789012345678901234567890123456789012345678901234567890123")));
    assert_false(username_is_valid(
        SLICE("a1234567890123456789012345678901234567890123456789012345678901234")));
}

static void h14_a_plain_name_has_nothing_that_ends_a_line(void **state)
{
    static const char long_name[256] = {[0 ... 255] = 'a'};

    (void)state;
    assert_true(name_is_plain(SLICE("Zo\xc3\xab \xe2\x80\xa7 x@y.example")));
    assert_true(name_is_plain(slice_of(long_name, 255)));
    assert_false(name_is_plain(slice_of(long_name, 256)));
    assert_false(name_is_plain(SLICE("")));
    assert_false(name_is_plain(SLICE(" a")));
    assert_false(name_is_plain(SLICE("a\tb")));
    assert_false(name_is_plain(SLICE("a\0b")));
    assert_false(name_is_plain(SLICE("a\x7f")));
    assert_false(name_is_plain(SLICE("a\xc2\x85")));
    assert_false(name_is_plain(SLICE("a\xe2\x80\xa8z")));
}

static void the_form_of_our_ids_is_known_in_any_case(void **state)
{
    (void)state;
    assert_true(user_id_is_ours(SLICE("usr_01jdabcdefghjkmnpqrstvwxyz")));
    assert_true(user_id_is_ours(SLICE("Usr_1")));
    assert_false(user_id_is_ours(SLICE("idp:usr_1")));
    assert_false(user_id_is_ours(SLICE("usr")));
}

static void every_method_has_its_name(void **state)
{
    (void)state;
    assert_slice(method_name(METHOD_NONE), "none");
    assert_slice(method_name(METHOD_API_KEY), "api_key");
    assert_slice(method_name(METHOD_JWT), "jwt");
    assert_slice(method_name(METHOD_TOKEN), "token");
    assert_slice(method_name(METHOD_MTLS), "mtls");
    assert_slice(method_name(METHOD_DEV), "dev");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(k5_an_identity_without_user_or_method_cannot_be_made),
        cmocka_unit_test(an_identity_is_a_copy_and_counted),
        cmocka_unit_test(a_role_is_a_whole_word_of_the_list),
        cmocka_unit_test(limited_scopes_decide_the_method),
        cmocka_unit_test(only_scopes_that_exist_are_known),
        cmocka_unit_test(role_names_are_short_lower_case_words),
        cmocka_unit_test(user_names_are_never_of_the_form_of_an_id),
        cmocka_unit_test(h14_a_plain_name_has_nothing_that_ends_a_line),
        cmocka_unit_test(the_form_of_our_ids_is_known_in_any_case),
        cmocka_unit_test(every_method_has_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
