#include "conf/option.h"
#include "conf/suggest.h"
#include "conf/value.h"

/* The sample, one option's help and the manual page: the table told to people. */

/* "default 30s; 100ms to 10m; restart" */
static void write_facts(const struct option *o, const char *between, struct buf *out)
{
    const char *sep = "";

    if (o->standard[0] != '\0') {
        buf_printf(out, "default %s", o->standard);
        sep = between;
    }
    if (o->type == OPTION_ENUM) {
        buf_printf(out, "%sone of ", sep);
        for (enum word w = word_next(o->set, CONF_WORD_UNSET); w != CONF_WORD_UNSET;
             w = word_next(o->set, w))
            buf_printf(out, "%s%s", word_text(w),
                       word_next(o->set, w) != CONF_WORD_UNSET ? ", " : "");
        sep = between;
    }
    if (o->min != 0 || o->max != 0) {
        struct buf range;

        buf_init(&range);
        value_write_range(o, &range);
        buf_printf(out, "%s%s", sep, buf_cstr(&range));
        buf_fini(&range);
        sep = between;
    }
    if (!o->is_live)
        buf_printf(out, "%schanges need a restart", sep);
}

static const char *type_word(enum option_type type)
{
    static const char *const words[] = {
        [OPTION_BOOL] = "true or false",
        [OPTION_COUNT] = "number",
        [OPTION_DURATION] = "duration",
        [OPTION_BYTES] = "size",
        [OPTION_TEXT] = "text",
        [OPTION_PATH] = "path",
        [OPTION_URL] = "URL",
        [OPTION_SECRET] = "secret",
        [OPTION_ADDRS] = "addresses",
        [OPTION_TEXTS] = "list",
        [OPTION_RATES] = "rates",
        [OPTION_ENUM] = "word",
    };

    return words[type];
}

static void write_place(const struct section *s, const struct option *o, struct buf *out)
{
    buf_printf(out, "%s.", s->path);
    if (option_group(o).n > 0)
        buf_printf(out, "%.*s.", SLICE_FMT(option_group(o)));
    buf_add(out, option_leaf(o));
}

/* Splits the next word off a dotted name; "[]" behind a word is ignored. */
static struct slice next_word(struct slice *rest)
{
    struct slice word = slice_cut(rest, '.');

    return slice_ends(word, SLICE("[]")) ? slice_to(word, word.n - 2) : word;
}

static bool has_group(const struct section *s, struct slice group)
{
    size_t count;
    const struct option *options = option_all(&count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(options[i].section, s->name) == 0 && group.n > 0 &&
            slice_eq(option_group(&options[i]), group))
            return true;
    return false;
}

static const struct option *find_option(const struct section *s, struct slice group,
                                        struct slice leaf)
{
    size_t count;
    const struct option *options = option_all(&count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(options[i].section, s->name) == 0 &&
            slice_eq(option_group(&options[i]), group) && slice_eq(option_leaf(&options[i]), leaf))
            return &options[i];
    return NULL;
}

static void write_option_help(const struct section *s, const struct option *o, struct buf *out)
{
    write_place(s, o, out);
    buf_printf(out, " (%s)\n", type_word(o->type));
    if (option_help(o).n > 0)
        buf_printf(out, "    %.*s\n", SLICE_FMT(option_help(o)));
    buf_printf(out, "    Takes %s.\n    ",
               o->type == OPTION_ENUM ? "one word" : value_expects(o->type));
    write_facts(o, "; ", out);
    if (out->p[out->off + out->n - 1] == ' ')
        out->n -= 4;
    else
        buf_add_char(out, '\n');
    if (s->shape == SECTION_ONE && !s->is_optional) {
        buf_add(out, SLICE("    Environment: POSTERN_"));
        for (const char *p = s->key; *p != '\0'; p++)
            buf_add_char(out, (char)(*p & ~0x20));
        buf_add(out, SLICE("__"));
        for (const char *p = o->name; *p != '\0'; p++)
            buf_add_char(out, *p >= 'a' && *p <= 'z' ? (char)(*p & ~0x20) : *p);
        buf_add_char(out, '\n');
    }
}

static void write_section_help(const struct section *s, struct slice group, struct buf *out)
{
    size_t count;
    const struct option *options = option_all(&count);
    const struct section *sections;

    buf_printf(out, "%s%s%.*s\n    %s\n", s->path, group.n > 0 ? "." : "", SLICE_FMT(group),
               s->help);
    for (size_t i = 0; i < count; i++)
        if (strcmp(options[i].section, s->name) == 0 &&
            (group.n == 0 || slice_eq(option_group(&options[i]), group))) {
            buf_add(out, SLICE("\n"));
            write_option_help(s, &options[i], out);
        }
    sections = section_all(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(sections[i].parent, s->name) == 0)
            buf_printf(out, "\n%s\n    %s\n", sections[i].path, sections[i].help);
}

