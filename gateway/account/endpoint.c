#include "account/endpoint.h"

enum { PUBLIC = 1 };

static const struct endpoint endpoints[] = {
#define ENDPOINT(id, verb, text, access, help)                                                     \
    {.method = {verb, sizeof(verb) - 1},                                                           \
     .path = {text, sizeof(text) - 1},                                                             \
     .name = {#id, sizeof(#id) - 1},                                                               \
     .is_public = (access) == PUBLIC,                                                              \
     .answer = account_##id},
#include "account/endpoint.def"
#undef ENDPOINT
};

const struct endpoint *endpoint_find(struct slice method, struct slice path, bool *other_method)
{
    if (slice_eq(method, SLICE("HEAD")))
        method = SLICE("GET");
    *other_method = false;
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        if (!slice_eq(endpoints[i].path, path))
            continue;
        if (slice_eq(endpoints[i].method, method))
            return &endpoints[i];
        *other_method = true;
    }
    return NULL;
}
