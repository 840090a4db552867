#ifndef AUTH_TEST_H
#define AUTH_TEST_H

/* Shared by the tests of gateway/auth: a worker turned by hand, policies from YAML, forged tokens.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "auth/authenticate.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "crypto/jwt.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SOON_MS = 5000 };

#define HELPER __attribute__((unused)) static

#define assert_slice(s, text) assert_true(slice_eq((s), slice_str(text)))

HELPER struct log *quiet_log(void)
{
    static struct log *l;

    if (l == NULL)
        l = log_new(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_JSON, LOG_ERROR);
    return l;
}

HELPER struct policy *policy_of(const char *yaml)
{
    struct complaints c;
    struct conf *conf = NULL;
    struct buf text;

    complaints_init(&c);
    buf_init(&text);
    if (conf_read_text(slice_str(yaml), "test.yaml", NULL, &c, &conf) != ERR_OK) {
        complaints_write(&c, &text);
        fail_msg("%s", buf_cstr(&text));
    }
    buf_fini(&text);
    complaints_fini(&c);
    return policy_new(conf);
}

/* A copy in a block of exactly its size, so that a sanitizer sees the first byte too far. */
HELPER struct slice exact(struct slice s)
{
    char *p = malloc(s.n > 0 ? s.n : 1);

    assert_non_null(p);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return slice_of(p, s.n);
}

HELPER void exact_free(struct slice s)
{
    free((void *)(uintptr_t)s.p);
}

HELPER struct jwk *key_of(enum alg alg, const char *kid)
{
    struct jwk *k = NULL;

    assert_int_equal(jwk_generate(alg, slice_str(kid), &k), ERR_OK);
    return k;
}

/* Claims as JSON with " for ', so that tests stay readable; "NOW+60" is a time. */
HELPER json_t *claims_of(const char *text)
{
    struct buf b;
    json_t *claims;

    buf_init(&b);
    for (const char *at = text; *at != '\0'; at++) {
        if (strncmp(at, "NOW", 3) == 0) {
            char *end;
            long shift = strtol(at + 3, &end, 10);

            buf_printf(&b, "%lld", (long long)clock_wall_s() + shift);
            at = end - 1;
        } else {
            buf_add_char(&b, *at == '\'' ? '"' : *at);
        }
    }
    claims = json_loads(buf_cstr(&b), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(claims);
    buf_fini(&b);
    return claims;
}

/* In a block of exactly its size; exact_free(). */
HELPER struct slice token_of(const struct jwk *key, const char *typ, const char *claims)
{
    json_t *tree = claims_of(claims);
    struct slice token;
    struct buf b;

    buf_init(&b);
    assert_int_equal(jwt_sign(key, typ, tree, &b), ERR_OK);
    token = exact(buf_slice(&b));
    buf_fini(&b);
    json_decref(tree);
    return token;
}

/* A set of one key, whose owner it becomes. */
HELPER struct keyset *set_of(struct jwk *key)
{
    struct keyset *set = keyset_new();

    assert_int_equal(keyset_add(set, key), ERR_OK);
    return set;
}

HELPER void turn(struct worker *w)
{
    event_base_loop(w->base, EVLOOP_NONBLOCK);
    w->now_ms = clock_mono_ms(); /* the test asks as a callback would */
}

/* Turns the loops (b may be NULL) until cond says so; false when it never did. */
HELPER bool turn_until(struct worker *a, struct worker *b, bool (*cond)(void *arg), void *arg,
                       int64_t ms)
{
    const int64_t end_ms = clock_mono_ms() + ms;

    for (;;) {
        const struct timespec nap = {.tv_nsec = 200000};

        turn(a);
        if (b != NULL)
            turn(b);
        if (cond != NULL && cond(arg))
            return true;
        if (clock_mono_ms() >= end_ms)
            return false;
        nanosleep(&nap, NULL);
    }
}

/* The wall clock that a test moves; starts at the true time. */
HELPER int64_t wall_shift_ms;
HELPER int64_t shifted_wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + wall_shift_ms;
}

HELPER int64_t true_mono_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

HELPER void shift_wall(int64_t ms)
{
    wall_shift_ms = ms;
    if (ms != 0)
        clock_set_source(true_mono_us, shifted_wall_ms);
    else
        clock_set_source(NULL, NULL);
}

/* A client's request for an identity, and its end. */
struct asking {
    struct auth_op op;
    struct arena arena;
    int dones;
};

HELPER void on_asked(struct auth_op *op)
{
    ((struct asking *)op->arg)->dones++;
}

HELPER bool is_asked(void *arg)
{
    return ((struct asking *)arg)->dones > 0;
}

HELPER void asking_init(struct asking *a)
{
    *a = (struct asking){.op = {.done = on_asked, .arg = a}};
    arena_init(&a->arena);
}

HELPER void asking_fini(struct asking *a)
{
    if (a->op.e == ERR_OK)
        identity_unref(a->op.who);
    a->op.who = NULL;
    arena_fini(&a->arena);
}

/* Asks and waits for the answer, in a. */
HELPER enum err ask(struct worker *w, struct policy *p, enum credential_kind kind,
                    struct slice text, const char *ip, struct asking *a)
{
    struct addr client;

    asking_init(a);
    assert_int_equal(addr_parse(slice_str(ip), &client), ERR_OK);
    if (!authenticate(w->authenticator, &(struct credential){kind, text}, p, &client, &a->arena,
                      &a->op))
        assert_true(turn_until(w, NULL, is_asked, a, SOON_MS));
    if (a->op.e != ERR_OK) {
        assert_null(a->op.who); /* K5: no identity without proof */
        assert_non_null(a->op.reason);
    }
    return a->op.e;
}

#endif