enum err conf_write_help(const char *dotted, struct buf *out)
{
    struct slice rest = slice_str(dotted), group = SLICE_NONE;
    bool has_name = false;
    const struct section *s = section_child("", SLICE_NONE, next_word(&rest));

    if (s == NULL)
        return ERR_NOT_FOUND;
    while (rest.p != NULL) {
        struct slice word = next_word(&rest);
        const struct option *o = find_option(s, group, word);
        const struct section *child = section_child(s->name, group, word);

        if (o != NULL && rest.p == NULL) {
            write_option_help(s, o, out);
            return ERR_OK;
        }
        if (child != NULL) {
            s = child;
            group = SLICE_NONE;
        } else if (group.n == 0 && has_group(s, word)) {
            group = word;
        } else if (s->shape != SECTION_MAP || group.n > 0 || rest.p == NULL || has_name) {
            return ERR_NOT_FOUND;
        } else {
            /* The name of a limit or upstream: limits.default.rate. */
            has_name = true;
        }
    }
    write_section_help(s, group, out);
    return ERR_OK;
}

/* A value to show where the default is empty. */
static const char *example(const struct option *o)
{
    static const char *const examples[][3] = {
        {"server", "public_url", "https://gw.example.com"},
        {"server", "hosts", "[gw.example.com]"},
        {"server", "trusted_proxies", "[10.0.0.0/8]"},
        {"listen", "address", "0.0.0.0:8443"},
        {"listen", "certificate", "/etc/postern/tls/cert.pem"},
        {"listen", "key", "/etc/postern/tls/key.pem"},
        {"tls_certificate", "certificate", "/etc/postern/tls/other.pem"},
        {"tls_certificate", "key", "/etc/postern/tls/other.key"},
        {"redis", "url", "rediss://redis.internal:6379/0"},
        {"redis", "password", "credential:redis-password"},
        {"auth", "master_key", "credential:master-key"},
        {"auth", "jwt_issuer", "https://gw.example.com"},
        {"issuer", "issuer", "https://idp.example.com"},
        {"issuer", "audience", "[ml]"},
        {"issuer", "algorithms", "[RS256]"},
        {"issuer", "jwks_url", "https://idp.example.com/jwks"},
        {"limit", "rate", "[60/min, 1000/h]"},
        {"upstream", "servers", "[http://127.0.0.1:8001]"},
        {"upstream", "health_path", "/health"},
        {"route", "path", "\"/v1/**\""},
        {"route", "methods", "[GET, POST]"},
        {"route", "upstream", "ocr"},
        {"route", "roles", "[user]"},
        {"route", "limit", "[default]"},
    };

    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
        if (strcmp(examples[i][0], o->section) == 0 && strcmp(examples[i][1], o->name) == 0)
            return examples[i][2];
    return option_is_list(o) ? "[]" : "\"\"";
}

static void write_sample_option(const struct option *o, unsigned depth, struct buf *out)
{
    bool is_list = option_is_list(o) && o->standard[0] != '\0';

    if (option_help(o).n > 0)
        buf_printf(out, "#%*s# %.*s\n", (int)depth, "", SLICE_FMT(option_help(o)));
    buf_printf(out, "#%*s%.*s: ", (int)depth, "", SLICE_FMT(option_leaf(o)));
    if (o->standard[0] == '\0')
        buf_add(out, slice_str(example(o)));
    else if (o->type == OPTION_TEXT)
        value_write_text(slice_str(o->standard), out);
    else
        buf_printf(out, "%s%s%s", is_list ? "[" : "", o->standard, is_list ? "]" : "");
    if (o->type == OPTION_ENUM || o->min != 0 || o->max != 0) {
        struct option facts = *o;

        facts.standard = "";
        facts.is_live = true;
        buf_add(out, SLICE("  # "));
        write_facts(&facts, "; ", out);
    }
    buf_add_char(out, '\n');
}

static void write_sample_section(const struct section *s, unsigned depth, struct buf *out);

static void write_sample_group(const struct section *s, struct slice group, unsigned depth,
                               struct buf *out)
{
    size_t count;
    const struct option *options = option_all(&count);
    const struct section *sections;

    for (size_t i = 0; i < count; i++)
        if (strcmp(options[i].section, s->name) == 0 && slice_eq(option_group(&options[i]), group))
            write_sample_option(&options[i], depth, out);
    sections = section_all(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(sections[i].parent, s->name) == 0 &&
            slice_eq(slice_str(sections[i].group), group))
            write_sample_section(&sections[i], depth, out);
}

