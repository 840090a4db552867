/*
 * A request head: the verdict does not depend on the split, and what was taken,
 * written again and read again, says the same.
 */
#include "http/h1_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct h1_limits limits = {
    .head_bytes = 16384, .field_count = 64, .target_bytes = 4096};

static enum h1_result scan_bytewise(struct slice bytes, size_t *head_bytes)
{
    struct h1_scan scan = {0};
    enum h1_result r = H1_MORE;

    for (size_t n = 0; n <= bytes.n && r == H1_MORE; n++)
        r = h1_scan_head(&scan, slice_to(bytes, n), limits.head_bytes, true, head_bytes);
    return r;
}

static void write_and_read_again(const struct head *head, const struct h1_request *request,
                                 struct arena *arena)
{
    const struct h1_limits roomy = {.head_bytes = 65536, .field_count = 70, .target_bytes = 8192};
    struct h1_request again;
    struct head head_again;
    struct buf out;

    buf_init(&out);
    h1_write_request(&out, head, request->framing, request->content_length, false);
    head_init(&head_again, arena);
    if (head->authority.n > 0) {
        CHECK(h1_parse_request(buf_slice(&out), &roomy, &head_again, &again) == H1_DONE);
        CHECK(again.framing == request->framing || request->framing == H1_FRAMING_NONE);
        CHECK(again.content_length == request->content_length);
        CHECK(slice_eq(head_again.method, head->method));
        CHECK(slice_eq(head_again.target, head->target));
        CHECK(slice_eq(head_again.authority, head->authority));
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    struct h1_scan scan = {0};
    struct h1_request request;
    struct arena arena;
    struct head head;
    size_t whole = 0, bytewise = 0;
    enum h1_result r = h1_scan_head(&scan, bytes, limits.head_bytes, true, &whole);

    CHECK(scan_bytewise(bytes, &bytewise) == r && bytewise == whole);
    arena_init(&arena);
    head_init(&head, &arena);
    /* The parser stands alone: it must refuse what the scanner would not have given it. */
    (void)h1_parse_request(bytes, &limits, &head, &request);
    head_init(&head, &arena);
    if (r == H1_DONE &&
        h1_parse_request(slice_to(bytes, whole), &limits, &head, &request) == H1_DONE) {
        write_and_read_again(&head, &request, &arena);
        head_strip_hop_by_hop(&head);
        CHECK(head_find(&head, HEADER_CONNECTION) == NULL);
    }
    arena_fini(&arena);
    return 0;
}
