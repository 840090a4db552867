#include "conf/origin.h"

#include "base/alloc.h"
#include "conf/option.h"

#include <stdlib.h>

struct conf_owned *conf_owned_new(void)
{
    struct conf_owned *owned = mem_zalloc(sizeof(*owned));

    arena_init(&owned->conf.arena);
    map_init(&owned->origins);
    return owned;
}

static struct conf_owned *owned_of(const struct conf *conf)
{
    return (struct conf_owned *)((uintptr_t)conf - offsetof(struct conf_owned, conf));
}

void origin_set(struct conf *conf, const void *field, struct place at)
{
    struct place *copy = arena_alloc(&conf->arena, sizeof(*copy));

    *copy = at;
    (void)map_put(&owned_of(conf)->origins, slice_of(&field, sizeof(field)), copy);
}

const struct place *origin_find(const struct conf *conf, const void *field)
{
    return map_get(&owned_of(conf)->origins, slice_of(&field, sizeof(field)));
}

struct place origin_or(const struct conf *conf, const void *field, struct place whole)
{
    const struct place *at = origin_find(conf, field);

    return at != NULL ? *at : whole;
}

static void free_secrets(void *arg, const struct section *s, void *base)
{
    size_t count;
    const struct option *options = option_all(&count);

    (void)arg;
    for (size_t i = 0; i < count; i++)
        if (options[i].type == OPTION_SECRET && strcmp(options[i].section, s->name) == 0) {
            struct secret *secret;

            memcpy(&secret, (char *)base + options[i].offset, sizeof(secret));
            secret_free(secret);
        }
}

void conf_free(struct conf *conf)
{
    if (conf == NULL)
        return;
    section_visit(conf, free_secrets, NULL);
    map_fini(&owned_of(conf)->origins);
    arena_fini(&conf->arena);
    free(owned_of(conf));
}
