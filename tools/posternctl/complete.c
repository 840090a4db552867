#include "complete.h"

#include "ctl.h"

#include "base/alloc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The words before the last, sorted as far as they make sense. */
struct line {
    const char *noun, *verb, *conf; /* NULL: not typed yet */
    const struct command *command;
    size_t arguments;  /* after the verb */
    enum flag waiting; /* the flag whose value is typed now; FLAG_COUNT: none */
    const char *last;
};

static void offer(const struct line *l, const char *word)
{
    if (word[0] != '\0' && strncmp(word, l->last, strlen(l->last)) == 0)
        puts(word);
}

static enum flag find_flag(const char *word)
{
    enum flag f = 0;

    for (; f < FLAG_COUNT; f++)
        if ((word[1] == '-' && strcmp(word + 2, flag_row(f)->text) == 0) ||
            (flag_row(f)->letter != 0 && word[1] == flag_row(f)->letter && word[2] == '\0'))
            break;
    return f;
}

static void take_word(struct line *l, const char *word)
{
    if (l->noun == NULL) {
        l->noun = word;
        l->command = command_find("", word);
    } else if (l->command == NULL && l->verb == NULL) {
        l->verb = word;
        l->command = command_find(l->noun, word);
    } else {
        l->arguments++;
    }
}

static void read_words(struct line *l, int argc, char **argv)
{
    *l = (struct line){.waiting = FLAG_COUNT, .last = argc > 0 ? argv[argc - 1] : ""};
    for (int i = 0; i + 1 < argc; i++) {
        if (l->waiting != FLAG_COUNT) {
            if (l->waiting == FLAG_CONFIG)
                l->conf = argv[i];
            l->waiting = FLAG_COUNT;
        } else if (argv[i][0] == '-') {
            enum flag f = find_flag(argv[i]);

            if (f != FLAG_COUNT && flag_row(f)->value[0] != '\0')
                l->waiting = f;
        } else if (strcmp(argv[i], "help") != 0 || l->noun != NULL) {
            take_word(l, argv[i]);
        }
    }
}

static void offer_members(const struct line *l, enum err e, json_t *list, const char *member)
{
    for (size_t i = 0; e == ERR_OK && i < json_array_size(list); i++) {
        const char *text = json_string_value(json_object_get(json_array_get(list, i), member));

        offer(l, text != NULL ? text : "");
    }
    json_decref(list);
}

/* Live names and ids; silent when the store is away. */
static void offer_live(const struct line *l, struct slice kind)
{
    struct ctl c = {.conf_path = l->conf != NULL ? l->conf : ctl_default_conf(), .is_quiet = true};
    struct roster *r = &c.roster;
    json_t *list = NULL;
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    enum err e;

    if (nowhere >= 0) {
        (void)dup2(nowhere, STDERR_FILENO); /* no complaint amid a half-typed line */
        (void)close(nowhere);
    }
    if (ctl_open_roster(&c) == OUTCOME_OK) {
        if (slice_eq(kind, SLICE("ID"))) {
            e = roster_key_list(r, SLICE_NONE, &list);
            offer_members(l, e, list, "id");
        } else if (slice_eq(kind, SLICE("SESSION"))) {
            e = roster_session_list(r, SLICE_NONE, &list);
            offer_members(l, e, list, "id");
        } else if (slice_eq(kind, SLICE("KID"))) {
            e = roster_signing_list(r, &list);
            offer_members(l, e, list, "kid");
        } else {
            e = roster_user_list(r, &list);
            offer_members(l, e, list, "username");
        }
    }
    ctl_fini(&c);
}

static void offer_words(const struct line *l, const char *words)
{
    for (struct slice rest = slice_str(words); rest.p != NULL;) {
        struct slice word = slice_cut(&rest, ' ');
        char *text = mem_strndup(word.p, word.n);

        offer(l, text);
        free(text);
    }
}

static void offer_value(const struct line *l)
{
    switch (l->waiting) {
    case FLAG_OUTPUT:
        for (enum format f = 0; f < FORMAT_COUNT; f++)
            if (l->command == NULL || format_suits(f, l->command))
                offer(l, format_word(f));
        break;
    case FLAG_COLOR:
        offer_words(l, "auto always never");
        break;
    case FLAG_USER:
    case FLAG_AS:
        offer_live(l, SLICE("NAME"));
        break;
    case FLAG_ALGORITHM:
        for (enum alg a = ALG_NONE + 1; alg_name(a).n > 0; a++) {
            char *text = mem_strndup(alg_name(a).p, alg_name(a).n);

            offer(l, text);
            free(text);
        }
        break;
    case FLAG_SCOPE:
#define SCOPE(name, word, help) offer(l, word);
#include "model/scope.def"
#undef SCOPE
        break;
    default:
        break;
    }
}

static void offer_argument(const struct line *l)
{
    struct slice word = command_argument(l->command, l->arguments);

    if (slice_eq(word, SLICE("SHELL")))
        offer_words(l, "bash zsh fish");
    else if (slice_eq(word, SLICE("METHOD")))
        offer_words(l, "GET HEAD POST PUT PATCH DELETE OPTIONS");
    else if (slice_eq(word, SLICE("ID")) || slice_eq(word, SLICE("SESSION")) ||
             slice_eq(word, SLICE("KID")) || slice_eq(word, SLICE("OWNER")) ||
             (slice_eq(word, SLICE("NAME")) && strcmp(l->command->verb, "create") != 0))
        offer_live(l, word);
}

static void offer_flags(const struct line *l)
{
    for (enum flag f = 0; f < FLAG_COUNT; f++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "--%s", flag_row(f)->text);
        if (command_takes(l->command, f))
            offer(l, text);
    }
}

static void offer_verbs(const struct line *l, const char *noun)
{
    size_t count;
    const struct command *all = command_all(&count);
    const struct noun *nouns;

    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i].noun, noun) == 0)
            offer(l, all[i].verb);
    nouns = noun_all(&count);
    for (size_t i = 0; noun[0] == '\0' && i < count; i++)
        offer(l, nouns[i].word);
    if (noun[0] == '\0')
        offer(l, "help");
}

int complete_run(int argc, char **argv)
{
    struct line l;

    read_words(&l, argc, argv);
    if (l.waiting != FLAG_COUNT)
        offer_value(&l);
    else if (l.last[0] == '-')
        offer_flags(&l);
    else if (l.noun == NULL)
        offer_verbs(&l, "");
    else if (l.command == NULL && l.verb == NULL)
        offer_verbs(&l, l.noun);
    else if (l.command != NULL)
        offer_argument(&l);
    return fflush(stdout) == 0 ? OUTCOME_OK : OUTCOME_FAILED;
}
