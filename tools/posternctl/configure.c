/* The verbs of the noun config: they read files and tables; only show --running asks the gateway.
 */
#include "control.h"
#include "output.h"

#include "conf/option.h"
#include "conf/suggest.h"
#include "surroundings.h"

#include <stdlib.h>

extern char **environ;

static enum err read_conf(const char *path, bool looks_around, struct conf **out)
{
    struct complaints complaints;
    struct buf text;
    enum err e;

    complaints_init(&complaints);
    buf_init(&text);
    e = looks_around ? conf_read_with_files(path, environ, false, &complaints, out)
                     : conf_read_daemon(path, environ, &complaints, out);
    if (e == ERR_OK && looks_around)
        surroundings_check(*out, &complaints);
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
    enum err e = read_conf(path, !ctl_has(c, FLAG_OFFLINE), &conf);

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
    enum outcome o;

    if (output_is_data(c) && c->format != FORMAT_YAML)
        return ctl_fail(c, OUTCOME_USAGE, "config show prints YAML");
    if ((o = ctl_open_conf(c)) != OUTCOME_OK)
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

/* As people write it: without the marks of lists, and without the name of a map's entry. */
static struct slice option_place(const struct option *o, struct arena *arena)
{
    struct buf b;
    struct slice group = option_group(o), leaf = option_leaf(o), place;
    const char *path = section_find(o->section)->path;

    buf_init(&b);
    while (*path != '\0') {
        if (strncmp(path, "[]", 2) == 0)
            path += 2;
        else if (strncmp(path, ".<", 2) == 0)
            path += strcspn(path, ">") + 1;
        else
            buf_add_char(&b, *path++);
    }
    place = arena_printf(arena, "%s.%.*s%s%.*s", buf_cstr(&b), SLICE_FMT(group),
                         group.n > 0 ? "." : "", SLICE_FMT(leaf));
    buf_fini(&b);
    return place;
}

static struct slice nearest_option(struct slice typed, struct arena *arena)
{
    size_t count;
    const struct option *options = option_all(&count);
    struct suggest near;

    suggest_init(&near, typed);
    for (size_t i = 0; i < count; i++)
        suggest_offer(&near, option_place(&options[i], arena));
    return suggest_best(&near);
}

static enum outcome refuse_option(const struct ctl *c, const char *typed)
{
    struct arena arena;
    struct slice best;

    arena_init(&arena);
    best = nearest_option(slice_str(typed), &arena);
    if (best.n > 0)
        (void)ctl_fail(c, OUTCOME_NOT_FOUND, "there is no option '%s'; did you mean '%.*s'?", typed,
                       SLICE_FMT(best));
    else
        (void)ctl_fail(c, OUTCOME_NOT_FOUND, "there is no option '%s'", typed);
    arena_fini(&arena);
    return OUTCOME_NOT_FOUND;
}

enum outcome ctl_config_explain(struct ctl *c)
{
    struct buf text;
    enum err e;

    buf_init(&text);
    e = conf_write_help(c->args[0], &text);
    output_text(buf_slice(&text));
    buf_fini(&text);
    return e == ERR_OK ? OUTCOME_OK : refuse_option(c, c->args[0]);
}

/* What opens something is red where there are colours. */
static void output_diff(const struct ctl *c, struct slice lines)
{
    while (lines.n > 0) {
        struct slice line = slice_to(lines, slice_find(lines, '\n', 0) + 1);
        bool is_red = c->out_has_color && memmem(line.p, line.n, "MORE OPEN", 9) != NULL;

        output_text(is_red ? SLICE("\033[31m") : SLICE_NONE);
        output_text(line);
        output_text(is_red ? SLICE("\033[0m") : SLICE_NONE);
        lines = slice_from(lines, line.n);
    }
}

/*
 * 0: a reload would change nothing; 1: it would, and the lines say what. As with diff(1), trouble
 * is neither.
 */
enum outcome ctl_config_diff(struct ctl *c)
{
    struct conf *next = NULL;
    struct buf text;
    size_t lines;
    enum outcome o = ctl_open_conf(c);

    if (o != OUTCOME_OK)
        return o == OUTCOME_FAILED ? OUTCOME_USAGE : o;
    if (read_conf(c->args[0], false, &next) != ERR_OK)
        return ctl_fail(c, OUTCOME_USAGE, "%s is not valid", c->args[0]);
    buf_init(&text);
    lines = conf_diff(c->conf, next, &text);
    output_diff(c, buf_slice(&text));
    buf_fini(&text);
    conf_free(next);
    return lines == 0 ? OUTCOME_OK : OUTCOME_FAILED;
}
