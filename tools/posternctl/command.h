#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include "base/slice.h"
#include "outcome.h"

/* The tables of posternctl: nouns, verbs (command.def) and options (flag.def). */
struct ctl;

enum flag {
#define FLAG(name, text, letter, value, help) FLAG_##name,
#include "flag.def"
#undef FLAG
    FLAG_COUNT
};
/* Every verb takes these. */
#define FLAG_GLOBAL_END ((enum flag)(FLAG_VERSION + 1))

struct flag_row {
    const char *text; /* the long form without dashes */
    char letter;      /* 0: none */
    const char *value, *help;
};
const struct flag_row *flag_row(enum flag f);

struct noun {
    const char *word, *help;
};
const struct noun *noun_all(size_t *count);
/* NULL when there is none. */
const struct noun *noun_find(const char *word);

/* Among a command's flags: it makes a secret, which -o token prints alone. */
#define COMMAND_SECRET (UINT64_C(1) << 63)

struct command {
    const char *noun, *verb, *alias, *arguments;
    uint64_t flags; /* bits by enum flag, without the global ones; COMMAND_SECRET */
    const char *summary, *details;
    const char *examples[2];
    enum outcome (*run)(struct ctl *c);
};
const struct command *command_all(size_t *count);
/* By verb or alias; noun "" for verbs that stand alone. NULL when there is none. */
const struct command *command_find(const char *noun, const char *verb);
bool command_takes(const struct command *c, enum flag f);
/* How many arguments there must and may be (SIZE_MAX: any number). */
void command_arity(const struct command *c, size_t *min, size_t *max);
/* The i-th argument's word without brackets and dots; SLICE_NONE after the last. */
struct slice command_argument(const struct command *c, size_t i);

#define COMMAND(function, noun, verb, alias, arguments, flags, summary, details, one, two)         \
    enum outcome ctl_##function(struct ctl *c);
#include "command.def"
#undef COMMAND

#endif
