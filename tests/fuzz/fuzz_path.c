/* A target: its normal form is stable and holds nothing that a path may not hold. */
#include "http/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_form(struct slice text)
{
    struct slice rest = text, segment;

    CHECK(text.n > 0 && text.p[0] == '/');
    while (path_next(&rest, &segment)) {
        CHECK(segment.n > 0 || rest.n == 0);
        CHECK(!slice_eq(segment, SLICE(".")) && !slice_eq(segment, SLICE("..")));
    }
    for (size_t i = 0; i < text.n; i++)
        CHECK(text.p[i] > 0x20 && text.p[i] < 0x7f && text.p[i] != '\\' && text.p[i] != '#' &&
              text.p[i] != '?');
}

static void check_path(struct slice target, bool keep, struct arena *arena)
{
    struct path path, again;
    size_t count;

    if (path_normalise(target, keep, arena, &path) != ERR_OK || slice_eq(path.text, SLICE("*")))
        return;
    CHECK(path.text.n <= target.n && (keep || !path.has_encoded_slash));
    check_form(path.text);
    CHECK(path_normalise(path.text, keep, arena, &again) == ERR_OK);
    CHECK(slice_eq(path.text, again.text));
    (void)query_find(path.query, SLICE("a"), &count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size), text;
    struct arena arena;

    arena_init(&arena);
    check_path(bytes, false, &arena);
    check_path(bytes, true, &arena);
    if (percent_decode(bytes, true, &arena, &text) == ERR_OK)
        CHECK(text.n <= size && strlen(text.p) == text.n);
    arena_fini(&arena);
    return 0;
}
