#include "help.h"

#include <stdio.h>

static void write_flags(const struct command *command, bool only_global)
{
    for (enum flag f = 0; f < FLAG_COUNT; f++) {
        const struct flag_row *row = flag_row(f);
        bool is_global = f < FLAG_GLOBAL_END;
        char left[64];

        if (is_global != only_global || (!is_global && !command_takes(command, f)))
            continue;
        (void)snprintf(left, sizeof(left), "%s--%s%s%s",
                       row->letter != 0 ? (char[]){'-', row->letter, ',', ' ', 0} : "    ",
                       row->text, row->value[0] != '\0' ? " " : "", row->value);
        printf("  %-26s %s\n", left, row->help);
    }
}

static void write_verb(const struct command *c)
{
    const char *space = c->noun[0] != '\0' ? " " : "";

    printf("%s\n\nexamples:\n  %s\n  %s\n\nusage: posternctl %s%s%s %s [OPTIONS]\n", c->summary,
           c->examples[0], c->examples[1], c->noun, space, c->verb, c->arguments);
    if (c->alias[0] != '\0')
        printf("alias: %s\n", c->alias);
    if (c->details[0] != '\0')
        printf("\n%s\n", c->details);
    printf("\noptions:\n");
    write_flags(c, false);
    printf("\noptions of every verb:\n");
    write_flags(c, true);
}

static void write_verbs_of(const char *noun)
{
    size_t count;
    const struct command *all = command_all(&count);

    for (size_t i = 0; i < count; i++) {
        char left[80];

        if (strcmp(all[i].noun, noun) != 0)
            continue;
        (void)snprintf(left, sizeof(left), "%s%s%s %s", noun, noun[0] != '\0' ? " " : "",
                       all[i].verb, all[i].arguments);
        printf("  %-34s %s\n", left, all[i].summary);
    }
}

static void write_noun(const struct noun *noun)
{
    size_t count;
    const struct command *all = command_all(&count);

    printf("%s\n\nexamples:\n", noun->help);
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i].noun, noun->word) == 0)
            printf("  %s\n", all[i].examples[0]);
    printf("\nverbs:\n");
    write_verbs_of(noun->word);
    printf("\nposternctl %s VERB --help explains one. Manual: posternctl-%s(1)\n", noun->word,
           noun->word);
}

static void write_all(void)
{
    size_t count;
    const struct noun *nouns = noun_all(&count);

    printf("Administers a postern gateway.\n\nexamples:\n"
           "  posternctl user create alice\n  posternctl key create alice --name laptop\n"
           "  posternctl explain POST /predict --as alice\n  posternctl doctor\n\n"
           "usage: posternctl NOUN VERB [ARGUMENTS] [OPTIONS]\n\n");
    write_verbs_of("");
    for (size_t i = 0; i < count; i++) {
        printf("\n%s\n", nouns[i].help);
        write_verbs_of(nouns[i].word);
    }
    printf("\noptions of every verb:\n");
    write_flags(NULL, true);
    printf("\nposternctl NOUN VERB --help explains one. Manual: posternctl(1)\n");
}

void help_write(const struct ctl *c, const struct noun *noun)
{
    if (c->command != NULL) {
        write_verb(c->command);
    } else if (noun != NULL) {
        write_noun(noun);
    } else {
        write_all();
    }
}
