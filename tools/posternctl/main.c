/* posternctl: reads the line, then command.def says what runs. */
#include "complete.h"
#include "help.h"
#include "man.h"
#include "parse.h"

#include "base/standard_fds.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum outcome choose_format(struct ctl *c)
{
    const char *word = ctl_value(c, FLAG_OUTPUT);

    c->format = ctl_has(c, FLAG_QUIET) ? FORMAT_ID : FORMAT_TABLE;
    c->has_format = word != NULL;
    if (word == NULL)
        return OUTCOME_OK;
    for (enum format f = 0; f < FORMAT_COUNT; f++)
        if (strcmp(format_word(f), word) == 0 && format_suits(f, c->command)) {
            c->format = f;
            return OUTCOME_OK;
        }
    return ctl_fail(c, OUTCOME_USAGE,
                    "-o %s: table, wide, json, yaml, jsonl, name, or token where one is made",
                    word);
}

static bool wants_color(const char *when, int fd)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

    if (when != NULL && strcmp(when, "auto") != 0)
        return strcmp(when, "always") == 0;
    return isatty(fd) && (none == NULL || none[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

static enum outcome choose_color(struct ctl *c)
{
    const char *when = ctl_value(c, FLAG_COLOR);

    c->out_has_color = wants_color(when, STDOUT_FILENO);
    c->err_has_color = wants_color(when, STDERR_FILENO);
    if (when != NULL && strcmp(when, "auto") != 0 && strcmp(when, "always") != 0 &&
        strcmp(when, "never") != 0)
        return ctl_fail(c, OUTCOME_USAGE, "--color %s: auto, always or never", when);
    return OUTCOME_OK;
}

static enum outcome choose(struct ctl *c)
{
    enum outcome o = choose_color(c);

    c->is_quiet = ctl_has(c, FLAG_QUIET);
    c->is_yes = ctl_has(c, FLAG_YES);
    c->is_silent = ctl_has(c, FLAG_NO_INPUT);
    c->conf_path = ctl_value(c, FLAG_CONFIG);
    if (c->conf_path == NULL)
        c->conf_path = ctl_default_conf();
    return o == OUTCOME_OK ? choose_format(c) : o;
}

/* A full disk or a closed pipe must not look like success. */
static enum outcome finish(const struct ctl *c, enum outcome o)
{
    if ((fflush(stdout) != 0 || ferror(stdout)) && o == OUTCOME_OK)
        return ctl_fail(c, OUTCOME_FAILED, "the output could not be written");
    return o;
}

int main(int argc, char **argv)
{
    struct ctl c = {0};
    const struct noun *noun;
    enum outcome o;

    standard_fds_take();
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "__complete") == 0)
        return complete_run(argc - 2, argv + 2);
    if (argc > 1 && strcmp(argv[1], "__man") == 0)
        return man_run(argc - 2, argv + 2);
    o = parse_line(&c, argc, argv, &noun);
    if (o == OUTCOME_OK && ctl_has(&c, FLAG_VERSION)) {
        printf("posternctl %s\n", POSTERN_VERSION);
        o = finish(&c, o);
    } else if (o == OUTCOME_OK && ctl_has(&c, FLAG_HELP)) {
        help_write(&c, noun);
        o = finish(&c, o);
    } else if (o == OUTCOME_OK && c.command == NULL) {
        o = ctl_fail(&c, OUTCOME_USAGE, "which %sverb? see: posternctl%s%s --help",
                     noun != NULL ? "" : "noun and ", noun != NULL ? " " : "",
                     noun != NULL ? noun->word : "");
    } else if (o == OUTCOME_OK && (o = choose(&c)) == OUTCOME_OK) {
        o = finish(&c, c.command->run(&c));
    }
    ctl_fini(&c);
    return (int)o;
}
