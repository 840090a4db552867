/* Verbs that ask the running gateway: explain, stats, reload. */
#include "control.h"
#include "output.h"

#include <stdlib.h>

/* The identity that is asked for: its id, name and roles, as the records say now. */
static enum outcome add_identity(struct ctl *c, const char *who, struct buf *target)
{
    json_t *user = NULL, *role;
    struct buf roles;
    size_t i;
    enum outcome o = ctl_open_roster(c);
    enum err e;

    if (o != OUTCOME_OK)
        return o;
    e = roster_user_show(&c->roster, slice_str(who), &user);
    if (e != ERR_OK)
        return ctl_fail_err(c, e, "user", who);
    buf_init(&roles);
    json_array_foreach(json_object_get(user, "roles"), i, role)
        buf_printf(&roles, "%s%s", i > 0 ? "," : "", json_string_value(role));
    control_add_param(target, "user", json_text(user, "id"));
    control_add_param(target, "name", json_text(user, "username"));
    control_add_param(target, "roles", buf_slice(&roles));
    buf_fini(&roles);
    json_decref(user);
    return OUTCOME_OK;
}

static void show_limits(const json_t *limits)
{
    for (size_t i = 0; i < json_array_size(limits); i++) {
        const json_t *limit = json_array_get(limits, i),
                     *windows = json_object_get(limit, "windows");

        printf("limit     %s for each %s:", json_string_value(json_object_get(limit, "name")),
               json_string_value(json_object_get(limit, "key")));
        for (size_t k = 0; k < json_array_size(windows); k++)
            printf("%s %s", k > 0 ? "," : "", json_string_value(json_array_get(windows, k)));
        putchar('\n');
    }
}

static enum outcome show_verdict(const struct ctl *c, struct slice text)
{
    json_t *verdict = NULL, *rule;

    if (json_read(text, 1 << 20, &verdict) != ERR_OK)
        return ctl_fail(c, OUTCOME_FAILED, "the gateway's answer is no JSON");
    if (c->format == FORMAT_JSON) {
        output_json(verdict);
    } else {
        rule = json_object_get(verdict, "rule");
        printf("%s %s: %lld, %s\n", json_string_value(json_object_get(verdict, "method")),
               json_is_string(json_object_get(verdict, "path"))
                   ? json_string_value(json_object_get(verdict, "path"))
                   : "?",
               json_integer_value(json_object_get(verdict, "status")),
               json_string_value(json_object_get(verdict, "verdict")));
        if (rule != NULL)
            printf("rule      %s (auth %s), written at %s\n",
                   json_string_value(json_object_get(rule, "name")),
                   json_string_value(json_object_get(rule, "auth")),
                   json_is_string(json_object_get(rule, "written_at"))
                       ? json_string_value(json_object_get(rule, "written_at"))
                       : "?");
        if (json_is_string(json_object_get(verdict, "upstream")))
            printf("upstream  %s %s\n", json_string_value(json_object_get(verdict, "upstream")),
                   json_is_string(json_object_get(verdict, "forwarded_target"))
                       ? json_string_value(json_object_get(verdict, "forwarded_target"))
                       : "(the path cannot be rewritten safely)");
        show_limits(json_object_get(verdict, "limits"));
    }
    json_decref(verdict);
    return OUTCOME_OK;
}

enum outcome ctl_explain(struct ctl *c)
{
    const char *as = ctl_value(c, FLAG_AS), *host = ctl_value(c, FLAG_HOST);
    struct buf target, body;
    unsigned status;
    enum outcome o = ctl_open_conf(c);

    if (o != OUTCOME_OK)
        return o;
    buf_init(&target);
    buf_init(&body);
    buf_add(&target, SLICE("/explain"));
    control_add_param(&target, "method", slice_str(c->args[0]));
    control_add_param(&target, "path", slice_str(c->args[1]));
    control_add_param(&target, "host", slice_str(host != NULL ? host : "localhost"));
    if (as != NULL)
        o = add_identity(c, as, &target);
    if (o == OUTCOME_OK)
        o = control_ask(c, "GET", buf_cstr(&target), &status, &body);
    if (o == OUTCOME_OK)
        o = show_verdict(c, buf_slice(&body));
    buf_fini(&target);
    buf_fini(&body);
    return o;
}

enum outcome ctl_stats(struct ctl *c)
{
    struct buf body;
    unsigned status = 0;
    enum outcome o = ctl_open_conf(c);

    if (o != OUTCOME_OK)
        return o;
    buf_init(&body);
    o = control_ask(c, "GET", "/stats", &status, &body);
    if (o == OUTCOME_OK) {
        output_text(buf_slice(&body));
        o = status == 200 ? OUTCOME_OK : OUTCOME_FAILED;
    }
    buf_fini(&body);
    return o;
}

/* For people the complaints as lines; the JSON as it came with -o json. */
static enum outcome show_reload(const struct ctl *c, unsigned status, struct slice body)
{
    json_t *answer = NULL;

    if (c->format == FORMAT_JSON)
        output_text(body);
    else if (json_read(body, 1 << 20, &answer) == ERR_OK)
        fprintf(stderr, "%.*s", SLICE_FMT(json_text(answer, "complaints")));
    json_decref(answer);
    if (status != 200)
        return ctl_fail(c, OUTCOME_FAILED, "nothing was changed; the gateway runs on as before");
    ctl_say(c, "the gateway runs with its new configuration");
    return OUTCOME_OK;
}

enum outcome ctl_reload(struct ctl *c)
{
    struct buf body;
    unsigned status = 0;
    enum outcome o = ctl_open_conf(c);

    if (o != OUTCOME_OK)
        return o;
    buf_init(&body);
    o = control_ask(c, "POST", "/reload", &status, &body);
    if (o == OUTCOME_OK)
        o = show_reload(c, status, buf_slice(&body));
    buf_fini(&body);
    return o;
}
