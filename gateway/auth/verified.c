#include "auth/verified.h"

#include "base/alloc.h"

#include <stdlib.h>

/* 4096 entries in sets of four; only tokens that verified get in, so nobody else can crowd a set.
 */
enum { SETS = 1024, WAYS = 4 };

struct place {
    unsigned char digest[SHA256_BYTES];
    struct verified_terms terms;
    int64_t until_s;
    uint64_t used;      /* larger is later */
    struct verified *v; /* a reference, or NULL: free */
};

struct verified_cache {
    uint64_t uses;
    struct place places[SETS][WAYS];
};

static struct slice keep(char **at, struct slice s)
{
    char *p = *at;

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    *at += s.n;
    return slice_of(p, s.n);
}

struct verified *verified_new(const struct verified *from)
{
    struct verified *v =
        mem_alloc(sizeof(*v) + from->user_id.n + from->session_id.n + from->scopes.n);
    char *at = (char *)(v + 1);

    *v = *from;
    v->refs = 1;
    v->who = from->who != NULL ? identity_ref(from->who) : NULL;
    v->user_id = keep(&at, from->user_id);
    v->session_id = keep(&at, from->session_id);
    v->scopes = keep(&at, from->scopes);
    return v;
}

struct verified *verified_ref(struct verified *v)
{
    v->refs++;
    return v;
}

void verified_unref(struct verified *v)
{
    if (v == NULL || --v->refs > 0)
        return;
    identity_unref(v->who);
    free(v);
}

struct verified_cache *verified_cache_new(void)
{
    return mem_zalloc(sizeof(struct verified_cache));
}

void verified_cache_free(struct verified_cache *c)
{
    if (c == NULL)
        return;
    for (size_t s = 0; s < SETS; s++)
        for (size_t w = 0; w < WAYS; w++)
            verified_unref(c->places[s][w].v);
    free(c);
}

static struct place *set_of(struct verified_cache *c, const unsigned char digest[SHA256_BYTES])
{
    return c->places[(digest[0] | (unsigned)digest[1] << 8) % SETS];
}

static bool counts(const struct place *p, const struct verified_terms *terms, int64_t now_s)
{
    return p->terms.keys == terms->keys && p->terms.policy == terms->policy &&
           p->terms.generation == terms->generation && now_s < p->until_s;
}

static void clear(struct place *p)
{
    verified_unref(p->v);
    *p = (struct place){.v = NULL};
}

struct verified *verified_find(struct verified_cache *c, const unsigned char digest[SHA256_BYTES],
                               const struct verified_terms *terms, int64_t now_s)
{
    struct place *set = set_of(c, digest);

    for (size_t w = 0; w < WAYS; w++) {
        struct place *p = &set[w];

        if (p->v == NULL || memcmp(p->digest, digest, SHA256_BYTES) != 0)
            continue;
        if (!counts(p, terms, now_s)) {
            clear(p);
            return NULL;
        }
        p->used = ++c->uses;
        return p->v;
    }
    return NULL;
}

/* The same token's place, else the one used longest ago; a free one was used at 0. */
static struct place *place_for(struct verified_cache *c, const unsigned char digest[SHA256_BYTES])
{
    struct place *set = set_of(c, digest), *oldest = set;

    for (size_t w = 0; w < WAYS; w++) {
        if (set[w].v != NULL && memcmp(set[w].digest, digest, SHA256_BYTES) == 0)
            return &set[w];
        if (set[w].used < oldest->used)
            oldest = &set[w];
    }
    return oldest;
}

void verified_put(struct verified_cache *c, const unsigned char digest[SHA256_BYTES],
                  const struct verified_terms *terms, int64_t until_s, struct verified *v)
{
    struct place *p = place_for(c, digest);

    clear(p);
    memcpy(p->digest, digest, SHA256_BYTES);
    p->terms = *terms;
    p->until_s = until_s;
    p->used = ++c->uses;
    p->v = verified_ref(v);
}
