/* Any bytes from Redis, in pieces: replies stay within their bounds and can be walked. */
#include "model/reply.h"
#include "store/resp.h"

#include <hiredis/hiredis.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DEPTH_MAX = 16 };

static size_t walk(const struct redisReply *r, unsigned depth)
{
    size_t n = reply_text(r).n + (reply_is_error(r, SLICE("NOSCRIPT")) ? 1 : 0);
    int64_t number;

    CHECK(depth <= DEPTH_MAX && reply_count(r) <= RESP_ELEMENTS_MAX);
    if (reply_number(r, &number))
        n++;
    for (size_t i = 0; i < reply_count(r); i++)
        n += walk(reply_at(r, i), depth + 1);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct resp *r = resp_new();
    size_t piece = size > 0 ? 1 + data[0] % 32 : 1;
    struct pair pairs[8];
    size_t count;

    for (size_t at = 0; at < size; at += piece) {
        struct redisReply *reply;
        size_t n = size - at < piece ? size - at : piece;
        enum err e = resp_feed(r, slice_of(data + at, n));

        while (e == ERR_OK && (e = resp_next(r, &reply)) == ERR_OK) {
            (void)walk(reply, 0);
            if (reply_pairs(reply, pairs, 8, &count) == ERR_OK)
                CHECK(count > 0 && count <= 8);
            freeReplyObject(reply);
        }
        if (e != ERR_OK && e != ERR_AGAIN)
            break;
    }
    resp_free(r);
    return 0;
}