static void write_sample_section(const struct section *s, unsigned depth, struct buf *out)
{
    size_t count;
    const struct option *options = option_all(&count);
    struct slice last = SLICE_NONE;

    buf_printf(out, "#%*s# %s\n#%*s%s:\n", (int)depth, "", s->help, (int)depth, "", s->key);
    depth += 2;
    if (s->shape == SECTION_LIST)
        buf_printf(out, "#%*s-\n", (int)depth, "");
    if (s->shape == SECTION_MAP)
        buf_printf(out, "#%*s%s:\n", (int)depth, "",
                   strcmp(s->name, "limit") == 0 ? "default" : "ocr");
    if (s->shape != SECTION_ONE)
        depth += 2;
    write_sample_group(s, SLICE_NONE, depth, out);
    for (size_t i = 0; i < count; i++) {
        struct slice group = option_group(&options[i]);

        if (strcmp(options[i].section, s->name) != 0 || group.n == 0 || slice_eq(group, last))
            continue;
        last = group;
        buf_printf(out, "#%*s%.*s:\n", (int)depth, "", SLICE_FMT(group));
        write_sample_group(s, group, depth + 2, out);
    }
}

void conf_write_sample(struct buf *out)
{
    size_t count;
    const struct section *sections = section_all(&count);

    buf_add(out, SLICE("# yaml-language-server: $schema=/usr/share/postern/postern.schema.json\n"
                       "#\n"
                       "# Every option of postern.yaml with its default, made from the option "
                       "table. Take the '#'\n"
                       "# from the lines you change, and from the headings above them. Amounts "
                       "carry their unit:\n"
                       "# 30s, 5MiB, 60/min. ${NAME} and ${NAME:-default} in a value are taken "
                       "from the environment;\n"
                       "# POSTERN_REDIS__URL and the like go before the file, and "
                       "POSTERN_REDIS__PASSWORD_FILE names\n"
                       "# a file. postern.d/*.yaml beside this file is read after it. posternctl "
                       "config check FILE\n"
                       "# says what is wrong.\n"));
    for (size_t i = 0; i < count; i++)
        if (sections[i].parent[0] == '\0') {
            buf_add_char(out, '\n');
            write_sample_section(&sections[i], 0, out);
        }
}

/* mdoc: a leading '.' or '\'' would be a request, a backslash an escape. */
static void write_mdoc_text(struct slice s, struct buf *out)
{
    if (s.n > 0 && (s.p[0] == '.' || s.p[0] == '\''))
        buf_add(out, SLICE("\\&"));
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\')
            buf_add(out, SLICE("\\e"));
        else
            buf_add_char(out, s.p[i]);
    }
    buf_add_char(out, '\n');
}

static void write_mdoc_option(const struct option *o, struct buf *out)
{
    struct buf facts;

    buf_add(out, SLICE(".It Cm "));
    if (option_group(o).n > 0)
        buf_printf(out, "%.*s.", SLICE_FMT(option_group(o)));
    buf_printf(out, "%.*s Pq %s\n", SLICE_FMT(option_leaf(o)), type_word(o->type));
    if (option_help(o).n > 0)
        write_mdoc_text(option_help(o), out);
    buf_init(&facts);
    write_facts(o, "; ", &facts);
    if (facts.n > 0) {
        buf_add(out, SLICE(".br\n"));
        buf_add_char(&facts, '.');
        if (facts.p[facts.off] >= 'a')
            facts.p[facts.off] = (char)(facts.p[facts.off] & ~0x20);
        write_mdoc_text(buf_slice(&facts), out);
    }
    buf_fini(&facts);
}

void conf_write_manual(struct buf *out)
{
    size_t section_count, count;
    const struct section *sections = section_all(&section_count);
    const struct option *options = option_all(&count);

    buf_add(out,
            SLICE(".Dd November 25, 2026\n.Dt POSTERN.YAML 5\n.Os\n.Sh NAME\n.Nm postern.yaml\n"
                  ".Nd configuration of the postern gateway\n.Sh DESCRIPTION\n"
                  "YAML, read by\n.Xr postern 8 .\nThe option decides the type of a value, not its "
                  "look. Amounts carry their unit:\n"
                  ".Li 30s , 5MiB , 60/min .\nIn a value\n.Li ${NAME}\nand\n.Li ${NAME:-default}\n"
                  "are taken from the environment. Single options are also set by\n"
                  ".Ev POSTERN_SECTION__NAME\nor, from a file,\n.Ev POSTERN_SECTION__NAME_FILE .\n"
                  "Secrets are\n.Li file:PATH ,\n.Li credential:NAME\nor the secret itself.\n"
                  "Files in\n.Pa postern.d\nbeside the file are read after it: maps merge, lists "
                  "replace.\n"));
    for (size_t s = 0; s < section_count; s++) {
        if (sections[s].is_optional)
            continue;
        buf_printf(out, ".Ss %s\n", sections[s].path);
        write_mdoc_text(slice_str(sections[s].help), out);
        buf_add(out, SLICE(".Bl -tag -width Ds\n"));
        for (size_t i = 0; i < count; i++)
            if (strcmp(options[i].section, sections[s].name) == 0)
                write_mdoc_option(&options[i], out);
        buf_add(out, SLICE(".El\n"));
    }
    buf_add(out, SLICE(".Sh SEE ALSO\n.Xr posternctl 1 ,\n.Xr postern 8\n"));
}
