#include "model/master.h"

#include "fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

static char folder[64], path[96];

static int folder_open(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/postern-master.XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/master.key", folder);
    return 0;
}

static int folder_close(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void write_file(const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

#define TEXT "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static void k3_each_purpose_has_a_key_of_its_own(void **state)
{
    struct master *m, *again, *other;

    (void)state;
    assert_int_equal(master_from_text(SLICE(TEXT), &m), ERR_OK);
    assert_int_equal(master_from_text(SLICE(TEXT), &again), ERR_OK);
    assert_int_equal(master_from_text(SLICE("BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), &other),
                     ERR_OK);
    assert_int_equal(m->pepper->n, 32);
    assert_int_equal(m->seal_key->n, 32);
    assert_false(secret_equal(secret_slice(m->pepper), secret_slice(m->seal_key)));
    assert_true(secret_equal(secret_slice(m->pepper), secret_slice(again->pepper)));
    assert_false(secret_equal(secret_slice(m->pepper), secret_slice(other->pepper)));
    master_free(m);
    master_free(again);
    master_free(other);
    master_free(NULL);
}

static void text_of_another_length_or_alphabet_is_refused(void **state)
{
    struct master *m;

    (void)state;
    assert_int_equal(master_from_text(SLICE(""), &m), ERR_SYNTAX);
    assert_int_equal(master_from_text(SLICE(TEXT "A"), &m), ERR_SYNTAX);
    assert_int_equal(master_from_text(slice_to(SLICE(TEXT), 42), &m), ERR_SYNTAX);
    assert_int_equal(master_from_text(SLICE("+AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), &m),
                     ERR_SYNTAX);
    /* stray bits in the last character */
    assert_int_equal(master_from_text(SLICE("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9"), &m),
                     ERR_SYNTAX);
}

static void an_absent_file_is_made_once_and_then_kept(void **state)
{
    struct master *first, *second;
    struct stat st;

    (void)state;
    assert_int_equal(master_open(path, false, &first), ERR_NOT_FOUND);
    assert_int_equal(master_open(path, true, &first), ERR_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(master_open(path, true, &second), ERR_OK);
    assert_true(secret_equal(secret_slice(first->pepper), secret_slice(second->pepper)));
    master_free(first);
    master_free(second);
}

static void a_file_that_others_may_read_is_refused(void **state)
{
    struct master *m;

    (void)state;
    write_file(TEXT "\n", 0640);
    assert_int_equal(master_open(path, true, &m), ERR_DENIED);
    write_file(TEXT "\n", 0604);
    assert_int_equal(master_open(path, true, &m), ERR_DENIED);
    write_file(TEXT "\n", 0600);
    assert_int_equal(master_open(path, true, &m), ERR_OK);
    master_free(m);
}

static void a_damaged_file_is_refused_and_not_replaced(void **state)
{
    struct master *m;

    (void)state;
    write_file("short\n", 0600);
    assert_int_equal(master_open(path, true, &m), ERR_SYNTAX);
    write_file("", 0600);
    assert_int_equal(master_open(path, true, &m), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(k3_each_purpose_has_a_key_of_its_own),
        cmocka_unit_test(text_of_another_length_or_alphabet_is_refused),
        cmocka_unit_test(an_absent_file_is_made_once_and_then_kept),
        cmocka_unit_test(a_file_that_others_may_read_is_refused),
        cmocka_unit_test(a_damaged_file_is_refused_and_not_replaced),
    };

    return cmocka_run_group_tests(tests, folder_open, folder_close);
}
