#include "ask.h"
#include "output.h"

#include "crypto/apikey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is shown once: to stdout, or to a new file that only its owner reads. */
static enum outcome hand_over(const struct ctl *c, const json_t *user,
                              const struct secret *password, const struct secret *key)
{
    const char *path = ctl_value(c, FLAG_SECRET_FILE);
    FILE *out = stdout;

    if (path != NULL) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0 || (out = fdopen(fd, "w")) == NULL)
            return ctl_fail(c, OUTCOME_FAILED, "%s: %s", path, strerror(errno));
    }
    fprintf(out, "user     %s\nid       %s\n", json_string_value(json_object_get(user, "username")),
            json_string_value(json_object_get(user, "id")));
    if (password != NULL)
        fprintf(out, "password %s\n", password->p);
    fprintf(out, "api key  %s\n", key->p);
    if (path != NULL && fclose(out) != 0)
        return ctl_fail(c, OUTCOME_FAILED, "%s: %s", path, strerror(errno));
    if (path != NULL)
        ctl_say(c, "the secrets are in %s (mode 0600); they are shown nowhere else", path);
    return OUTCOME_OK;
}

static enum outcome make_admin(struct ctl *c, const char *name, const struct secret *password)
{
    const char *email = ctl_value(c, FLAG_EMAIL);
    json_t *user = NULL, *record = NULL;
    struct secret *key = NULL;
    enum outcome o;
    enum err e = roster_user_create(&c->roster,
                                    &(struct user_new){.username = slice_str(name),
                                                       .email = slice_str(email),
                                                       .roles = SLICE("admin,user"),
                                                       .password = secret_slice(password)},
                                    &user);

    if (e == ERR_CONFLICT) {
        ctl_say(c, "the user %s exists already; nothing was changed", name);
        return OUTCOME_OK;
    }
    if (e != ERR_OK)
        return ctl_fail_err(c, e, "user", name);
    e = roster_key_create(&c->roster,
                          &(struct key_new){.owner = slice_str(name), .name = SLICE("bootstrap")},
                          &record, &key);
    o = e == ERR_OK ? hand_over(c, user, password, key) : ctl_fail_err(c, e, "key of", name);
    secret_free(key);
    json_decref(record);
    json_decref(user);
    return o;
}

enum outcome ctl_bootstrap(struct ctl *c)
{
    const char *name = ctl_value(c, FLAG_ADMIN);
    struct secret *password = NULL;
    char drawn[TOKEN_CHARS + 1];
    enum outcome o = ctl_open_conf(c);
    const char *dir;

    if (o != OUTCOME_OK)
        return o;
    dir = c->conf->server.state_dir.p;
    if (ctl_has(c, FLAG_DRY_RUN)) {
        ctl_say(c, "would make what is missing in %s, a signing key, and the admin %s", dir,
                name != NULL ? name : "admin");
        return OUTCOME_OK;
    }
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return ctl_fail(c, OUTCOME_FAILED, "%s: %s", dir, strerror(errno));
    if ((o = ctl_open_master(c, true)) != OUTCOME_OK || (o = ctl_open_roster(c)) != OUTCOME_OK ||
        (o = ask_password(c, true, &password)) != OUTCOME_OK)
        return o;
    if (password == NULL) {
        token_generate(drawn);
        password = secret_copy(slice_str(drawn));
        secret_wipe(drawn, sizeof(drawn));
    }
    if (roster_signing_ensure(
            &c->roster, alg_find(slice_str(word_text(c->conf->auth.jwt_algorithm)))) != ERR_OK)
        o = ctl_fail(c, OUTCOME_UNREACHABLE, "the signing keys cannot be checked");
    else
        o = make_admin(c, name != NULL ? name : "admin", password);
    secret_free(password);
    return o;
}
