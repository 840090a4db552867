#include "base/map.h"

#include "base/alloc.h"
#include "base/random.h"

#include <pthread.h>
#include <stdlib.h>

struct map_entry {
    struct map_entry *next;
    void *value;
    uint64_t hash;
    size_t key_bytes;
    char key[];
};

static uint64_t seed[2];
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void draw_seed(void)
{
    random_bytes(seed, sizeof(seed));
}

static inline uint64_t rotate(uint64_t x, int b)
{
    return (x << b) | (x >> (64 - b));
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-1-3: one round a word, three to finish. */
uint64_t hash_slice(struct slice s)
{
    uint64_t v[4], word, last = (uint64_t)s.n << 56;
    size_t i;

    pthread_once(&seed_once, draw_seed);
    v[0] = seed[0] ^ 0x736f6d6570736575U;
    v[1] = seed[1] ^ 0x646f72616e646f6dU;
    v[2] = seed[0] ^ 0x6c7967656e657261U;
    v[3] = seed[1] ^ 0x7465646279746573U;
    for (i = 0; i + 8 <= s.n; i += 8) {
        memcpy(&word, s.p + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t j = 0; i + j < s.n; j++)
        last |= (uint64_t)(unsigned char)s.p[i + j] << (8 * j);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int round = 0; round < 3; round++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_fini(struct map *m)
{
    for (size_t i = 0; i < m->slot_count; i++) {
        struct map_entry *e = m->slots[i];

        while (e != NULL) {
            struct map_entry *next = e->next;

            free(e);
            e = next;
        }
    }
    free(m->slots);
    *m = (struct map){0};
}

static struct map_entry **find(const struct map *m, struct slice key, uint64_t hash)
{
    struct map_entry **at = &m->slots[hash & (m->slot_count - 1)];

    while (*at != NULL && ((*at)->hash != hash || (*at)->key_bytes != key.n ||
                           (key.n > 0 && memcmp((*at)->key, key.p, key.n) != 0)))
        at = &(*at)->next;
    return at;
}

static void grow(struct map *m)
{
    size_t count = m->slot_count == 0 ? 16 : m->slot_count * 2;
    struct map_entry **slots = mem_zalloc(count * sizeof(*slots));

    for (size_t i = 0; i < m->slot_count; i++) {
        struct map_entry *e = m->slots[i];

        while (e != NULL) {
            struct map_entry *next = e->next, **head = &slots[e->hash & (count - 1)];

            e->next = *head;
            *head = e;
            e = next;
        }
    }
    free(m->slots);
    m->slots = slots;
    m->slot_count = count;
}

void *map_get(const struct map *m, struct slice key)
{
    struct map_entry *e;

    if (m->count == 0)
        return NULL;
    e = *find(m, key, hash_slice(key));
    return e != NULL ? e->value : NULL;
}

void *map_put(struct map *m, struct slice key, void *value)
{
    uint64_t hash = hash_slice(key);
    struct map_entry **at, *e;

    if (m->count >= m->slot_count)
        grow(m);
    at = find(m, key, hash);
    if (*at != NULL) {
        void *former = (*at)->value;

        (*at)->value = value;
        return former;
    }
    e = mem_alloc(sizeof(*e) + key.n);
    *e = (struct map_entry){.value = value, .hash = hash, .key_bytes = key.n};
    if (key.n > 0)
        memcpy(e->key, key.p, key.n);
    *at = e;
    m->count++;
    return NULL;
}

void *map_remove(struct map *m, struct slice key)
{
    struct map_entry **at, *e;
    void *value;

    if (m->count == 0)
        return NULL;
    at = find(m, key, hash_slice(key));
    if ((e = *at) == NULL)
        return NULL;
    value = e->value;
    *at = e->next;
    free(e);
    m->count--;
    return value;
}

bool map_next(const struct map *m, size_t *cursor, struct slice *key, void **value)
{
    /* The cursor counts visited entries within the slots: slot in the upper, depth in the lower
     * bits. */
    size_t slot = *cursor >> 16, depth = *cursor & 0xffff;

    for (; slot < m->slot_count; slot++, depth = 0) {
        struct map_entry *e = m->slots[slot];

        for (size_t i = 0; e != NULL && i < depth; i++)
            e = e->next;
        if (e == NULL)
            continue;
        *key = slice_of(e->key, e->key_bytes);
        *value = e->value;
        *cursor = slot << 16 | (depth + 1);
        return true;
    }
    return false;
}
