#include "store/cache.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <stdlib.h>

enum { ABSENT_LEAST = 64, ABSENT_MOST = 8192 };

struct cache_entry {
    struct list link;
    enum record_kind kind;
    void *record; /* one reference; NULL: absent */
    int64_t filled_ms, ends_s;
    size_t name_bytes;
    char name[];
};

void *record_ref(enum record_kind kind, void *record)
{
    switch (kind) {
    case RECORD_USER:
        ((struct user_record *)record)->refs++;
        break;
    case RECORD_KEY:
        ((struct key_record *)record)->refs++;
        break;
    case RECORD_SESSION:
        ((struct session_record *)record)->refs++;
        break;
    case RECORD_TOKEN:
        ((struct token_record *)record)->refs++;
        break;
    }
    return record;
}

void record_unref(enum record_kind kind, void *record)
{
    switch (kind) {
    case RECORD_USER:
        user_unref(record);
        break;
    case RECORD_KEY:
        key_unref(record);
        break;
    case RECORD_SESSION:
        session_unref(record);
        break;
    case RECORD_TOKEN:
        token_unref(record);
        break;
    }
}

static struct slice field(const struct pair *pairs, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(pairs[i].name, name))
            return pairs[i].value;
    }
    return SLICE_NONE;
}

enum err token_decode(const struct pair *pairs, size_t count, struct token_record **out)
{
    struct slice session = field(pairs, count, SLICE("session"));
    struct slice scopes = field(pairs, count, SLICE("scopes"));
    struct token_record *r;
    uint64_t expires;

    if (session.n == 0 || !slice_u64(field(pairs, count, SLICE("expires_at")), INT64_MAX, &expires))
        return ERR_SYNTAX;
    r = mem_alloc(sizeof(*r) + session.n + scopes.n);
    memcpy(r + 1, session.p, session.n);
    if (scopes.n > 0)
        memcpy((char *)(r + 1) + session.n, scopes.p, scopes.n);
    *r = (struct token_record){.refs = 1,
                               .session_id = slice_of(r + 1, session.n),
                               .scopes = slice_of((char *)(r + 1) + session.n, scopes.n),
                               .expires_at = (int64_t)expires};
    *out = r;
    return ERR_OK;
}

void token_unref(struct token_record *r)
{
    if (r == NULL)
        return;
    CHECK(r->refs > 0);
    if (--r->refs == 0)
        free(r);
}

static struct cache_list *list_of(struct cache *c, const struct cache_entry *e)
{
    return e->record != NULL ? &c->present : &c->absent;
}

static void drop(struct cache *c, struct cache_entry *e)
{
    list_remove(&e->link);
    list_of(c, e)->count--;
    map_remove(&c->map, slice_of(e->name, e->name_bytes));
    if (e->record != NULL)
        record_unref(e->kind, e->record);
    free(e);
}

static struct cache_entry *last_of(const struct cache_list *l)
{
    return LIST_ITEM(l->order.prev, struct cache_entry, link);
}

static void empty(struct cache *c)
{
    while (c->present.count > 0)
        drop(c, last_of(&c->present));
    while (c->absent.count > 0)
        drop(c, last_of(&c->absent));
}

static void set_max(struct cache *c, struct cache_list *l, size_t max)
{
    l->max = max;
    while (l->count > max)
        drop(c, last_of(l));
}

void cache_set_max(struct cache *c, size_t max)
{
    const size_t absent = max / 4;

    set_max(c, &c->present, max > 0 ? max : 1);
    set_max(c, &c->absent,
            absent < ABSENT_LEAST  ? ABSENT_LEAST
            : absent > ABSENT_MOST ? ABSENT_MOST
                                   : absent);
}

void cache_init(struct cache *c, size_t max)
{
    *c = (struct cache){.epoch = 0};
    map_init(&c->map);
    list_init(&c->present.order);
    list_init(&c->absent.order);
    cache_set_max(c, max);
}

void cache_fini(struct cache *c)
{
    empty(c);
    map_fini(&c->map);
}

/* Redis drops a subscriber that reads too slowly, so no entry lives on messages alone (rule e). */
static bool is_over(const struct cache_entry *e, int64_t now_ms)
{
    return now_ms - e->filled_ms > CACHE_TTL_MS || (e->ends_s != 0 && e->ends_s <= clock_wall_s());
}

enum cached cache_get(struct cache *c, struct slice name, enum record_kind kind, int64_t now_ms,
                      void **record)
{
    struct cache_entry *e = map_get(&c->map, name);

    if (e == NULL || e->kind != kind)
        return CACHED_NOT;
    if (is_over(e, now_ms)) {
        drop(c, e);
        return CACHED_NOT;
    }
    list_remove(&e->link);
    list_add_head(&list_of(c, e)->order, &e->link);
    *record = e->record;
    return e->record != NULL ? CACHED_RECORD : CACHED_ABSENT;
}

void cache_put(struct cache *c, struct slice name, enum record_kind kind, void *record,
               int64_t ends_s, int64_t now_ms)
{
    struct cache_entry *e = map_get(&c->map, name);
    struct cache_list *l = record != NULL ? &c->present : &c->absent;

    if (record != NULL)
        record_ref(kind, record); /* before the former entry goes: it may hold the same */
    if (e != NULL)
        drop(c, e);
    if (l->count >= l->max)
        drop(c, last_of(l));
    e = mem_alloc(sizeof(*e) + name.n);
    *e = (struct cache_entry){.kind = kind,
                              .record = record,
                              .filled_ms = now_ms,
                              .ends_s = ends_s,
                              .name_bytes = name.n};
    memcpy(e->name, name.p, name.n);
    list_add_head(&l->order, &e->link);
    l->count++;
    map_put(&c->map, name, e);
}

static uint64_t *slot_of(const struct cache *c, struct slice name)
{
    return (uint64_t *)&c->slots[hash_slice(name) % CACHE_SLOTS];
}

void cache_invalidate(struct cache *c, struct slice name)
{
    struct cache_entry *e = map_get(&c->map, name);

    *slot_of(c, name) = ++c->turn;
    if (e != NULL)
        drop(c, e);
}

void cache_flush(struct cache *c)
{
    c->epoch++;
    empty(c);
}

struct cache_mark cache_mark(const struct cache *c)
{
    return (struct cache_mark){c->epoch, c->turn};
}

bool cache_is_unmoved(const struct cache *c, struct cache_mark since, struct slice name)
{
    return c->epoch == since.epoch && *slot_of(c, name) <= since.turn;
}
