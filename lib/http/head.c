#include "http/head.h"

#include <string.h>

void head_init(struct head *h, struct arena *arena)
{
    *h = (struct head){.arena = arena};
}

static void grow(struct head *h)
{
    size_t room = h->room == 0 ? 16 : h->room * 2;
    struct field *fields = arena_alloc(h->arena, room * sizeof(*fields));

    if (h->count > 0)
        memcpy(fields, h->fields, h->count * sizeof(*fields));
    h->fields = fields;
    h->room = room;
}

static void add(struct head *h, struct field f)
{
    if (h->count == h->room)
        grow(h);
    h->fields[h->count++] = f;
}

void head_add(struct head *h, struct slice name, struct slice value)
{
    add(h, (struct field){name, value, header_find(name)});
}

void head_add_id(struct head *h, enum header id, struct slice value)
{
    CHECK(id != HEADER_OTHER);
    add(h, (struct field){header_name(id), value, id});
}

static bool has_id(const struct field *f, void *arg)
{
    return f->id == *(const enum header *)arg;
}

void head_set(struct head *h, enum header id, struct slice value)
{
    head_remove(h, id);
    head_add_id(h, id, value);
}

void head_remove(struct head *h, enum header id)
{
    head_remove_if(h, has_id, &id);
}

size_t head_remove_if(struct head *h, bool (*drop)(const struct field *f, void *arg), void *arg)
{
    size_t kept = 0, before = h->count;

    for (size_t i = 0; i < h->count; i++) {
        if (drop(&h->fields[i], arg))
            continue;
        if (kept != i)
            h->fields[kept] = h->fields[i];
        kept++;
    }
    h->count = kept;
    return before - kept;
}

const struct field *head_find(const struct head *h, enum header id)
{
    for (size_t i = 0; i < h->count; i++)
        if (h->fields[i].id == id)
            return &h->fields[i];
    return NULL;
}

struct slice head_value(const struct head *h, enum header id)
{
    const struct field *f = head_find(h, id);

    return f != NULL ? f->value : SLICE_NONE;
}

size_t head_count(const struct head *h, enum header id)
{
    size_t n = 0;

    for (size_t i = 0; i < h->count; i++)
        n += h->fields[i].id == id;
    return n;
}

bool head_has_token(const struct head *h, enum header id, struct slice token)
{
    for (size_t i = 0; i < h->count; i++) {
        struct slice rest = h->fields[i].value;

        if (h->fields[i].id != id)
            continue;
        while (rest.p != NULL)
            if (slice_eq_ci(slice_trim(slice_cut(&rest, ',')), token))
                return true;
    }
    return false;
}

static bool is_hop_by_hop(const struct field *f, void *arg)
{
    (void)arg;
    return (header_flags(f->id) & HEADER_FLAG_HOP) != 0;
}

static void remove_named(struct head *h, struct slice name)
{
    size_t kept = 0;

    for (size_t i = 0; i < h->count; i++) {
        if (h->fields[i].name.n == name.n && slice_eq_ci(h->fields[i].name, name))
            continue;
        if (kept != i)
            h->fields[kept] = h->fields[i];
        kept++;
    }
    h->count = kept;
}

/* May Connection have this field deleted? Itself is taken out line by line below. */
static bool may_name(struct slice token)
{
    enum header id = header_find_folded(token);
    unsigned kept = HEADER_FLAG_FRAMING | HEADER_FLAG_CREDENTIAL;

    return token.n > 0 && id != HEADER_CONNECTION && (header_flags(id) & kept) == 0 &&
           !header_is_reserved(token);
}

/* Takes the first Connection line out of h; false when there is none. */
static bool take_connection(struct head *h, struct slice *value)
{
    const struct field *f = head_find(h, HEADER_CONNECTION);
    size_t at;

    if (f == NULL)
        return false;
    *value = f->value;
    at = (size_t)(f - h->fields);
    memmove(&h->fields[at], &h->fields[at + 1], (h->count - at - 1) * sizeof(*h->fields));
    h->count--;
    return true;
}

void head_strip_hop_by_hop(struct head *h)
{
    struct slice rest;

    while (take_connection(h, &rest)) {
        while (rest.p != NULL) {
            struct slice token = slice_trim(slice_cut(&rest, ','));

            if (may_name(token))
                remove_named(h, token);
        }
    }
    head_remove_if(h, is_hop_by_hop, NULL);
}
