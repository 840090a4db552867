#include "store/store_own.h"

#include "base/alloc.h"
#include "model/reply.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

/*
 * Who is behind a credential: from the cache, or by one script that reads the
 * whole chain (token -> session -> user, key -> user) at one instant.
 *
 * A reply that a change may have overtaken is not used: the question is asked again,
 * or a stream begun on it would outlive the revocation whose message has passed.
 */
enum { PAIRS_MAX = 64, TRIES_MAX = 8, CHAIN_MAX = 3 };

struct lookup {
    struct question q;
    struct store *store;
    enum record_kind kind; /* of the first record of the chain */
    struct cache_mark mark;
    unsigned tries;
    bool is_joinable; /* stands in store->flights */
    size_t name_bytes;
    char name[];
};

/* One record of a chain as the reply tells it. */
struct found {
    enum record_kind kind;
    struct slice name;
    void *record; /* one reference, or NULL: absent */
    int64_t ends_s;
};

struct chain {
    struct found found[CHAIN_MAX];
    size_t count;
};

static const struct {
    enum script script;
    size_t length; /* records of the chain */
} chains[] = {
    [RECORD_KEY] = {SCRIPT_IDENTITY_BY_KEY, 2},
    [RECORD_SESSION] = {SCRIPT_IDENTITY_BY_SESSION, 2},
    [RECORD_TOKEN] = {SCRIPT_IDENTITY_BY_TOKEN, 3},
};

static void chain_clear(struct chain *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->found[i].record != NULL)
            record_unref(c->found[i].kind, c->found[i].record);
    }
    c->count = 0;
}

/* What follows a record in its chain, and under which name. False at the end. */
static bool next_in_chain(struct store *s, const struct found *f, struct found *next)
{
    switch (f->kind) {
    case RECORD_USER:
        return false;
    case RECORD_KEY:
        next->kind = RECORD_USER;
        next->name =
            keyspace_user(&s->keys, &s->names, ((const struct key_record *)f->record)->user_id);
        return true;
    case RECORD_SESSION:
        next->kind = RECORD_USER;
        next->name =
            keyspace_user(&s->keys, &s->names, ((const struct session_record *)f->record)->user_id);
        return true;
    case RECORD_TOKEN:
        next->kind = RECORD_SESSION;
        next->name = keyspace_session(&s->keys, &s->names,
                                      ((const struct token_record *)f->record)->session_id);
        return true;
    }
    return false;
}

/* Hands the chain's references to op; the scopes are borrowed. A gap anywhere proves nobody. */
static enum err give(const struct chain *c, struct store_op *op)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->found[i].record == NULL)
            return ERR_NOT_FOUND;
    }
    for (size_t i = 0; i < c->count; i++) {
        const struct found *f = &c->found[i];

        switch (f->kind) {
        case RECORD_USER:
            op->user = record_ref(f->kind, f->record);
            break;
        case RECORD_KEY:
            op->key = record_ref(f->kind, f->record);
            break;
        case RECORD_SESSION:
            op->session = record_ref(f->kind, f->record);
            break;
        case RECORD_TOKEN:
            op->token_scopes = ((const struct token_record *)f->record)->scopes;
            break;
        }
    }
    return ERR_OK;
}

/* The chain from the cache, with references. False when any part is not there. */
static bool chain_from_cache(struct store *s, enum record_kind kind, struct slice name,
                             struct chain *c)
{
    struct found next = {.kind = kind, .name = name};

    do {
        struct found *f = &c->found[c->count];
        void *record = NULL;

        *f = next;
        switch (cache_get(&s->cache, f->name, f->kind, s->worker->now_ms, &record)) {
        case CACHED_NOT:
            return false;
        case CACHED_ABSENT:
            c->count++;
            return true;
        case CACHED_RECORD:
            f->record = record_ref(f->kind, record);
            c->count++;
        }
    } while (next_in_chain(s, &c->found[c->count - 1], &next));
    return true;
}

static bool find_cached(struct store *s, enum record_kind kind, struct slice name,
                        struct store_op *op)
{
    struct chain c = {.count = 0};
    bool is_known = store_may_serve(s) && chain_from_cache(s, kind, name, &c);

    if (is_known) {
        op->e = give(&c, op);
        op->was_cached = true;
        if (op->token_scopes.n > 0) /* the cache may drop the record; the names' arena is ours */
            op->token_scopes = arena_dup(&s->names, op->token_scopes);
    }
    chain_clear(&c);
    return is_known;
}

static enum err decode(struct found *f, const struct redisReply *reply)
{
    struct pair pairs[PAIRS_MAX];
    size_t count;
    enum err e = reply_pairs(reply, pairs, PAIRS_MAX, &count);

    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    if (e != ERR_OK)
        return e;
    switch (f->kind) {
    case RECORD_USER:
        return user_decode(pairs, count, (struct user_record **)&f->record);
    case RECORD_KEY:
        return key_decode(pairs, count, (struct key_record **)&f->record);
    case RECORD_SESSION:
        e = session_decode(pairs, count, (struct session_record **)&f->record);
        f->ends_s = e == ERR_OK ? ((const struct session_record *)f->record)->expires_at : 0;
        return e;
    case RECORD_TOKEN:
        e = token_decode(pairs, count, (struct token_record **)&f->record);
        f->ends_s = e == ERR_OK ? ((const struct token_record *)f->record)->expires_at : 0;
        return e;
    }
    return ERR_SYNTAX;
}

