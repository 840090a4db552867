#ifndef CTL_H
#define CTL_H

#include "command.h"
#include "conf/conf.h"
#include "model/roster.h"

/*
 * One invocation of posternctl: what was typed, and what it opened so far. Data goes to
 * stdout, talk to stderr.
 */
enum format {
#define FORMAT(name, word, is_data, help) FORMAT_##name,
#include "format.def"
#undef FORMAT
    FORMAT_COUNT
};
/* The word after -o. */
const char *format_word(enum format f);
/* Is f among what this verb can give? */
bool format_suits(enum format f, const struct command *command);

struct given {
    enum flag flag;
    const char *value; /* NULL when the flag takes none */
};

struct ctl {
    const struct command *command; /* NULL until the verb is known */
    char **args;                   /* what is no flag, after noun and verb */
    size_t arg_count;
    struct given *given;
    size_t given_count;
    enum format format;
    bool has_format;  /* -o was given */
    bool has_heading; /* --watch: the table's heading stands above */
    bool is_quiet, is_yes, is_silent /* --no-input */;
    bool out_has_color, err_has_color;
    const char *conf_path; /* NULL: no file, defaults only */
    struct conf *conf;     /* ctl_open_conf() */
    struct master *master; /* ctl_open_roster(), as all below */
    struct roster roster;
};

bool ctl_has(const struct ctl *c, enum flag f);
/* The last value given, or NULL. */
const char *ctl_value(const struct ctl *c, enum flag f);
/* All values of a repeated flag, with between in between; buf_fini(). */
void ctl_values(const struct ctl *c, enum flag f, char between, struct buf *out);
/* A duration ("30d") in seconds, standard when not given. */
enum outcome ctl_duration(struct ctl *c, enum flag f, int64_t standard_s, int64_t *out_s) MUST_USE;

/* "posternctl: ..." to stderr; returns o. */
enum outcome ctl_fail(const struct ctl *c, enum outcome o, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* ctl_fail() with what e means for what ("user") and which ("bob"; NULL: the kind as such). */
enum outcome ctl_fail_err(const struct ctl *c, enum err e, const char *what, const char *which);
/* A remark to stderr, unless --quiet. */
void ctl_say(const struct ctl *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* These open once; a failure is already told. */
enum outcome ctl_open_conf(struct ctl *c) MUST_USE;
enum outcome ctl_open_master(struct ctl *c, bool make) MUST_USE;
enum outcome ctl_open_roster(struct ctl *c) MUST_USE;
/* The text is the caller's, free(). */
char *ctl_state_path(const struct ctl *c, const char *name);
/* redis.url, or the private Redis's socket; free(). */
char *ctl_redis_url(const struct ctl *c);
/* As all tools connect; text is the URL. */
enum err ctl_redis_connect(const struct ctl *c, const char *url, struct redis_client **out,
                           char **why) MUST_USE;

/* $POSTERN_CONFIG, or the usual file when it is there, or NULL. */
const char *ctl_default_conf(void);

void ctl_fini(struct ctl *c);

#endif
