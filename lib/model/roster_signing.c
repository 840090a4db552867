#include "base/alloc.h"
#include "base/clock.h"
#include "base/random.h"
#include "model/reply.h"
#include "model/roster_call.h"
#include "model/roster_signing.h"
#include "model/signing.h"

#include <stdlib.h>

enum err roster_signing_read(struct call *c, struct pair **pairs, size_t *count)
{
    struct slice args[] = {SLICE("HGETALL"), keyspace_signing(&c->r->keys, &c->arena)};
    enum err e = call_command(c, args, CALL_COUNT(args));
    size_t max;

    if (e != ERR_OK)
        return e;
    max = reply_count(c->reply) / 2;
    *pairs = arena_alloc(&c->arena, (max + 1) * sizeof(**pairs));
    *count = 0;
    e = reply_pairs(c->reply, *pairs, max, count);
    if (e == ERR_SYNTAX)
        return ERR_UNAVAILABLE;
    return ERR_OK; /* none is an empty list */
}

static json_t *record_json(const struct signing_record *s)
{
    json_t *o = json_object();

    (void)json_object_set_new(o, "kid", call_json_text(s->kid));
    (void)json_object_set_new(o, "alg", call_json_text(alg_name(s->alg)));
    (void)json_object_set_new(o, "state", json_string(s->is_active ? "active" : "retiring"));
    (void)json_object_set_new(o, "created_at", call_json_time(s->created_at));
    return o;
}

static enum err list(struct call *c, json_t **out)
{
    struct signing_record *records;
    struct pair *pairs;
    size_t count, skipped;
    enum err e = roster_signing_read(c, &pairs, &count);

    if (e != ERR_OK)
        return e;
    records = mem_zalloc(SIGNING_KEYS_MAX * sizeof(*records));
    count = signing_records_read(pairs, count, records, &skipped);
    *out = json_array();
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(*out, record_json(&records[i]));
        signing_record_fini(&records[i]);
    }
    free(records);
    return ERR_OK;
}

enum err roster_signing_list(struct roster *r, json_t **out)
{
    struct call c;
    enum err e;

    call_init(&c, r);
    e = list(&c, out);
    call_fini(&c);
    return e;
}

/* op: rotate or ensure. record: buf_fini() by the caller. */
static enum err make(struct call *c, struct slice op, enum alg alg, struct slice kid,
                     struct buf *record)
{
    struct slice key = keyspace_signing(&c->r->keys, &c->arena);
    enum err e = signing_make(c->r->master, alg, kid, clock_wall_s(), record);

    if (e != ERR_OK)
        return e;
    const struct slice args[] = {op, kid, buf_slice(record)};
    return call_script(c, SCRIPT_SIGNING_CHANGE, &key, 1, args, CALL_COUNT(args));
}

enum err roster_signing_rotate(struct roster *r, enum alg alg, json_t **out)
{
    char kid[ID_CHARS + 1];
    struct signing_record made;
    struct buf record;
    struct call c;
    enum err e;

    call_init(&c, r);
    buf_init(&record);
    random_id(kid);
    e = make(&c, SLICE("rotate"), alg, slice_str(kid), &record);
    if (e == ERR_OK &&
        (e = signing_record_read(slice_str(kid), buf_slice(&record), &made)) == ERR_OK) {
        *out = record_json(&made);
        signing_record_fini(&made);
    }
    buf_fini(&record);
    call_fini(&c);
    return e;
}

enum err roster_signing_ensure(struct roster *r, enum alg alg)
{
    char kid[ID_CHARS + 1];
    struct buf record;
    struct call c;
    enum err e;

    call_init(&c, r);
    buf_init(&record);
    random_id(kid);
    e = make(&c, SLICE("ensure"), alg, slice_str(kid), &record);
    buf_fini(&record);
    call_fini(&c);
    return e;
}

enum err roster_signing_retire(struct roster *r, struct slice kid)
{
    const struct slice args[] = {SLICE("retire"), kid};
    struct slice key;
    struct call c;
    enum err e;

    call_init(&c, r);
    key = keyspace_signing(&r->keys, &c.arena);
    e = call_script(&c, SCRIPT_SIGNING_CHANGE, &key, 1, args, CALL_COUNT(args));
    call_fini(&c);
    return e;
}
