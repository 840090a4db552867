/* What is wrong, found by looking, each with the command that mends it. */
#include "control.h"
#include "output.h"

#include "base/clock.h"
#include "model/reply.h"

#include <hiredis/hiredis.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CERTIFICATE_WARN_DAYS = 14, CLOCK_MAX_S = 2, FILES_LEAST = 4096 };

struct findings {
    json_t *list;
    size_t bad;
};

static void found(struct findings *f, bool is_ok, const char *what, const char *fix)
{
    f->bad += !is_ok;
    json_array_append_new(f->list, json_pack("{s:s,s:b,s:s*}", "check", what, "ok", is_ok, "fix",
                                             is_ok ? NULL : fix));
}

/* NULL when there was no answer; freeReplyObject() takes NULL too. */
static redisReply *ask_redis(struct ctl *c, const struct slice *words, size_t count)
{
    redisReply *reply = NULL;

    return redis_client_command(c->roster.redis, words, count, &reply) == ERR_OK ? reply : NULL;
}

static void look_at_clock(struct ctl *c, struct findings *f)
{
    const struct slice words[] = {SLICE("TIME")};
    redisReply *r = ask_redis(c, words, 1);
    int64_t seconds = 0;

    if (r != NULL && reply_number(reply_at(r, 0), &seconds)) {
        int64_t apart = seconds - clock_wall_s();

        found(f, apart >= -CLOCK_MAX_S && apart <= CLOCK_MAX_S, "this clock and Redis's agree",
              "timedatectl set-ntp true");
    }
    freeReplyObject(r);
}

static void look_at_eviction(struct ctl *c, struct findings *f)
{
    const struct slice words[] = {SLICE("INFO"), SLICE("memory")};
    redisReply *r = ask_redis(c, words, 2);
    struct slice text;

    text = r != NULL ? reply_text(r) : SLICE_NONE;
    if (text.n > 0)
        found(f, memmem(text.p, text.n, "maxmemory_policy:noeviction", 27) != NULL,
              "Redis never evicts (maxmemory-policy noeviction)",
              "redis-cli config set maxmemory-policy noeviction");
    freeReplyObject(r);
}

static void look_at_tracking(struct ctl *c, struct findings *f)
{
    const struct slice words[] = {SLICE("CLIENT"), SLICE("TRACKING"), SLICE("OFF")};
    redisReply *r = ask_redis(c, words, 3);

    found(f, r != NULL && r->type != REDIS_REPLY_ERROR, "the ACL user may use client tracking",
          "redis-cli acl setuser USER +client|tracking +client|id +subscribe "
          "'&__redis__:invalidate'");
    freeReplyObject(r);
}

static void look_at_store(struct ctl *c, struct findings *f)
{
    bool reachable = ctl_open_roster(c) == OUTCOME_OK;

    found(f, reachable, "Redis answers",
          c->conf->redis.url.n > 0 ? "redis-cli -u URL ping; see redis.url, redis.password"
                                   : "systemctl start postern   # it runs the private Redis");
    if (!reachable)
        return;
    look_at_tracking(c, f);
    look_at_eviction(c, f);
    look_at_clock(c, f);
}

static X509 *read_certificate(const char *path)
{
    FILE *file = fopen(path, "re");
    X509 *cert = file != NULL ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

    if (file != NULL)
        (void)fclose(file);
    return cert;
}

static EVP_PKEY *read_key(const char *path)
{
    FILE *file = fopen(path, "re");
    EVP_PKEY *key = file != NULL ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

    if (file != NULL)
        (void)fclose(file);
    return key;
}

static void look_at_certificate(const struct conf_listen *l, struct findings *f)
{
    X509 *cert = read_certificate(l->certificate.p);
    EVP_PKEY *key = read_key(l->key.p);
    time_t soon = (time_t)clock_wall_s() + CERTIFICATE_WARN_DAYS * 24 * 3600;
    char text[512], fix[512];

    (void)snprintf(text, sizeof(text), "%s can be read and fits its key", l->certificate.p);
    (void)snprintf(fix, sizeof(fix), "openssl x509 -noout -subject -enddate -in %s",
                   l->certificate.p);
    found(f, cert != NULL && key != NULL && X509_check_private_key(cert, key) == 1, text, fix);
    (void)snprintf(text, sizeof(text), "%s is valid for %d days at least", l->certificate.p,
                   CERTIFICATE_WARN_DAYS);
    if (cert != NULL)
        found(f, X509_cmp_time(X509_get0_notAfter(cert), &soon) > 0, text, fix);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void look_at_mode(const char *path, struct findings *f)
{
    struct stat s;
    char text[512], fix[512];

    if (stat(path, &s) != 0)
        return;
    (void)snprintf(text, sizeof(text), "%s is its owner's alone", path);
    (void)snprintf(fix, sizeof(fix), "chmod go= %s", path);
    found(f, (s.st_mode & 077) == 0, text, fix);
}

static void look_at_files(struct ctl *c, struct findings *f)
{
    char *master = ctl_state_path(c, "master.key");

    look_at_mode(c->conf->server.state_dir.p, f);
    look_at_mode(master, f);
    free(master);
    for (size_t i = 0; i < c->conf->listen_count; i++) {
        const struct conf_listen *l = &c->conf->listen[i];

        if (l->certificate.n == 0)
            continue;
        look_at_mode(l->key.p, f);
        look_at_certificate(l, f);
    }
}

static void look_at_limits(struct findings *f)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        found(f, files.rlim_max >= FILES_LEAST, "descriptors enough for thousands of connections",
              "systemctl edit postern   # LimitNOFILE=65536");
}

static void look_at_gateway(struct ctl *c, struct findings *f)
{
    struct buf body;
    unsigned status = 0;
    bool answers;

    buf_init(&body);
    answers = control_ask(c, "GET", "/readyz?verbose", &status, &body) == OUTCOME_OK;
    found(f, answers, "the gateway answers on its control socket", "systemctl status postern");
    if (answers)
        found(f, status == 200, "the gateway is ready", "posternctl stats; journalctl -u postern");
    buf_fini(&body);
}

static void print(const struct ctl *c, const struct findings *f)
{
    size_t i;
    json_t *one;

    if (c->format == FORMAT_JSON) {
        output_json(f->list);
        return;
    }
    json_array_foreach(f->list, i, one)
    {
        bool ok = json_is_true(json_object_get(one, "ok"));

        printf("%s %s\n", ok ? "\u2713" : "\u2717",
               json_string_value(json_object_get(one, "check")));
        if (!ok)
            printf("    %s\n", json_string_value(json_object_get(one, "fix")));
    }
}

enum outcome ctl_doctor(struct ctl *c)
{
    struct findings f = {.list = json_array()};
    enum outcome o = ctl_open_conf(c);

    if (o == OUTCOME_OK) {
        look_at_store(c, &f);
        look_at_files(c, &f);
        look_at_limits(&f);
        look_at_gateway(c, &f);
        print(c, &f);
        o = f.bad == 0 ? OUTCOME_OK : OUTCOME_FAILED;
    }
    json_decref(f.list);
    return o;
}
