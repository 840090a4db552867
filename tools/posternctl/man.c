#include "man.h"

#include "ctl.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A line of text: a leading '.' or '\'' would be a request, a backslash an escape. */
static void text(struct buf *out, const char *s)
{
    if (*s == '.' || *s == '\'')
        buf_add(out, SLICE("\\&"));
    for (; *s != '\0'; s++) {
        if (*s == '\\')
            buf_add(out, SLICE("\\e"));
        else
            buf_add_char(out, *s);
    }
    buf_add_char(out, '\n');
}

static void flag(struct buf *out, enum flag f)
{
    const struct flag_row *row = flag_row(f);

    buf_add(out, SLICE(".It "));
    if (row->letter != 0)
        buf_printf(out, "Fl %c , ", row->letter);
    buf_printf(out, "Fl -%s%s%s\n", row->text, row->value[0] != '\0' ? " Ar " : "", row->value);
    text(out, row->help);
}

static void begin(struct buf *out, const char *name, const char *what)
{
    buf_add(out, SLICE(".Dd November 25, 2026\n.Dt "));
    for (const char *p = name; *p != '\0'; p++)
        buf_add_char(out, *p >= 'a' && *p <= 'z' ? (char)(*p & ~0x20) : *p);
    buf_printf(out, " 1\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n", name, what);
}

static void flags_of(struct buf *out, const struct command *c)
{
    if ((c->flags & ~COMMAND_SECRET) == 0)
        return;
    buf_add(out, SLICE(".Bl -tag -width Ds\n"));
    for (enum flag f = FLAG_GLOBAL_END; f < FLAG_COUNT; f++)
        if (command_takes(c, f))
            flag(out, f);
    buf_add(out, SLICE(".El\n"));
}

static void verb(struct buf *out, const struct command *c)
{
    const char *space = c->noun[0] != '\0' ? " " : "";

    buf_printf(out, ".Ss %s%s%s %s\n", c->noun, space, c->verb, c->arguments);
    text(out, c->summary);
    if (c->details[0] != '\0')
        text(out, c->details);
    if (c->alias[0] != '\0')
        buf_printf(out, "Alias:\n.Cm %s%s%s .\n", c->noun, space, c->alias);
    flags_of(out, c);
    buf_add(out, SLICE(".Bd -literal -offset indent\n"));
    text(out, c->examples[0]);
    text(out, c->examples[1]);
    buf_add(out, SLICE(".Ed\n"));
}

static void verbs_of(struct buf *out, const char *noun)
{
    size_t count;
    const struct command *all = command_all(&count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i].noun, noun) == 0)
            verb(out, &all[i]);
}

static void exit_status(struct buf *out)
{
    buf_add(out, SLICE(".Sh EXIT STATUS\n.Bl -tag -width Ds\n"));
#define OUTCOME(name, code, meaning)                                                               \
    buf_printf(out, ".It %d\n", code);                                                             \
    text(out, meaning);
#include "outcome.def"
#undef OUTCOME
    buf_add(out, SLICE(".El\n"));
}

static void write_main(struct buf *out)
{
    size_t count;
    const struct noun *nouns = noun_all(&count);

    begin(out, "posternctl", "look after a postern gateway");
    buf_add(out, SLICE(".Sh SYNOPSIS\n.Nm\n.Ar noun verb\n.Op Ar arguments\n.Op Ar options\n"
                       ".Sh DESCRIPTION\n"
                       "Users, API keys, tokens, sessions and signing keys are changed in Redis at "
                       "once and act on all gateways; what concerns one running gateway goes over "
                       "its control socket. So it runs where the gateway's configuration and state "
                       "folder can be read. Results go to standard output, remarks to standard "
                       "error. Secrets are never taken from the command line.\n"
                       ".Pp\nOn a terminal lists are tables; otherwise they are tab-separated "
                       "without a heading. What cannot be undone asks first, and without a "
                       "terminal it needs\n.Fl -yes .\n.Sh OPTIONS\n.Bl -tag -width Ds\n"));
    for (enum flag f = 0; f < FLAG_GLOBAL_END; f++)
        flag(out, f);
    buf_add(out, SLICE(".El\n.Sh VERBS\n"));
    verbs_of(out, "");
    for (size_t i = 0; i < count; i++)
        verbs_of(out, nouns[i].word);
    exit_status(out);
    buf_add(out, SLICE(".Sh ENVIRONMENT\n.Bl -tag -width Ds\n.It Ev POSTERN_CONFIG\n"
                       "The configuration, unless\n.Fl c\nis given.\n.It Ev NO_COLOR\n"
                       "No colours.\n.El\n.Sh SEE ALSO\n.Xr postern.yaml 5 ,\n.Xr postern 8\n"));
}

static void write_noun(struct buf *out, const struct noun *noun)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "posternctl-%s", noun->word);
    begin(out, name, noun->help);
    buf_printf(out,
               ".Sh SYNOPSIS\n.Nm posternctl\n.Cm %s\n.Ar verb\n.Op Ar arguments\n"
               ".Op Ar options\n.Sh DESCRIPTION\n",
               noun->word);
    text(out, noun->help);
    buf_add(out, SLICE("The options of every verb are in\n.Xr posternctl 1 .\n"));
    verbs_of(out, noun->word);
    exit_status(out);
    buf_add(out, SLICE(".Sh SEE ALSO\n.Xr posternctl 1\n"));
}

/* Empties b. */
static bool save(const char *folder, const char *name, struct buf *b)
{
    char *path;
    FILE *file;
    bool is_done;

    CHECK(asprintf(&path, "%s/%s", folder, name) >= 0);
    file = fopen(path, "we");
    is_done = file != NULL && fwrite(buf_cstr(b), 1, b->n, file) == b->n;
    if (file != NULL && fclose(file) != 0)
        is_done = false;
    if (!is_done)
        fprintf(stderr, "posternctl: %s: %s\n", path, strerror(errno));
    free(path);
    buf_clear(b);
    return is_done;
}

int man_run(int argc, char **argv)
{
    size_t count;
    const struct noun *nouns = noun_all(&count);
    struct buf b;
    bool is_done;

    if (argc != 1)
        return OUTCOME_USAGE;
    buf_init(&b);
    write_main(&b);
    is_done = save(argv[0], "posternctl.1", &b);
    for (size_t i = 0; is_done && i < count; i++) {
        char name[80];

        (void)snprintf(name, sizeof(name), "posternctl-%s.1", nouns[i].word);
        write_noun(&b, &nouns[i]);
        is_done = save(argv[0], name, &b);
    }
    conf_write_manual(&b);
    is_done = is_done && save(argv[0], "postern.yaml.5", &b);
    buf_fini(&b);
    return is_done ? OUTCOME_OK : OUTCOME_FAILED;
}
