/* posternctl bootstrap: from a package to an installation with an admin. */
#include "ask.h"
#include "output.h"

#include "crypto/apikey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is shown once; all owned. */
struct admin {
    const char *name;
    json_t *user;
    struct secret *password, *key;
    bool is_drawn; /* the password is ours, nobody knows it yet */
};

static json_t *admin_json(const struct admin *a)
{
    json_t *o = json_deep_copy(a->user);

    if (a->is_drawn)
        (void)json_object_set_new(o, "password", json_stringn(a->password->p, a->password->n));
    (void)json_object_set_new(o, "api_key", json_stringn(a->key->p, a->key->n));
    return o;
}

static enum outcome write_secrets(const struct ctl *c, const struct admin *a, FILE *file)
{
    fprintf(file, "user     %s\nid       %s\n", a->name,
            json_string_value(json_object_get(a->user, "id")));
    if (a->is_drawn)
        fprintf(file, "password %s\n", a->password->p);
    fprintf(file, "api key  %s\n", a->key->p);
    if (fflush(file) == 0 && (file == stdout || fsync(fileno(file)) == 0))
        return OUTCOME_OK;
    return ctl_fail(c, OUTCOME_FAILED,
                    "the secrets could not be written (%s); make others: posternctl key create %s",
                    strerror(errno), a->name);
}

/* file: NULL for stdout. */
static enum outcome hand_over(const struct ctl *c, const struct admin *a, FILE *file)
{
    enum outcome o;

    if (file != NULL) {
        o = write_secrets(c, a, file);
        if (o == OUTCOME_OK)
            ctl_say(c, "the secrets are in %s (mode 0600); they are shown nowhere else",
                    ctl_value(c, FLAG_SECRET_FILE));
        return o;
    }
    if (!output_is_data(c))
        return write_secrets(c, a, stdout);
    json_t *shown = admin_json(a);

    output_data(c, shown);
    json_decref(shown);
    return OUTCOME_OK;
}

static enum err create(struct ctl *c, struct admin *a)
{
    const struct user_new user = {.username = slice_str(a->name),
                                  .email = slice_str(ctl_value(c, FLAG_EMAIL)),
                                  .roles = SLICE("admin,user"),
                                  .password = secret_slice(a->password)};
    const struct key_new key = {.owner = slice_str(a->name),
                                .name = SLICE("bootstrap"),
                                .scopes = SLICE("read write admin")};
    json_t *record = NULL;
    enum err e = roster_user_create(&c->roster, &user, &a->user);

    if (e == ERR_OK)
        e = roster_key_create(&c->roster, &key, &record, &a->key);
    json_decref(record);
    return e;
}

static bool is_there(struct ctl *c, const char *name)
{
    json_t *user = NULL;
    enum err e = roster_user_show(&c->roster, slice_str(name), &user);

    json_decref(user);
    return e == ERR_OK;
}

static enum outcome get_password(struct ctl *c, struct admin *a)
{
    char drawn[TOKEN_CHARS + 1];
    enum outcome o = ask_password(c, true, &a->password);

    a->is_drawn = o == OUTCOME_OK && a->password == NULL;
    if (a->is_drawn) {
        token_generate(drawn);
        a->password = secret_copy(slice_str(drawn));
        secret_wipe(drawn, sizeof(drawn));
    }
    return o;
}

/* The file is there before the secrets are: they could not be shown again. */
static enum outcome make_admin(struct ctl *c, struct admin *a)
{
    const char *path = ctl_value(c, FLAG_SECRET_FILE);
    FILE *file = NULL;
    enum outcome o = OUTCOME_OK;
    enum err e;

    if (is_there(c, a->name)) {
        ctl_say(c, "the user %s exists already and was not changed", a->name);
        return OUTCOME_OK;
    }
    if (path != NULL) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0 || (file = fdopen(fd, "w")) == NULL)
            return ctl_fail(c, errno == EEXIST ? OUTCOME_CONFLICT : OUTCOME_FAILED,
                            "--secret-file %s: %s", path, strerror(errno));
    }
    if ((o = get_password(c, a)) == OUTCOME_OK) {
        e = create(c, a);
        o = e == ERR_OK ? hand_over(c, a, file) : ctl_fail_err(c, e, "user", a->name);
    }
    if (file != NULL)
        (void)fclose(file);
    if (o != OUTCOME_OK && path != NULL && a->key == NULL)
        (void)unlink(path); /* still empty */
    return o;
}

/* What root makes here belongs to the user that runs the gateway. */
static enum outcome give_to_owner(const struct ctl *c, const char *dir)
{
    char *path = ctl_state_path(c, "master.key");
    struct stat s;
    enum outcome o = OUTCOME_OK;

    if (geteuid() == 0 && stat(dir, &s) == 0 && access(path, F_OK) == 0 &&
        lchown(path, s.st_uid, s.st_gid) != 0)
        o = ctl_fail(c, OUTCOME_FAILED, "%s: %s", path, strerror(errno));
    free(path);
    return o;
}

static enum outcome make_state(struct ctl *c)
{
    const char *dir = c->conf->server.state_dir.p;
    enum outcome o;

    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return ctl_fail(c, errno == EACCES ? OUTCOME_DENIED : OUTCOME_FAILED, "%s: %s", dir,
                        strerror(errno));
    if ((o = ctl_open_master(c, true)) != OUTCOME_OK)
        return o;
    return give_to_owner(c, dir);
}

static enum outcome make_all(struct ctl *c, struct admin *a)
{
    enum alg alg = alg_find(slice_str(word_text(c->conf->auth.jwt_algorithm)));
    enum outcome o;
    enum err e;

    if ((o = make_state(c)) != OUTCOME_OK || (o = ctl_open_roster(c)) != OUTCOME_OK)
        return o;
    if ((e = roster_signing_ensure(&c->roster, alg)) != ERR_OK)
        return ctl_fail_err(c, e, "first signing key", NULL);
    return make_admin(c, a);
}

enum outcome ctl_bootstrap(struct ctl *c)
{
    const char *name = ctl_value(c, FLAG_ADMIN);
    struct admin a = {.name = name != NULL ? name : "admin"};
    enum outcome o = ctl_open_conf(c);

    if (o != OUTCOME_OK)
        return o;
    if (ctl_has(c, FLAG_DRY_RUN)) {
        ctl_say(c, "would make what is missing in %s, a signing key, and the admin %s",
                c->conf->server.state_dir.p, a.name);
        return OUTCOME_OK;
    }
    o = make_all(c, &a);
    json_decref(a.user);
    secret_free(a.password);
    secret_free(a.key);
    return o;
}
