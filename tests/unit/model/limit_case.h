#ifndef UNIT_MODEL_LIMIT_CASE_H
#define UNIT_MODEL_LIMIT_CASE_H

#include "fixture.h"

/* limit.lua, under the server's clock or one that the test sets. */
enum { RULES_MAX = 3, WINDOWS_MAX = 3, TEXTS_MAX = 96 };

struct window {
    bool is_sliding;
    int64_t units, burst, period_ms;
};

struct rule {
    const char *key;
    int64_t cost;
    size_t window_count;
    struct window windows[WINDOWS_MAX];
};

struct verdict {
    int64_t allowed, rule, window, limit, remaining, reset_ms, retry_ms;
};

/* How many takes at once. */
struct many {
    int64_t need, ahead, ahead_us;
};

/* The arguments of the script, in texts of their own. */
struct limit_args {
    char texts[TEXTS_MAX][24];
    struct slice args[TEXTS_MAX], keys[RULES_MAX];
    size_t n, key_count;
};

HELPER void add_number(struct limit_args *a, int64_t n)
{
    int length = snprintf(a->texts[a->n], sizeof(a->texts[0]), "%lld", (long long)n);

    a->args[a->n] = slice_of(a->texts[a->n], (size_t)length);
    a->n++;
}

HELPER void add_rules(struct limit_args *a, const struct rule *rules, size_t count,
                      struct many many)
{
    a->n = 0;
    add_number(a, many.need);
    add_number(a, many.ahead);
    add_number(a, many.ahead_us);
    a->key_count = count;
    for (size_t i = 0; i < count; i++) {
        a->keys[i] = slice_str(rules[i].key);
        add_number(a, rules[i].cost);
        add_number(a, (int64_t)rules[i].window_count);
        for (size_t k = 0; k < rules[i].window_count; k++) {
            const struct window *w = &rules[i].windows[k];

            a->args[a->n++] = w->is_sliding ? SLICE("s") : SLICE("g");
            add_number(a, w->units);
            add_number(a, w->burst);
            add_number(a, w->period_ms);
        }
    }
}

HELPER void read_verdict(const struct redisReply *reply, struct verdict *v)
{
    int64_t *fields[] = {&v->allowed,   &v->rule,     &v->window,  &v->limit,
                         &v->remaining, &v->reset_ms, &v->retry_ms};

    if (reply_is_error(reply, SLICE_NONE))
        fail_msg("%s", reply->str);
    assert_int_equal(reply_count(reply), 7);
    for (size_t i = 0; i < 7; i++)
        assert_true(reply_number(reply_at(reply, i), fields[i]));
}

/* Under the server's clock. */
HELPER struct verdict take(struct redis_client *c, const struct rule *rules, size_t count)
{
    struct limit_args a;
    struct redisReply *reply = NULL;
    struct verdict v = {0};

    add_rules(&a, rules, count, (struct many){1, 0, 0});
    assert_int_equal(redis_client_script(c, SCRIPT_LIMIT, a.keys, a.key_count, a.args, a.n, &reply),
                     ERR_OK);
    read_verdict(reply, &v);
    freeReplyObject(reply);
    return v;
}

/* The script with its clock replaced by its last two arguments. Owned by the caller. */
HELPER char *script_with_clock(void)
{
    struct slice text = script_text(SCRIPT_LIMIT);
    const char *clock = "redis.call('TIME')", *ours = "{ARGV[#ARGV - 1], ARGV[#ARGV]}";
    char *whole = mem_strndup(text.p, text.n), *at = strstr(whole, clock), *made = NULL;

    assert_non_null(at);
    assert_true(asprintf(&made, "%.*s%s%s", (int)(at - whole), whole, ours, at + strlen(clock)) >
                0);
    free(whole);
    return made;
}

/* now_us: microseconds since 1970. */
HELPER struct redisReply *take_raw(struct redis_client *c, const char *script,
                                   const struct rule *rules, size_t count, struct many many,
                                   int64_t now_us)
{
    struct slice args[3 + RULES_MAX + TEXTS_MAX] = {SLICE("EVAL"), slice_str(script)};
    struct redisReply *reply = NULL;
    struct limit_args a;
    char number[8];

    add_rules(&a, rules, count, many);
    add_number(&a, now_us / 1000000);
    add_number(&a, now_us % 1000000);
    (void)snprintf(number, sizeof(number), "%zu", count);
    args[2] = slice_str(number);
    memcpy(args + 3, a.keys, count * sizeof(*args));
    memcpy(args + 3 + count, a.args, a.n * sizeof(*args));
    assert_int_equal(redis_client_command(c, args, 3 + count + a.n, &reply), ERR_OK);
    return reply;
}

/* granted is in allowed. */
HELPER struct verdict take_many_at(struct redis_client *c, const char *script,
                                   const struct rule *rules, size_t count, struct many many,
                                   int64_t now_us)
{
    struct redisReply *reply = take_raw(c, script, rules, count, many, now_us);
    struct verdict v = {0};

    read_verdict(reply, &v);
    freeReplyObject(reply);
    return v;
}

HELPER struct verdict take_at(struct redis_client *c, const char *script, const struct rule *rules,
                              size_t count, int64_t now_us)
{
    return take_many_at(c, script, rules, count, (struct many){1, 0, 0}, now_us);
}

#endif
