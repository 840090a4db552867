#include "parse.h"

#include "base/alloc.h"
#include "conf/suggest.h"

#include <stdio.h>
#include <unistd.h>

static enum outcome refuse(const struct ctl *c, const char *what, const char *typed,
                           const struct suggest *near)
{
    struct slice best = suggest_best(near);

    if (best.p != NULL)
        return ctl_fail(c, OUTCOME_USAGE, "there is no %s '%s'; did you mean '%.*s'?", what, typed,
                        SLICE_FMT(best));
    return ctl_fail(c, OUTCOME_USAGE, "there is no %s '%s'; see: posternctl --help", what, typed);
}

static enum outcome refuse_flag(const struct ctl *c, const char *typed, struct slice name)
{
    struct suggest near;

    suggest_init(&near, name);
    for (enum flag f = 0; f < FLAG_COUNT; f++)
        if (c->command == NULL || command_takes(c->command, f))
            suggest_offer(&near, slice_str(flag_row(f)->text));
    return refuse(c, "option", typed, &near);
}

static void add_given(struct ctl *c, enum flag f, const char *value)
{
    c->given[c->given_count++] = (struct given){f, value};
}

/* The value may be the next argument; *i then moves on. */
static enum outcome take_value(struct ctl *c, enum flag f, const char *attached, int argc,
                               char **argv, int *i)
{
    const struct flag_row *row = flag_row(f);

    if (row->value[0] == '\0' && attached != NULL)
        return ctl_fail(c, OUTCOME_USAGE, "--%s takes no value", row->text);
    if (row->value[0] != '\0' && attached == NULL) {
        if (*i + 1 >= argc)
            return ctl_fail(c, OUTCOME_USAGE, "--%s needs a value: %s", row->text, row->value);
        attached = argv[++*i];
    }
    if (attached != NULL && attached[0] == '\0') /* an unset variable must not widen a grant */
        return ctl_fail(c, OUTCOME_USAGE, "--%s: the value is empty", row->text);
    add_given(c, f, attached);
    return OUTCOME_OK;
}

static enum outcome take_long(struct ctl *c, int argc, char **argv, int *i)
{
    const char *text = argv[*i] + 2, *equals = strchr(text, '=');
    struct slice name = equals != NULL ? slice_of(text, (size_t)(equals - text)) : slice_str(text);

    for (enum flag f = 0; f < FLAG_COUNT; f++)
        if (slice_eq(name, slice_str(flag_row(f)->text)))
            return take_value(c, f, equals != NULL ? equals + 1 : NULL, argc, argv, i);
    return refuse_flag(c, argv[*i], name);
}

static enum outcome take_letters(struct ctl *c, int argc, char **argv, int *i)
{
    for (const char *p = argv[*i] + 1; *p != '\0'; p++) {
        enum flag f = 0;

        while (f < FLAG_COUNT && flag_row(f)->letter != *p)
            f++;
        if (f == FLAG_COUNT)
            return ctl_fail(c, OUTCOME_USAGE, "there is no option '-%c'; see: posternctl --help",
                            *p);
        if (flag_row(f)->value[0] != '\0')
            return take_value(c, f, p[1] != '\0' ? p + 1 : NULL, argc, argv, i);
        add_given(c, f, NULL);
    }
    return OUTCOME_OK;
}

/* Sorts into flags and words. */
static enum outcome sort_arguments(struct ctl *c, int argc, char **argv)
{
    bool only_words = false;
    enum outcome o = OUTCOME_OK;

    for (int i = 1; o == OUTCOME_OK && i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (!only_words && strncmp(argv[i], "--", 2) == 0)
            o = take_long(c, argc, argv, &i);
        else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0')
            o = take_letters(c, argc, argv, &i);
        else
            c->args[c->arg_count++] = argv[i];
    }
    return o;
}

static void drop_words(struct ctl *c, size_t n)
{
    c->arg_count -= n;
    memmove(c->args, c->args + n, c->arg_count * sizeof(*c->args));
}

