/* A chunked body: whole, byte by byte and without an arena it is the same body. */
#include "base/buf.h"
#include "http/h1_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum h1_result result;
    struct buf data;
    size_t taken, trailers;
};

static void feed(struct slice bytes, size_t step, struct arena *arena, struct outcome *out)
{
    struct h1_body b;

    *out = (struct outcome){.result = H1_MORE};
    h1_body_init(&b, H1_FRAMING_CHUNKED, 0, arena);
    while (out->result == H1_MORE && out->taken < bytes.n) {
        struct slice piece = slice_to(slice_from(bytes, out->taken), step), data;
        size_t used;

        out->result = h1_body_feed(&b, piece, &data, &used);
        CHECK(used <= piece.n && (used > 0 || out->result != H1_MORE));
        CHECK(data.n == 0 || (data.p >= piece.p && data.p + data.n <= piece.p + piece.n));
        buf_add(&out->data, data);
        out->taken += used;
    }
    out->trailers = b.trailers != NULL ? b.trailers->count : 0;
    CHECK(h1_body_eof(&b) == (out->result == H1_DONE ? H1_DONE : H1_BAD));
    h1_body_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    struct outcome whole, bytewise, without;
    struct arena arena;

    arena_init(&arena);
    feed(bytes, size, &arena, &whole);
    feed(bytes, 1, &arena, &bytewise);
    feed(bytes, 3, NULL, &without);
    CHECK(whole.result == bytewise.result && whole.result == without.result);
    CHECK(whole.taken == bytewise.taken && whole.taken == without.taken);
    CHECK(whole.trailers == bytewise.trailers);
    CHECK(slice_eq(buf_slice(&whole.data), buf_slice(&bytewise.data)));
    CHECK(slice_eq(buf_slice(&whole.data), buf_slice(&without.data)));
    buf_fini(&whole.data);
    buf_fini(&bytewise.data);
    buf_fini(&without.data);
    arena_fini(&arena);
    return 0;
}