/* Reads the reply along the chain until its end or the first record that is absent. */
static enum err chain_from_reply(struct lookup *l, const struct redisReply *reply, struct chain *c)
{
    struct store *s = l->store;
    struct found next = {.kind = l->kind, .name = slice_of(l->name, l->name_bytes)};

    if (reply_count(reply) != chains[l->kind].length)
        return ERR_SYNTAX;
    store_names(s);
    do {
        struct found *f = &c->found[c->count];
        enum err e;

        *f = next;
        f->record = NULL;
        if ((e = decode(f, reply_at(reply, c->count))) != ERR_OK)
            return e;
        c->count++;
        if (f->record == NULL)
            return ERR_OK;
    } while (c->count < chains[l->kind].length && next_in_chain(s, &c->found[c->count - 1], &next));
    return ERR_OK;
}

static bool is_unmoved(const struct lookup *l, const struct chain *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (!cache_is_unmoved(&l->store->cache, l->mark, c->found[i].name))
            return false;
    }
    return true;
}

static void remember(struct store *s, const struct chain *c)
{
    if (!store_is_tracked(s))
        return;
    for (size_t i = 0; i < c->count; i++) {
        const struct found *f = &c->found[i];

        cache_put(&s->cache, f->name, f->kind, f->record, f->ends_s, s->worker->now_ms);
    }
}

/* Nobody joins any more: what it reads is settled. */
static void close_flight(struct lookup *l)
{
    if (l->is_joinable)
        map_remove(&l->store->flights, slice_of(l->name, l->name_bytes));
    l->is_joinable = false;
}

static void finish(struct lookup *l, enum err e, struct chain *c)
{
    close_flight(l);
    question_close(&l->q);
    while (!list_is_empty(&l->q.ops)) {
        struct store_op *op = LIST_ITEM(l->q.ops.next, struct store_op, link);

        op_finish(op, e != ERR_OK ? e : give(c, op));
    }
    chain_clear(c);
    free(l);
}

static void on_reply(void *arg, const struct redisReply *reply);

static bool ask(struct lookup *l)
{
    struct store *s = l->store;
    struct slice name = slice_of(l->name, l->name_bytes);

    l->mark = cache_mark(&s->cache);
    l->tries++;
    return link_script(s->link, chains[l->kind].script, &name, 1, &s->keys.prefix, 1, on_reply, l);
}

static void on_reply(void *arg, const struct redisReply *reply)
{
    struct lookup *l = arg;
    struct chain c = {.count = 0};
    enum err e = reply != NULL ? chain_from_reply(l, reply, &c) : ERR_UNAVAILABLE;

    if (e != ERR_OK && reply != NULL) {
        if (reply->type != REDIS_REPLY_ERROR)
            log_warn(l->store->worker->log, "store.record_malformed",
                     LOG_SLICE("key", slice_of(l->name, l->name_bytes)));
        e = ERR_UNAVAILABLE;
    }
    if (e == ERR_OK && !is_unmoved(l, &c)) {
        chain_clear(&c);
        close_flight(l);
        if (l->tries < TRIES_MAX && ask(l))
            return;
        e = ERR_UNAVAILABLE;
    }
    if (e == ERR_OK)
        remember(l->store, &c);
    finish(l, e, &c);
}

/*
 * A question on its way answers this one too, unless a message since then says that
 * it may have been read before a change that this one must see.
 */
static bool join(struct store *s, struct slice name, struct store_op *op)
{
    struct lookup *l = map_get(&s->flights, name);

    if (l == NULL || !store_is_tracked(s) || cache_mark(&s->cache).epoch != l->mark.epoch ||
        cache_mark(&s->cache).turn != l->mark.turn)
        return false;
    op_wait(&l->q, op);
    return true;
}

static bool start(struct store *s, enum record_kind kind, struct slice name, struct store_op *op)
{
    struct lookup *l = mem_alloc(sizeof(*l) + name.n), *former;

    *l = (struct lookup){.store = s, .kind = kind, .name_bytes = name.n, .is_joinable = true};
    memcpy(l->name, name.p, name.n);
    if (!ask(l)) {
        free(l);
        op->e = ERR_UNAVAILABLE;
        return true;
    }
    question_open(s, &l->q);
    op_wait(&l->q, op);
    former = map_put(&s->flights, name, l);
    if (former != NULL)
        former->is_joinable = false;
    return false;
}

static bool find(struct store *s, enum record_kind kind, struct slice name, struct store_op *op)
{
    op_begin(s, op);
    if (find_cached(s, kind, name, op))
        return true;
    if (join(s, name, op))
        return false;
    return start(s, kind, name, op);
}

bool store_find_key(struct store *s, struct slice key_id, struct store_op *op)
{
    return find(s, RECORD_KEY, keyspace_key(&s->keys, store_names(s), key_id), op);
}

bool store_find_session(struct store *s, struct slice session_id, struct store_op *op)
{
    return find(s, RECORD_SESSION, keyspace_session(&s->keys, store_names(s), session_id), op);
}

bool store_find_token(struct store *s, const unsigned char mac[32], struct store_op *op)
{
    return find(s, RECORD_TOKEN, keyspace_token(&s->keys, store_names(s), mac), op);
}
