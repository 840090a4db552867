#include "process/quick.h"

#include "base/alloc.h"
#include "http/url.h"
#include "model/roster.h"
#include "process/gateway.h"
#include "process/quick_conf.h"
#include "process/quick_tls.h"

#include <errno.h>
#include <getopt.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE };

static int usage(FILE *out, int code)
{
    fprintf(out,
            "usage: postern quick URL [--listen HOST:PORT] [--state DIR] [--user NAME]\n"
            "\n"
            "Puts API keys and TLS in front of URL: makes a private Redis, a certificate, a user\n"
            "and a key in DIR, prints how to use them, and runs until it is stopped.\n"
            "\n"
            "  --listen HOST:PORT  where clients connect (default 127.0.0.1:8443)\n"
            "  --state DIR         kept between runs (default ~/.local/state/postern-quick)\n"
            "  --user NAME         the first user (default me)\n"
            "\n"
            "examples:\n"
            "  postern quick http://127.0.0.1:11434\n"
            "  postern quick http://127.0.0.1:8000 --listen 0.0.0.0:8443 --user alice\n");
    return code;
}

static char *join(const char *dir, const char *name)
{
    char *path;

    CHECK(asprintf(&path, "%s/%s", dir, name) >= 0);
    return path;
}

/* Like mkdir -p, for our own folder: mode 0700. */
static bool make_dirs(const char *path)
{
    char *copy = mem_strdup(path);
    bool ok = true;

    for (char *at = copy + 1; ok && at != NULL; at++) {
        at = strchr(at, '/');
        if (at != NULL)
            *at = '\0';
        ok = mkdir(copy, 0700) == 0 || errno == EEXIST;
        if (at == NULL)
            break;
        *at = '/';
    }
    free(copy);
    return ok;
}

/* The user and a fresh key; the key is printed once and only its keyed hash stays. */
static enum err make_key(const struct quick *q, const struct gateway *g, struct secret **key)
{
    struct roster r = {.keys = {.prefix = g->policy->conf->redis.prefix}, .master = g->master};
    json_t *out = NULL;
    char *why = NULL;
    enum err e = redis_client_open(
        &(struct redis_client_conf){.url = slice_str(g->redis_url), .timeout_ms = 2000}, &r.redis,
        &why);

    if (e != ERR_OK)
        goto out;
    e = roster_user_create(
        &r, &(struct user_new){.username = slice_str(q->user), .roles = SLICE("user,admin")}, &out);
    if (e != ERR_OK && e != ERR_CONFLICT) /* from an earlier run */
        goto out;
    json_decref(out);
    out = NULL;
    e = roster_key_create(
        &r, &(struct key_new){.owner = slice_str(q->user), .name = SLICE("quick")}, &out, key);
out:
    json_decref(out);
    redis_client_free(r.redis);
    free(why);
    return e;
}

static void greet(const struct quick *q, const struct secret *key)
{
    printf("postern stands in front of %s\n\n"
           "  URL            https://%s\n"
           "  API key        %s   (shown once)\n"
           "  certificate    %s\n"
           "  configuration  %s\n\n"
           "Try it:\n"
           "  curl --cacert %s -H 'X-API-Key: %s' https://%s/\n\n"
           "More users and keys:\n"
           "  posternctl -c %s user create bob\n"
           "  posternctl -c %s key create bob\n\n"
           "Stop it with Ctrl-C.\n",
           q->url, q->listen, key->p, q->certificate, q->conf, q->certificate, key->p, q->listen,
           q->conf, q->conf);
    fflush(stdout);
}

static int serve(const struct quick *q)
{
    struct gateway g;
    struct secret *key = NULL;
    int code = EXIT_FAILED;
    enum err e;

    if (gateway_open(&g, q->conf, environ) != ERR_OK) {
        gateway_close(&g);
        return EXIT_FAILED;
    }
    e = make_key(q, &g, &key);
    if (e == ERR_OK) {
        greet(q, key);
        code = gateway_run(&g);
    } else {
        fprintf(stderr, "postern quick: user and key: %s\n", err_text(e));
    }
    secret_free(key);
    gateway_close(&g);
    return code;
}

static char *default_dir(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *dir;

    if (state != NULL && state[0] == '/')
        return join(state, "postern-quick");
    CHECK(asprintf(&dir, "%s/.local/state/postern-quick", home != NULL ? home : "/root") >= 0);
    return dir;
}

static bool parse(int argc, char **argv, struct quick *q, int *code)
{
    static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
                                            {"state", required_argument, NULL, 's'},
                                            {"user", required_argument, NULL, 'u'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct url url;
    int option;

    while ((option = getopt_long(argc, argv, "l:s:u:h", options, NULL)) != -1) {
        if (option == 'l')
            q->listen = optarg;
        else if (option == 's')
            q->dir = mem_strdup(optarg);
        else if (option == 'u')
            q->user = optarg;
        else {
            *code = option == 'h' ? usage(stdout, EXIT_OK) : usage(stderr, EXIT_USAGE);
            return false;
        }
    }
    if (optind + 1 != argc || url_parse(slice_str(argv[optind]), &url) != ERR_OK) {
        fprintf(stderr, "postern quick: give one URL, such as http://127.0.0.1:8000\n");
        *code = usage(stderr, EXIT_USAGE);
        return false;
    }
    q->url = argv[optind];
    return true;
}

int quick_run(int argc, char **argv)
{
    struct quick q = {.listen = "127.0.0.1:8443", .user = "me"};
    int code = EXIT_FAILED;

    if (!parse(argc, argv, &q, &code)) {
        free(q.dir);
        return code;
    }
    if (q.dir == NULL)
        q.dir = default_dir();
    q.conf = join(q.dir, "postern.yaml");
    q.certificate = join(q.dir, "cert.pem");
    q.key = join(q.dir, "key.pem");
    if (!make_dirs(q.dir) || quick_certificate(q.certificate, q.key) != ERR_OK ||
        !quick_write_conf(&q))
        fprintf(stderr, "postern quick: %s: %s\n", q.dir, strerror(errno));
    else
        code = serve(&q);
    free(q.key);
    free(q.certificate);
    free(q.conf);
    free(q.dir);
    return code;
}
