#include "command.h"

#define F(name) (UINT64_C(1) << FLAG_##name)
#define SECRET COMMAND_SECRET

static const struct flag_row flags[] = {
#define FLAG(name, text, letter, value, help) {text, letter, value, help},
#include "flag.def"
#undef FLAG
};

static const struct noun nouns[] = {
#define NOUN(word, help) {word, help},
#include "noun.def"
#undef NOUN
};

static const struct command commands[] = {
#define COMMAND(function, noun, verb, alias, arguments, flags, summary, details, one, two)         \
    {noun, verb, alias, arguments, flags, summary, details, {one, two}, ctl_##function},
#include "command.def"
#undef COMMAND
};

_Static_assert(FLAG_COUNT <= 63, "command.flags has a bit for each flag");

const struct flag_row *flag_row(enum flag f)
{
    return &flags[f];
}

const struct noun *noun_all(size_t *count)
{
    *count = sizeof(nouns) / sizeof(nouns[0]);
    return nouns;
}

const struct noun *noun_find(const char *word)
{
    for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++)
        if (strcmp(nouns[i].word, word) == 0)
            return &nouns[i];
    return NULL;
}

const struct command *command_all(size_t *count)
{
    *count = sizeof(commands) / sizeof(commands[0]);
    return commands;
}

const struct command *command_find(const char *noun, const char *verb)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        const struct command *c = &commands[i];

        if (strcmp(c->noun, noun) == 0 && verb[0] != '\0' &&
            (strcmp(c->verb, verb) == 0 || strcmp(c->alias, verb) == 0))
            return c;
    }
    return NULL;
}

bool command_takes(const struct command *c, enum flag f)
{
    return f < FLAG_GLOBAL_END || (c != NULL && (c->flags >> f & 1) != 0);
}

/* "[X...]" to "X", and what its marks said. */
static struct slice strip(struct slice word, bool *is_optional, bool *is_repeated)
{
    *is_optional = word.n > 2 && word.p[0] == '[';
    if (*is_optional)
        word = slice_of(word.p + 1, word.n - 2);
    *is_repeated = slice_ends(word, SLICE("..."));
    return *is_repeated ? slice_to(word, word.n - 3) : word;
}

void command_arity(const struct command *c, size_t *min, size_t *max)
{
    *min = *max = 0;
    for (struct slice rest = slice_str(c->arguments); rest.p != NULL && rest.n > 0;) {
        bool is_optional, is_repeated;

        (void)strip(slice_cut(&rest, ' '), &is_optional, &is_repeated);
        *min += !is_optional;
        *max = is_repeated ? SIZE_MAX : *max + 1;
    }
}

struct slice command_argument(const struct command *c, size_t i)
{
    struct slice rest = slice_str(c->arguments);

    while (rest.p != NULL && rest.n > 0) {
        bool is_optional, is_repeated;
        struct slice word = strip(slice_cut(&rest, ' '), &is_optional, &is_repeated);

        if (i == 0 || is_repeated)
            return word;
        i--;
    }
    return SLICE_NONE;
}
