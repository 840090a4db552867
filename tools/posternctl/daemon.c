/* Verbs that ask the running gateway: explain, reload. */
#include "check.h"
#include "control.h"
#include "output.h"

#include <stdlib.h>

static void add_user(const json_t *user, struct buf *target)
{
    json_t *role;
    struct buf roles;
    size_t i;

    buf_init(&roles);
    json_array_foreach(json_object_get(user, "roles"), i, role)
        buf_printf(&roles, "%s%s", i > 0 ? "," : "", json_string_value(role));
    control_add_param(target, "user", json_text(user, "id"));
    control_add_param(target, "name", json_text(user, "username"));
    control_add_param(target, "roles", buf_slice(&roles));
    if (!json_is_true(json_object_get(user, "is_active")))
        control_add_param(target, "disabled", SLICE("1"));
    buf_fini(&roles);
}

/* The identity that is asked for, as the records say now. */
static enum outcome add_identity(struct ctl *c, const char *who, struct buf *target)
{
    json_t *user = NULL;
    struct buf scopes;
    enum outcome o;
    enum err e;

    ctl_values(c, FLAG_SCOPE, ' ', &scopes);
    if ((o = check_scopes(c, buf_slice(&scopes))) == OUTCOME_OK &&
        (o = ctl_open_roster(c)) == OUTCOME_OK) {
        e = roster_user_show(&c->roster, slice_str(who), &user);
        if (e != ERR_OK)
            o = ctl_fail_err(c, e, "user", who);
    }
    if (o == OUTCOME_OK) {
        add_user(user, target);
        control_add_param(target, "scopes", buf_slice(&scopes));
    }
    buf_fini(&scopes);
    json_decref(user);
    return o;
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

static void show_headers(const json_t *set)
{
    const char *name;
    json_t *value, *object = (json_t *)(uintptr_t)set;

    json_object_foreach(object, name, value)
        printf("sets      %s: %s\n", name, json_string_value(value));
}

static void show_verdict(const struct ctl *c, const json_t *verdict)
{
    const json_t *rule;

    if (output_is_data(c)) {
        output_data(c, verdict);
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
        show_headers(json_object_get(verdict, "headers_set"));
    }
}

enum outcome ctl_explain(struct ctl *c)
{
    const char *as = ctl_value(c, FLAG_AS), *host = ctl_value(c, FLAG_HOST);
    json_t *verdict = NULL;
    struct buf target;
    enum outcome o = ctl_open_conf(c);

    if (o != OUTCOME_OK)
        return o;
    buf_init(&target);
    buf_add(&target, SLICE("/explain"));
    control_add_param(&target, "method", slice_str(c->args[0]));
    control_add_param(&target, "path", slice_str(c->args[1]));
    control_add_param(&target, "host", slice_str(host != NULL ? host : "localhost"));
    if (as == NULL && ctl_has(c, FLAG_SCOPE))
        o = ctl_fail(c, OUTCOME_USAGE, "--scope narrows --as USER, which is missing");
    else if (as != NULL)
        o = add_identity(c, as, &target);
    if (o == OUTCOME_OK)
        o = control_ask_json(c, "GET", buf_cstr(&target), NULL, &verdict);
    if (o == OUTCOME_OK)
        show_verdict(c, verdict);
    buf_fini(&target);
    json_decref(verdict);
    return o;
}

/* For people the complaints as lines. */
static enum outcome show_reload(const struct ctl *c, unsigned status, const json_t *answer)
{
    if (output_is_data(c))
        output_data(c, answer);
    else
        fprintf(stderr, "%.*s", SLICE_FMT(json_text(answer, "complaints")));
    if (status != 200)
        return ctl_fail(c, OUTCOME_FAILED, "nothing was changed; the gateway runs on as before");
    ctl_say(c, "the gateway runs with its new configuration");
    return OUTCOME_OK;
}

enum outcome ctl_reload(struct ctl *c)
{
    json_t *answer = NULL;
    unsigned status;
    enum outcome o = ctl_open_conf(c);

    if (o == OUTCOME_OK)
        o = control_ask_json(c, "POST", "/reload", &status, &answer);
    if (o == OUTCOME_OK)
        o = show_reload(c, status, answer);
    json_decref(answer);
    return o;
}
