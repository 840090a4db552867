/* The verbs of the noun config: they read files and tables; only show --running asks the gateway.
 */
#include "control.h"
#include "output.h"

#include <stdlib.h>

extern char **environ;

static enum err read_conf(const char *path, struct conf **out)
{
    struct complaints complaints;
    struct buf text;
    enum err e;

    complaints_init(&complaints);
    buf_init(&text);
    e = conf_read(path, environ, &complaints, out);
    complaints_write(&complaints, &text);
    (void)fputs(buf_cstr(&text), stderr);
    buf_fini(&text);
    complaints_fini(&complaints);
    return e;
}

enum outcome ctl_config_check(struct ctl *c)
{
    const char *path = c->arg_count > 0 ? c->args[0] : c->conf_path;
    struct conf *conf = NULL;
    enum err e = read_conf(path, &conf);

    ctl_say(c, "%s: %s", path != NULL ? path : "defaults and environment",
            e == ERR_OK ? "ok" : "not valid");
    conf_free(conf);
    return e == ERR_OK ? OUTCOME_OK : OUTCOME_FAILED;
}

static enum outcome print(void (*write)(struct buf *out))
{
    struct buf text;

    buf_init(&text);
    write(&text);
    output_text(buf_slice(&text));
    buf_fini(&text);
    return OUTCOME_OK;
}

enum outcome ctl_config_show(struct ctl *c)
{
    struct buf text;
    unsigned status;
    enum outcome o = ctl_open_conf(c);

    if (o != OUTCOME_OK)
        return o;
    buf_init(&text);
    if (ctl_has(c, FLAG_RUNNING))
        o = control_ask(c, "GET", ctl_has(c, FLAG_ORIGIN) ? "/config?origin=1" : "/config", &status,
                        &text);
    else
        conf_write(c->conf, ctl_has(c, FLAG_ORIGIN), &text);
    if (o == OUTCOME_OK)
        output_text(buf_slice(&text));
    buf_fini(&text);
    return o;
}

enum outcome ctl_config_schema(struct ctl *c)
{
    (void)c;
    return print(conf_write_schema);
}

enum outcome ctl_config_sample(struct ctl *c)
{
    (void)c;
    return print(conf_write_sample);
}

enum outcome ctl_config_manual(struct ctl *c)
{
    (void)c;
    return print(conf_write_manual);
}

enum outcome ctl_config_explain(struct ctl *c)
{
    struct buf text;
    enum err e;

    buf_init(&text);
    e = conf_write_help(c->args[0], &text);
    output_text(buf_slice(&text));
    buf_fini(&text);
    return e == ERR_OK ? OUTCOME_OK
                       : ctl_fail(c, OUTCOME_NOT_FOUND, "there is no option '%s'", c->args[0]);
}

/* 0: a reload would change nothing; 1: it would, and the lines say what. */
enum outcome ctl_config_diff(struct ctl *c)
{
    struct conf *next = NULL;
    struct buf text;
    size_t lines = 0;
    enum outcome o = ctl_open_conf(c);

    if (o != OUTCOME_OK)
        return o;
    if (read_conf(c->args[0], &next) != ERR_OK)
        return OUTCOME_FAILED;
    buf_init(&text);
    lines = conf_diff(c->conf, next, &text);
    output_text(buf_slice(&text));
    buf_fini(&text);
    conf_free(next);
    return lines == 0 ? OUTCOME_OK : OUTCOME_FAILED;
}
