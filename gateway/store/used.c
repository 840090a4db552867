#include "store/store_own.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Last use of keys, reported at once for the first use and then summed up each minute
 * (api.md 4.9: last_used, usage_count). Redis sets the time; a report that fails is lost.
 */
enum { USED_MAX = 65536, REPORT_EVERY_MS = 60000 };

struct key_use {
    uint64_t count; /* since the last report */
    size_t id_bytes;
    char id[];
};

static void ignore_reply(void *arg, const struct redisReply *reply)
{
    (void)arg;
    (void)reply;
}

static void report(struct store *s, struct slice key_id, uint64_t count)
{
    struct arena *a = store_names(s);
    const struct slice keys[] = {keyspace_used(&s->keys, a, key_id),
                                 keyspace_key(&s->keys, a, key_id)};
    char text[24];
    const struct slice arg =
        slice_of(text, (size_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)count));

    if (!link_script(s->link, SCRIPT_KEY_USED, keys, 2, &arg, 1, ignore_reply, NULL))
        return; /* as good as a lost one */
}

/* Reports what gathered, and forgets the keys that were idle since the last time. */
static void report_all(struct store *s)
{
    struct map kept;
    struct slice id;
    void *value;
    size_t cursor = 0;

    map_init(&kept);
    while (map_next(&s->used, &cursor, &id, &value)) {
        struct key_use *use = value;

        if (use->count == 0) {
            free(use);
            continue;
        }
        report(s, id, use->count);
        use->count = 0;
        map_put(&kept, id, use);
    }
    map_fini(&s->used);
    s->used = kept;
}

static void on_minute(void *arg)
{
    struct store *s = arg;

    report_all(s);
    if (s->used.count > 0)
        timer_set(&s->used_timer, REPORT_EVERY_MS);
}

void store_key_used(struct store *s, struct slice key_id)
{
    struct key_use *use = map_get(&s->used, key_id);

    if (use != NULL) {
        use->count++;
        return;
    }
    report(s, key_id, 1);
    if (s->used.count >= USED_MAX)
        return;
    if (s->used.count == 0)
        timer_set(&s->used_timer, REPORT_EVERY_MS);
    use = mem_zalloc(sizeof(*use));
    map_put(&s->used, key_id, use);
}

void used_init(struct store *s)
{
    map_init(&s->used);
    timer_init(&s->used_timer, s->worker, on_minute, s);
}

void used_fini(struct store *s)
{
    struct slice id;
    void *value;
    size_t cursor = 0;

    timer_fini(&s->used_timer);
    while (map_next(&s->used, &cursor, &id, &value))
        free(value);
    map_fini(&s->used);
}
