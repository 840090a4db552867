#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "http/addr.h"

/*
 * The configuration as read from YAML, the environment and files: plain values,
 * immutable once conf_read() returned it, freed as a whole. The fields of each
 * struct come from option.def, the words of enumerations from enum.def.
 */

/* Every word of every ENUM option, each with a value of its own: CONF_auth_mode_DEV ... */
enum word {
    CONF_WORD_UNSET,
#define WORD(set, name, text) CONF_##set##_##name,
#include "conf/enum.def"
#undef WORD
    CONF_WORD_COUNT
};
/* The word as written in YAML. */
const char *word_text(enum word w);

struct texts {
    struct slice *items;
    size_t count;
};

struct addrs {
    struct cidr *items;
    size_t count;
};

/* 60/min is {60, 60000}. */
struct rate {
    uint64_t units;
    int64_t period_ms;
};

struct rates {
    struct rate *items;
    size_t count;
};

/* Where a value was written, for messages of later checks. file is NULL for defaults. */
struct place {
    const char *file;
    unsigned line, column;
};

/* The C field of each option type. */
#define CONF_FIELD_BOOL(name) bool name;
#define CONF_FIELD_COUNT(name) uint64_t name;
#define CONF_FIELD_DURATION(name) int64_t name##_ms;
#define CONF_FIELD_BYTES(name) uint64_t name##_bytes;
#define CONF_FIELD_TEXT(name) struct slice name;     /* followed by a NUL; n 0: not set */
#define CONF_FIELD_PATH(name) struct slice name;     /* followed by a NUL; n 0: not set */
#define CONF_FIELD_URL(name) struct slice name;      /* followed by a NUL; n 0: not set */
#define CONF_FIELD_SECRET(name) struct secret *name; /* NULL: not set */
#define CONF_FIELD_ADDRS(name) struct addrs name;
#define CONF_FIELD_TEXTS(name) struct texts name;
#define CONF_FIELD_RATES(name) struct rates name;
#define CONF_FIELD_WORD(name) enum word name;
#define CONF_FIELD_ENUM(set) CONF_FIELD_WORD
#define CONF_FIELD(name, type) CONF_FIELD_##type(name)

#include "conf/option_sections.h"

struct conf {
    struct arena arena; /* holds every slice and array below */
    struct conf_server server;
    struct conf_listen *listen; /* each with .certificates and .certificate_count */
    size_t listen_count;
    struct conf_admin admin;
    struct conf_redis redis;
    struct conf_auth auth;
    struct conf_issuer *issuers;
    size_t issuer_count;
    struct conf_limit *limits; /* each with .name */
    size_t limit_count;
    struct conf_upstream *upstreams; /* each with .name */
    size_t upstream_count;
    struct conf_route *routes; /* in file order; each with .cors of its own or NULL */
    size_t route_count;
    struct conf_cors cors;
    struct conf_headers headers;
    struct conf_log log;
    const char **files; /* that were read */
    size_t file_count;
};

/* What is wrong with a configuration: all of it, not just the first. */
struct complaint {
    struct place place;
    bool is_warning;
    struct slice text; /* what is wrong and what would be right */
};

struct complaints {
    struct arena arena;
    struct complaint *items;
    size_t count, room;
    size_t errors; /* without warnings */
};

void complaints_init(struct complaints *c);
void complaints_fini(struct complaints *c);
void complain(struct complaints *c, struct place at, bool is_warning, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* "file:line:column: error: text" lines. */
void complaints_write(const struct complaints *c, struct buf *out);

/*
 * Reads path (and path's folder postern.d/ *.yaml, sorted), then environment
 * POSTERN_<SECTION>__<NAME> (and ..._FILE), applies defaults, checks ranges and
 * references between sections.
 *
 * path     NULL: only defaults and environment
 * env      like environ; NULL: none
 * out      owned by the caller, conf_free(); set only when there is no error
 * returns  ERR_OK, maybe with warnings in c; ERR_SYNTAX with at least one error in c
 */
enum err conf_read(const char *path, char *const *env, struct complaints *c,
                   struct conf **out) MUST_USE;
/* The same for the daemon, which also needs an address to listen on. */
enum err conf_read_daemon(const char *path, char *const *env, struct complaints *c,
                          struct conf **out) MUST_USE;
/*
 * The same, and looks into every file that an option names with the code that reads it at the
 * start: certificates, keys, authorities, keys of issuers. is_reader: a file that we may not read
 * is an error; else it is a warning, for the daemon's user may.
 */
enum err conf_read_with_files(const char *path, char *const *env, bool is_reader,
                              struct complaints *c, struct conf **out) MUST_USE;
/* The same from a text in memory; name stands for the file in messages. */
enum err conf_read_text(struct slice yaml, const char *name, char *const *env, struct complaints *c,
                        struct conf **out) MUST_USE;
void conf_free(struct conf *conf);

/* iss of our tokens and assertions: auth.jwt.issuer, else server.public_url, else "postern". */
struct slice conf_token_issuer(const struct conf *conf);

/* The effective configuration as YAML, secrets masked; with_origin adds "# file:line", "# default"
 * ... */
void conf_write(const struct conf *conf, bool with_origin, struct buf *out);

/* Made from option.def: JSON Schema (draft 7), a commented sample, one option's help
 * ("limits.rate"), mdoc(7). */
void conf_write_schema(struct buf *out);
void conf_write_sample(struct buf *out);
enum err conf_write_help(const char *dotted, struct buf *out) MUST_USE;
void conf_write_manual(struct buf *out);

/*
 * What a reload from a to b would change, a line each: "+ - ~ section.name: old -> new", "RESTART"
 * where a reload is not enough, "MORE OPEN" where a route or limit admits more. Returns the lines.
 */
size_t conf_diff(const struct conf *a, const struct conf *b, struct buf *out);

#endif
