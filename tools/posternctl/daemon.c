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
                   json_string_value(json_object_get(verdict, "forwarded_target")));
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

/* Passes the gateway's JSON on; false in member makes it a failure. */
static enum outcome pass_on(struct ctl *c, const char *method, const char *target)
{
    struct buf body;
    unsigned status = 0;
    enum outcome o = ctl_open_conf(c);

    if (o != OUTCOME_OK)
        return o;
    buf_init(&body);
    o = control_ask(c, method, target, &status, &body);
    if (o == OUTCOME_OK) {
        output_text(buf_slice(&body));
        if (status != 200)
            o = OUTCOME_FAILED;
    }
    buf_fini(&body);
    return o;
}

enum outcome ctl_stats(struct ctl *c)
{
    return pass_on(c, "GET", "/stats");
}

enum outcome ctl_reload(struct ctl *c)
{
    return pass_on(c, "POST", "/reload");
}
