#ifndef TESTS_CONF_FIXTURE_H
#define TESTS_CONF_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The YAML of a test is copied to a block of its exact size: reading past it is seen. */
struct reading {
    struct complaints complaints;
    struct conf *conf;
    struct buf text; /* what complaints_write says */
    enum err result;
};

static inline struct reading read_with(const char *yaml, char *const *env)
{
    struct reading r = {0};
    size_t n = strlen(yaml);
    char *exact = malloc(n > 0 ? n : 1);

    memcpy(exact, yaml, n);
    complaints_init(&r.complaints);
    buf_init(&r.text);
    r.result = conf_read_text(slice_of(exact, n), "gw.yaml", env, &r.complaints, &r.conf);
    complaints_write(&r.complaints, &r.text);
    free(exact);
    return r;
}

static inline struct reading read_yaml(const char *yaml)
{
    return read_with(yaml, NULL);
}

static inline void reading_fini(struct reading *r)
{
    conf_free(r->conf);
    complaints_fini(&r->complaints);
    buf_fini(&r->text);
}

/* Reads what must be right, without any complaint. */
static inline struct conf *read_good(const char *yaml)
{
    struct reading r = read_yaml(yaml);
    struct conf *conf = r.conf;

    if (r.result != ERR_OK || r.text.n > 0)
        print_error("%s", buf_cstr(&r.text));
    assert_int_equal(r.result, ERR_OK);
    assert_int_equal(r.text.n, 0);
    r.conf = NULL;
    reading_fini(&r);
    return conf;
}

/* Reads what must be refused; one of the complaints must hold wanted ("gw.yaml:3:5: error: ...").
 */
static inline void assert_refused(const char *yaml, const char *wanted)
{
    struct reading r = read_yaml(yaml);

    if (r.result != ERR_SYNTAX)
        fail_msg("this was taken: %s", yaml);
    assert_null(r.conf);
    if (strstr(buf_cstr(&r.text), wanted) == NULL)
        fail_msg("'%s' is not in:\n%s", wanted, buf_cstr(&r.text));
    reading_fini(&r);
}

#define assert_slice(s, literal)                                                                   \
    do {                                                                                           \
        assert_int_equal((s).n, strlen(literal));                                                  \
        assert_memory_equal((s).p, literal, (s).n);                                                \
    } while (0)

#endif
