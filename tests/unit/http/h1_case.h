#ifndef TEST_HTTP_H1_CASE_H
#define TEST_HTTP_H1_CASE_H

#include "case.h"

#include "http/h1_parse.h"

static const struct h1_limits roomy = {
    .head_bytes = 8192, .field_count = 100, .target_bytes = 4096};

/*
 * Scans bytes as they arrive: the first piece of first bytes, then pieces of step
 * bytes; each look is at an exact-size copy of all bytes so far.
 */
static inline enum h1_result scan_in_pieces(struct slice bytes, size_t limit, bool is_request,
                                            size_t first, size_t step, size_t *head_bytes)
{
    struct h1_scan scan = {0};
    enum h1_result r = H1_MORE;

    for (size_t n = first;; n += step) {
        struct slice sofar = exact(slice_to(bytes, n));

        r = h1_scan_head(&scan, sofar, limit, is_request, head_bytes);
        exact_free(sofar);
        if (r != H1_MORE || n >= bytes.n)
            return r;
    }
}

/* The verdict on a request head that arrives so, and the parsed parts when it is good. */
static inline enum h1_result receive_request(struct slice bytes, size_t first, size_t step,
                                             struct arena *arena, struct head *head,
                                             struct h1_request *request)
{
    size_t head_bytes = 0;
    enum h1_result r = scan_in_pieces(bytes, roomy.head_bytes, true, first, step, &head_bytes);
    struct slice block;

    head_init(head, arena);
    if (r != H1_DONE)
        return r;
    block = exact(slice_to(bytes, head_bytes));
    r = h1_parse_request(block, &roomy, head, request);
    /* What the head points to must outlive the block. */
    if (r == H1_DONE) {
        struct slice kept = arena_dup(arena, block);

        head_init(head, arena);
        assert_int_equal(h1_parse_request(kept, &roomy, head, request), H1_DONE);
    }
    exact_free(block);
    return r;
}

static inline enum h1_result receive_response(struct slice bytes, size_t first, size_t step,
                                              struct slice method, struct arena *arena,
                                              struct head *head, struct h1_response *response)
{
    size_t head_bytes = 0;
    enum h1_result r = scan_in_pieces(bytes, roomy.head_bytes, false, first, step, &head_bytes);
    struct slice block;

    head_init(head, arena);
    if (r != H1_DONE)
        return r;
    block = exact(slice_to(bytes, head_bytes));
    r = h1_parse_response(block, &roomy, method, head, response);
    if (r == H1_DONE) {
        struct slice kept = arena_dup(arena, block);

        head_init(head, arena);
        assert_int_equal(h1_parse_response(kept, &roomy, method, head, response), H1_DONE);
    }
    exact_free(block);
    return r;
}

#endif
