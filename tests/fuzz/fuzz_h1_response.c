/* A response head: as fuzz_h1_request. The first byte chooses the request's method. */
#include "http/h1_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct h1_limits limits = {
    .head_bytes = 16384, .field_count = 64, .target_bytes = 4096};

static void write_and_read_again(const struct head *head, const struct h1_response *response,
                                 struct slice method, struct arena *arena)
{
    const struct h1_limits roomy = {.head_bytes = 65536, .field_count = 70, .target_bytes = 8192};
    struct h1_response again;
    struct head head_again;
    struct buf out;

    buf_init(&out);
    h1_write_response(&out, head, response->framing, response->content_length, false);
    head_init(&head_again, arena);
    CHECK(h1_parse_response(buf_slice(&out), &roomy, method, &head_again, &again) == H1_DONE);
    CHECK(again.framing == response->framing && head_again.status == head->status);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size), method;
    struct h1_scan scan = {0}, bytewise_scan = {0};
    struct h1_response response;
    struct arena arena;
    struct head head;
    size_t whole = 0, bytewise = 0;
    enum h1_result r, s = H1_MORE;

    if (size == 0)
        return 0;
    method = data[0] % 2 ? SLICE("HEAD") : SLICE("GET");
    bytes = slice_from(bytes, 1);
    r = h1_scan_head(&scan, bytes, limits.head_bytes, false, &whole);
    for (size_t n = 0; n <= bytes.n && s == H1_MORE; n++)
        s = h1_scan_head(&bytewise_scan, slice_to(bytes, n), limits.head_bytes, false, &bytewise);
    CHECK(r == s && whole == bytewise);
    arena_init(&arena);
    head_init(&head, &arena);
    (void)h1_parse_response(bytes, &limits, method, &head, &response);
    head_init(&head, &arena);
    if (r == H1_DONE &&
        h1_parse_response(slice_to(bytes, whole), &limits, method, &head, &response) == H1_DONE)
        write_and_read_again(&head, &response, method, &arena);
    arena_fini(&arena);
    return 0;
}
