#include "observe/audit.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static json_t *written(const struct audit_entry *entry)
{
    static char text[65536];
    int ends[2];
    ssize_t n;
    json_t *tree = NULL;

    assert_int_equal(pipe(ends), 0);
    audit_open(ends[1]);
    audit(entry);
    audit_open(-1);
    close(ends[1]);
    n = read(ends[0], text, sizeof(text));
    close(ends[0]);
    assert_true(n > 1);
    assert_int_equal(json_read(slice_of(text, (size_t)n), sizeof(text), &tree), ERR_OK);
    return tree;
}

static void a_row_names_its_event_and_who(void **state)
{
    struct audit_entry entry = {.event = AUDIT_AUTH_REFUSED,
                                .outcome = "refused",
                                .ip = SLICE("127.0.0.1"),
                                .detail = SLICE("line\nbreak")};
    json_t *row = written(&entry);

    (void)state;
    assert_true(slice_eq(json_text(row, "event"), SLICE("auth.refused")));
    assert_true(slice_eq(json_text(row, "outcome"), SLICE("refused")));
    assert_true(slice_eq(json_text(row, "detail"), SLICE("line\nbreak")));
    assert_int_equal(json_text(row, "time").n, 24);
    assert_null(json_object_get(row, "user"));
    json_decref(row);
}

static void a_value_is_cut_at_256_bytes_between_characters(void **state)
{
    char text[300];
    struct audit_entry entry = {.event = AUDIT_ADMIN, .outcome = "ok"};
    json_t *row;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text + 255, "\xc3\xa4", 2);
    entry.detail = slice_of(text, sizeof(text));
    row = written(&entry);
    assert_int_equal(json_text(row, "detail").n, 255);
    json_decref(row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_names_its_event_and_who),
        cmocka_unit_test(a_value_is_cut_at_256_bytes_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
