#include "conf/conf.h"

#include "base/alloc.h"
#include "conf/origin.h"
#include "conf/read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const size_t FILE_BYTES_MAX = (size_t)4 << 20;

/* The whole file, or SLICE_NONE after a complaint. */
static struct slice read_file(const char *path, struct arena *arena, struct complaints *c)
{
    struct place at = {path, 0, 0};
    struct slice text = SLICE_NONE;
    struct buf b;
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    buf_init(&b);
    if (fd >= 0) {
        while ((got = read(fd, buf_room(&b, 65536), 65536)) > 0 && b.n <= FILE_BYTES_MAX)
            buf_commit(&b, (size_t)got);
        if (got > 0)
            errno = EFBIG;
        (void)close(fd);
    }
    if (got != 0)
        complain(c, at, false, "cannot be read: %s", strerror(errno));
    else
        text = arena_dup(arena, buf_slice(&b));
    buf_fini(&b);
    return text;
}

static void note_file(struct conf *conf, const char *name)
{
    const char **files = arena_alloc(&conf->arena, (conf->file_count + 1) * sizeof(*files));

    if (conf->file_count > 0)
        memcpy(files, conf->files, conf->file_count * sizeof(*files));
    files[conf->file_count++] = name;
    conf->files = files;
}

/* One document more over tree. */
static struct node *add_document(struct reader *r, struct node *tree, struct slice yaml,
                                 const char *name)
{
    struct node_source source = {yaml, arena_dup(&r->conf->arena, slice_str(name)).p, r->env,
                                 r->scratch, r->complaints};

    size_t errors = r->complaints->errors;
    struct node *document = node_read(&source);

    note_file(r->conf, source.name);
    if (document == NULL && r->complaints->errors > errors)
        r->is_broken = true;
    return node_merge(tree, document, r->scratch, r->complaints);
}

static struct node *add_file(struct reader *r, struct node *tree, const char *path)
{
    struct slice yaml = read_file(path, r->scratch, r->complaints);

    if (yaml.p != NULL)
        return add_document(r, tree, yaml, path);
    r->is_broken = true;
    return tree;
}

static int is_yaml(const struct dirent *entry)
{
    struct slice name = slice_str(entry->d_name);

    return name.n > 0 && name.p[0] != '.' &&
           (slice_ends(name, SLICE(".yaml")) || slice_ends(name, SLICE(".yml")));
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static struct node *add_folder(struct reader *r, struct node *tree, const char *path)
{
    const char *slash = strrchr(path, '/');
    int folder_bytes = slash != NULL ? (int)(slash - path) + 1 : 0;
    struct slice folder = arena_printf(r->scratch, "%.*spostern.d", folder_bytes, path);
    struct dirent **entries = NULL;
    int count = scandir(folder.p, &entries, is_yaml, by_bytes);

    if (count < 0 && errno != ENOENT && errno != ENOTDIR)
        complain(r->complaints, (struct place){folder.p, 0, 0}, false, "cannot be read: %s",
                 strerror(errno));
    for (int i = 0; i < count; i++) {
        tree = add_file(r, tree, arena_printf(r->scratch, "%s/%s", folder.p, entries[i]->d_name).p);
        free(entries[i]);
    }
    free(entries);
    return tree;
}

static void check_all(const struct reader *r)
{
    check_conf(r->conf, r->complaints);
    if (r->needs_address && r->conf->listen_count == 0)
        complain(r->complaints,
                 (struct place){r->conf->file_count > 0 ? r->conf->files[0] : NULL, 0, 0}, false,
                 "nothing is listened on; listen needs an entry with an address");
    if (r->checks_files)
        check_files(r->conf, r->is_reader, r->complaints);
}

/* Takes owned. */
static enum err finish(struct reader *r, struct conf_owned *owned, const struct node *tree,
                       size_t errors_before, struct conf **out)
{
    read_defaults(r);
    if (tree != NULL)
        read_tree(r, tree);
    read_environment(r);
    if (!r->is_broken)
        check_all(r);
    if (r->complaints->errors > errors_before) {
        conf_free(&owned->conf);
        return ERR_SYNTAX;
    }
    *out = &owned->conf;
    return ERR_OK;
}

/* r holds what is wanted; the rest is filled in here. */
static enum err read_path(struct reader r, const char *path, struct conf **out)
{
    struct conf_owned *owned = conf_owned_new();
    struct arena scratch;
    struct node *tree = NULL;
    size_t errors = r.complaints->errors;
    enum err e;

    r.conf = &owned->conf;
    r.scratch = &scratch;
    arena_init(&scratch);
    if (path != NULL) {
        tree = add_file(&r, NULL, path);
        tree = add_folder(&r, tree, path);
    }
    e = finish(&r, owned, tree, errors, out);
    arena_fini(&scratch);
    return e;
}

enum err conf_read(const char *path, char *const *env, struct complaints *c, struct conf **out)
{
    return read_path((struct reader){.complaints = c, .env = env}, path, out);
}

enum err conf_read_daemon(const char *path, char *const *env, struct complaints *c,
                          struct conf **out)
{
    return read_path((struct reader){.complaints = c, .env = env, .needs_address = true}, path,
                     out);
}

enum err conf_read_with_files(const char *path, char *const *env, bool is_reader,
                              struct complaints *c, struct conf **out)
{
    return read_path((struct reader){.complaints = c,
                                     .env = env,
                                     .needs_address = true,
                                     .checks_files = true,
                                     .is_reader = is_reader},
                     path, out);
}

enum err conf_read_text(struct slice yaml, const char *name, char *const *env, struct complaints *c,
                        struct conf **out)
{
    struct conf_owned *owned = conf_owned_new();
    struct arena scratch;
    struct reader r = {.conf = &owned->conf, .scratch = &scratch, .complaints = c, .env = env};
    size_t errors = c->errors;
    enum err e;

    arena_init(&scratch);
    e = finish(&r, owned, add_document(&r, NULL, yaml, name), errors, out);
    arena_fini(&scratch);
    return e;
}

struct slice conf_token_issuer(const struct conf *conf)
{
    if (conf->auth.jwt_issuer.n > 0)
        return conf->auth.jwt_issuer;
    return conf->server.public_url.n > 0 ? conf->server.public_url : SLICE("postern");
}
