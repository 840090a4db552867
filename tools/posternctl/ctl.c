#include "ctl.h"

#include "base/alloc.h"
#include "conf/unit.h"
#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

enum { REDIS_TIMEOUT_MS_MIN = 3000 };

static const char *const format_words[] = {
#define FORMAT(name, word, is_data, help) word,
#include "format.def"
#undef FORMAT
};

const char *format_word(enum format f)
{
    return format_words[f];
}

bool format_suits(enum format f, const struct command *command)
{
    return f != FORMAT_TOKEN || (command->flags & COMMAND_SECRET) != 0;
}

enum outcome outcome_of(enum err e)
{
    switch (e) {
    case ERR_OK:
        return OUTCOME_OK;
    case ERR_NOT_FOUND:
        return OUTCOME_NOT_FOUND;
    case ERR_DENIED:
        return OUTCOME_DENIED;
    case ERR_CONFLICT:
        return OUTCOME_CONFLICT;
    case ERR_SYNTAX:
    case ERR_RANGE:
    case ERR_TOO_LARGE:
        return OUTCOME_USAGE;
    case ERR_UNAVAILABLE:
    case ERR_TIMEOUT:
    case ERR_CLOSED:
    case ERR_REFUSED:
    case ERR_TLS:
        return OUTCOME_UNREACHABLE;
    default:
        return OUTCOME_FAILED;
    }
}

bool ctl_has(const struct ctl *c, enum flag f)
{
    for (size_t i = 0; i < c->given_count; i++)
        if (c->given[i].flag == f)
            return true;
    return false;
}

const char *ctl_value(const struct ctl *c, enum flag f)
{
    const char *value = NULL;

    for (size_t i = 0; i < c->given_count; i++)
        if (c->given[i].flag == f)
            value = c->given[i].value;
    return value;
}

void ctl_values(const struct ctl *c, enum flag f, char between, struct buf *out)
{
    buf_init(out);
    for (size_t i = 0; i < c->given_count; i++) {
        if (c->given[i].flag != f)
            continue;
        if (out->n > 0)
            buf_add_char(out, between);
        buf_add(out, slice_str(c->given[i].value));
    }
}

enum outcome ctl_duration(struct ctl *c, enum flag f, int64_t standard_s, int64_t *out_s)
{
    const char *text = ctl_value(c, f);
    char proposal[UNIT_TEXT_MAX] = "";
    int64_t ms;

    if (text == NULL) {
        *out_s = standard_s;
        return OUTCOME_OK;
    }
    if (unit_parse_duration(slice_str(text), &ms, proposal) != ERR_OK)
        return ctl_fail(c, OUTCOME_USAGE, "--%s: '%s' is no duration (30s, 12h, 30d)%s%s%s",
                        flag_row(f)->text, text, proposal[0] != '\0' ? "; did you mean " : "",
                        proposal, proposal[0] != '\0' ? "?" : "");
    if (ms % 1000 != 0)
        return ctl_fail(c, OUTCOME_USAGE, "--%s: whole seconds, please", flag_row(f)->text);
    *out_s = ms / 1000;
    return OUTCOME_OK;
}

/* One line to stderr; what others wrote cannot command the terminal. */
__attribute__((format(printf, 2, 0))) static void put_line(const char *prefix, const char *format,
                                                           va_list args)
{
    char *text;

    CHECK(vasprintf(&text, format, args) >= 0);
    output_hide_controls(text, strlen(text));
    fprintf(stderr, "%s%s\n", prefix, text);
    free(text);
}

enum outcome ctl_fail(const struct ctl *c, enum outcome o, const char *format, ...)
{
    va_list args;

    (void)fflush(stdout);
    va_start(args, format);
    put_line(c->err_has_color ? "\033[31mposternctl:\033[0m " : "posternctl: ", format, args);
    va_end(args);
    return o;
}

/* Redis is there and says no, or it is away. */
static enum outcome fail_store(const struct ctl *c, enum err e, const char *what)
{
    const char *refusal = c->roster.redis != NULL ? redis_client_refusal(c->roster.redis) : NULL;

    if (refusal == NULL)
        return ctl_fail(c, OUTCOME_UNREACHABLE, "%s: the store gave no usable answer (%s)", what,
                        err_text(e));
    if (strncmp(refusal, "NOPERM", 6) == 0 || strncmp(refusal, "NOAUTH", 6) == 0 ||
        strstr(refusal, "ACL failure") != NULL || strstr(refusal, "can't run this command") != NULL)
        return ctl_fail(c, OUTCOME_DENIED,
                        "%s: Redis does not permit it: %s; see: posternctl doctor", what, refusal);
    return ctl_fail(c, OUTCOME_UNREACHABLE, "%s: Redis answered: %s", what, refusal);
}

enum outcome ctl_fail_err(const struct ctl *c, enum err e, const char *what, const char *which)
{
    enum outcome o = outcome_of(e);
    char *both;

    CHECK((which != NULL ? asprintf(&both, "%s '%s'", what, which) : asprintf(&both, "%s", what)) >=
          0);
    if (e == ERR_NOT_FOUND)
        (void)ctl_fail(c, o, "there is no %s", both);
    else if (o == OUTCOME_UNREACHABLE)
        o = fail_store(c, e, both);
    else
        (void)ctl_fail(c, o, "%s: %s", both, err_text(e));
    free(both);
    return o;
}

void ctl_say(const struct ctl *c, const char *format, ...)
{
    va_list args;

    if (c->is_quiet)
        return;
    va_start(args, format);
    put_line("", format, args);
    va_end(args);
}

enum outcome ctl_open_conf(struct ctl *c)
{
    struct complaints complaints;
    struct buf text;
    enum err e;