/* Of all nouns and lone verbs, or of one noun's verbs. */
static enum outcome refuse_word(const struct ctl *c, const char *noun, const char *typed)
{
    struct suggest near;
    size_t count;
    const struct command *commands = command_all(&count);
    const struct noun *nouns;

    suggest_init(&near, slice_str(typed));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(commands[i].noun, noun) != 0)
            continue;
        suggest_offer(&near, slice_str(commands[i].verb));
        suggest_offer(&near, slice_str(commands[i].alias));
    }
    nouns = noun_all(&count);
    for (size_t i = 0; noun[0] == '\0' && i < count; i++)
        suggest_offer(&near, slice_str(nouns[i].word));
    return refuse(c, noun[0] != '\0' ? "verb" : "noun or verb", typed, &near);
}

/* "help", "help NOUN", "help NOUN VERB" are --help said otherwise. */
static void take_help_word(struct ctl *c)
{
    if (c->arg_count > 0 && strcmp(c->args[0], "help") == 0) {
        drop_words(c, 1);
        add_given(c, FLAG_HELP, NULL);
    }
}

static enum outcome find_command(struct ctl *c, const struct noun **noun)
{
    *noun = NULL;
    take_help_word(c);
    if (c->arg_count == 0)
        return OUTCOME_OK;
    c->command = command_find("", c->args[0]);
    if (c->command != NULL) {
        drop_words(c, 1);
        return OUTCOME_OK;
    }
    *noun = noun_find(c->args[0]);
    if (*noun == NULL)
        return refuse_word(c, "", c->args[0]);
    drop_words(c, 1);
    take_help_word(c);
    if (c->arg_count == 0)
        return OUTCOME_OK;
    c->command = command_find((*noun)->word, c->args[0]);
    if (c->command == NULL)
        return refuse_word(c, (*noun)->word, c->args[0]);
    drop_words(c, 1);
    return OUTCOME_OK;
}

static enum outcome check_flags(const struct ctl *c)
{
    for (size_t i = 0; c->command != NULL && i < c->given_count; i++) {
        const struct flag_row *row = flag_row(c->given[i].flag);

        if (!command_takes(c->command, c->given[i].flag)) {
            char typed[64];

            (void)snprintf(typed, sizeof(typed), "--%s", row->text);
            return refuse_flag(c, typed, slice_str(row->text));
        }
    }
    return OUTCOME_OK;
}

static enum outcome check_arity(const struct ctl *c)
{
    const struct command *command = c->command;
    size_t min, max;

    if (command == NULL || ctl_has(c, FLAG_HELP) || ctl_has(c, FLAG_VERSION))
        return OUTCOME_OK;
    command_arity(command, &min, &max);
    for (size_t i = 0; i < c->arg_count; i++)
        if (c->args[i][0] == '\0')
            return ctl_fail(c, OUTCOME_USAGE, "argument %zu is empty", i + 1);
    if (c->arg_count >= min && c->arg_count <= max)
        return OUTCOME_OK;
    return ctl_fail(c, OUTCOME_USAGE, "usage: posternctl %s%s%s %s%s", command->noun,
                    command->noun[0] != '\0' ? " " : "", command->verb, command->arguments,
                    c->arg_count > max ? " (that is more than it takes)" : "");
}

enum outcome parse_line(struct ctl *c, int argc, char **argv, const struct noun **noun)
{
    enum outcome o;

    /* Each argument is at most as many flags as it has letters. */
    size_t room = 2;

    for (int i = 0; i < argc; i++)
        room += strlen(argv[i]) + 1;
    c->given = mem_zalloc(room * sizeof(*c->given));
    c->args = mem_zalloc(((size_t)argc + 1) * sizeof(*c->args));
    if ((o = sort_arguments(c, argc, argv)) != OUTCOME_OK ||
        (o = find_command(c, noun)) != OUTCOME_OK || (o = check_flags(c)) != OUTCOME_OK)
        return o;
    return check_arity(c);
}
