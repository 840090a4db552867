#include "help.h"

#include <stdio.h>

enum { HELP_COLUMN = 34 };

static void title(const struct ctl *c, const char *text)
{
    printf("\n%s%s%s\n", c->out_has_color ? "\033[1m" : "", text,
           c->out_has_color ? "\033[0m" : "");
}

static void print_flag(enum flag f)
{
    const struct flag_row *row = flag_row(f);
    char left[64];

    (void)snprintf(left, sizeof(left), "  %c%c%s --%s %s", row->letter != 0 ? '-' : ' ',
                   row->letter != 0 ? row->letter : ' ', row->letter != 0 ? "," : " ", row->text,
                   row->value);
    printf("%-*s%s\n", HELP_COLUMN, left, row->help);
}

static void print_global_flags(const struct ctl *c)
{
    title(c, "options of every verb");
    for (enum flag f = 0; f < FLAG_GLOBAL_END; f++)
        print_flag(f);
}

static void print_verb(const struct command *c)
{
    char left[96];

    (void)snprintf(left, sizeof(left), "  %s%s%s %s", c->noun, c->noun[0] != '\0' ? " " : "",
                   c->verb, c->arguments);
    printf("%-*s%s\n", HELP_COLUMN, left, c->summary);
}

void help_all(const struct ctl *c)
{
    size_t count;
    const struct command *commands = command_all(&count);
    const struct noun *nouns;

    fputs("posternctl NOUN VERB [ARGUMENTS] [OPTIONS]: look after a postern gateway\n", stdout);
    title(c, "examples");
    puts("  posternctl user create alice\n"
         "  posternctl key create alice --name laptop\n"
         "  posternctl explain POST /predict --as alice\n"
         "  posternctl doctor");
    title(c, "nouns (posternctl NOUN --help lists the verbs)");
    nouns = noun_all(&count);
    for (size_t i = 0; i < count; i++)
        printf("  %-*s%s\n", HELP_COLUMN - 2, nouns[i].word, nouns[i].help);
    title(c, "verbs that stand alone");
    commands = command_all(&count);
    for (size_t i = 0; i < count; i++)
        if (commands[i].noun[0] == '\0')
            print_verb(&commands[i]);
    print_global_flags(c);
    puts("\nManual: posternctl(1), postern(8), postern.yaml(5)");
}

void help_noun(const struct ctl *c, const struct noun *noun)
{
    size_t count, shown = 0;
    const struct command *commands = command_all(&count);

    printf("posternctl %s: %s\n", noun->word, noun->help);
    title(c, "examples");
    for (size_t i = 0; i < count && shown < 4; i++)
        if (strcmp(commands[i].noun, noun->word) == 0) {
            printf("  %s\n", commands[i].examples[0]);
            shown++;
        }
    title(c, "verbs (posternctl NOUN VERB --help explains one)");
    for (size_t i = 0; i < count; i++)
        if (strcmp(commands[i].noun, noun->word) == 0)
            print_verb(&commands[i]);
    print_global_flags(c);
}

void help_command(const struct ctl *c)
{
    const struct command *command = c->command;

    puts(command->summary);
    title(c, "examples");
    printf("  %s\n  %s\n", command->examples[0], command->examples[1]);
    title(c, "usage");
    printf("  posternctl %s%s%s %s\n", command->noun, command->noun[0] != '\0' ? " " : "",
           command->verb, command->arguments);
    if (command->alias[0] != '\0')
        printf("  alias: %s\n", command->alias);
    if (command->details[0] != '\0')
        printf("\n%s\n", command->details);
    if ((command->flags & ~COMMAND_SECRET) != 0)
        title(c, "options");
    for (enum flag f = FLAG_GLOBAL_END; f < FLAG_COUNT; f++)
        if (command_takes(command, f))
            print_flag(f);
    print_global_flags(c);
}
