#include "auth/assertions.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { PLACES = 256 };

struct assertion {
    unsigned char digest[SHA256_BYTES];
    uint64_t generation;
    int64_t until_s;
    char *text; /* owned; NULL: free place */
    size_t text_n;
};

struct assertions {
    struct assertion places[PLACES];
};

struct assertions *assertions_new(void)
{
    return mem_zalloc(sizeof(struct assertions));
}

void assertions_free(struct assertions *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < PLACES; i++)
        free(a->places[i].text);
    free(a);
}

struct slice assertions_find(const struct assertions *a, const unsigned char digest[SHA256_BYTES],
                             uint64_t generation, int64_t now_s)
{
    const struct assertion *at = &a->places[digest[0] % PLACES];

    if (at->text == NULL || at->generation != generation || now_s >= at->until_s ||
        memcmp(at->digest, digest, SHA256_BYTES) != 0)
        return SLICE_NONE;
    return slice_of(at->text, at->text_n);
}

void assertions_put(struct assertions *a, const unsigned char digest[SHA256_BYTES],
                    uint64_t generation, int64_t until_s, struct slice text)
{
    struct assertion *at = &a->places[digest[0] % PLACES];

    free(at->text);
    *at = (struct assertion){.generation = generation,
                             .until_s = until_s,
                             .text = mem_strndup(text.p, text.n),
                             .text_n = text.n};
    memcpy(at->digest, digest, SHA256_BYTES);
}