    if (c->conf != NULL)
        return OUTCOME_OK;
    if (c->conf_path != NULL && access(c->conf_path, R_OK) != 0)
        return ctl_fail(c,
                        errno == ENOENT   ? OUTCOME_NOT_FOUND
                        : errno == EACCES ? OUTCOME_DENIED
                                          : OUTCOME_FAILED,
                        "%s: %s", c->conf_path, strerror(errno));
    complaints_init(&complaints);
    buf_init(&text);
    e = conf_read(c->conf_path, environ, &complaints, &c->conf);
    if (e != ERR_OK) {
        complaints_write(&complaints, &text);
        fputs(buf_cstr(&text), stderr);
    }
    buf_fini(&text);
    complaints_fini(&complaints);
    return e == ERR_OK ? OUTCOME_OK : ctl_fail(c, OUTCOME_FAILED, "the configuration is not valid");
}

const char *ctl_default_conf(void)
{
    static const char usual[] = "/etc/postern/postern.yaml";
    const char *path = getenv("POSTERN_CONFIG");

    if (path != NULL && path[0] != '\0')
        return path;
    return access(usual, F_OK) == 0 ? usual : NULL;
}

char *ctl_state_path(const struct ctl *c, const char *name)
{
    char *path;

    CHECK(asprintf(&path, "%.*s/%s", SLICE_FMT(c->conf->server.state_dir), name) >= 0);
    return path;
}

char *ctl_redis_url(const struct ctl *c)
{
    char *url;

    if (c->conf->redis.url.n > 0)
        return mem_strdup(c->conf->redis.url.p);
    CHECK(asprintf(&url, "unix:%.*s/redis/redis.sock", SLICE_FMT(c->conf->server.state_dir)) >= 0);
    return url;
}

static enum outcome fail_master(struct ctl *c, const char *path, enum err e)
{
    struct stat st;
    bool is_there = stat(path, &st) == 0;
    int why = errno;

    if (!is_there && why == EACCES)
        return ctl_fail(c, OUTCOME_DENIED, "%s: not permitted; try: sudo posternctl ...", path);
    if (e == ERR_NOT_FOUND)
        return ctl_fail(c, OUTCOME_NOT_FOUND,
                        "%s: no master key yet; start postern once, or: posternctl bootstrap",
                        path);
    if (e == ERR_DENIED)
        return ctl_fail(c, OUTCOME_FAILED, "%s: others may read it; chmod 600 %s", path, path);
    if (is_there && access(path, R_OK) != 0)
        return ctl_fail(c, OUTCOME_DENIED, "%s: not permitted; try: sudo posternctl ...", path);
    return ctl_fail(c, OUTCOME_FAILED, "%s: %s", path, err_text(e));
}

enum outcome ctl_open_master(struct ctl *c, bool make)
{
    enum outcome o = OUTCOME_OK;
    enum err e;
    char *path;

    if (c->master != NULL)
        return OUTCOME_OK;
    if (c->conf->auth.master_key != NULL)
        return master_from_text(secret_slice(c->conf->auth.master_key), &c->master) == ERR_OK
                   ? OUTCOME_OK
                   : ctl_fail(c, OUTCOME_FAILED, "auth.master_key must be 32 bytes in base64url");
    path = ctl_state_path(c, "master.key");
    if ((e = master_open(path, make, &c->master)) != ERR_OK)
        o = fail_master(c, path, e);
    free(path);
    return o;
}

enum err ctl_redis_connect(const struct ctl *c, const char *url, struct redis_client **out,
                           char **why)
{
    const struct conf_redis *conf = &c->conf->redis;
    int64_t timeout_ms = conf->timeout_ms + conf->connect_timeout_ms;

    if (timeout_ms < REDIS_TIMEOUT_MS_MIN) /* nobody waits behind us; a busy machine may */
        timeout_ms = REDIS_TIMEOUT_MS_MIN;
    return redis_client_open(&(struct redis_client_conf){.url = slice_str(url),
                                                         .username = conf->username,
                                                         .password = conf->password,
                                                         .ca = conf->ca.n > 0 ? conf->ca.p : NULL,
                                                         .certificate = conf->certificate.n > 0
                                                                            ? conf->certificate.p
                                                                            : NULL,
                                                         .key = conf->key.p,
                                                         .timeout_ms = timeout_ms},
                             out, why);
}

static enum outcome open_redis(struct ctl *c)
{
    char *url = ctl_redis_url(c), *why = NULL;
    enum err e = ctl_redis_connect(c, url, &c->roster.redis, &why);
    enum outcome o = OUTCOME_OK;

    if (e == ERR_DENIED)
        o = ctl_fail(c, OUTCOME_DENIED, "%s: %s", url, why != NULL ? why : err_text(e));
    else if (e != ERR_OK)
        o = ctl_fail(
            c, OUTCOME_UNREACHABLE, "%s: %s%s", url, why != NULL ? why : err_text(e),
            c->conf->redis.url.n > 0
                ? ""
                : " (the private Redis lives while postern runs: systemctl start postern)");
    free(why);
    free(url);
    return o;
}

enum outcome ctl_open_roster(struct ctl *c)
{
    enum outcome o;

    if (c->roster.redis != NULL)
        return OUTCOME_OK;
    if ((o = ctl_open_conf(c)) != OUTCOME_OK || (o = ctl_open_master(c, false)) != OUTCOME_OK ||
        (o = open_redis(c)) != OUTCOME_OK)
        return o;
    c->roster.keys.prefix = c->conf->redis.prefix;
    c->roster.master = c->master;
    return OUTCOME_OK;
}

void ctl_fini(struct ctl *c)
{
    redis_client_free(c->roster.redis);
    master_free(c->master);
    conf_free(c->conf);
    free(c->given);
    free(c->args);
}
