#include "store/resp.h"

#include "base/alloc.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

struct resp {
    redisReader *reader;
    redisReplyObjectFunctions bounded;
    void *(*create_array)(const redisReadTask *task, element_count count); /* of hiredis */
    size_t reply_bytes; /* fed since the last whole reply */
};

/* NULL makes the reader stop with an error. */
static void *create_array(const redisReadTask *task, element_count count)
{
    const struct resp *r = task->privdata;

    if (count > RESP_ELEMENTS_MAX)
        return NULL;
    return r->create_array(task, count);
}

struct resp *resp_new(void)
{
    struct resp *r = mem_zalloc(sizeof(*r));

    r->reader = redisReaderCreate();
    CHECK(r->reader != NULL);
    r->bounded = *r->reader->fn;
    r->create_array = r->bounded.createArray;
    r->bounded.createArray = create_array;
    r->reader->fn = &r->bounded;
    r->reader->privdata = r;
    return r;
}

void resp_free(struct resp *r)
{
    if (r == NULL)
        return;
    redisReaderFree(r->reader);
    free(r);
}

enum err resp_feed(struct resp *r, struct slice bytes)
{
    r->reply_bytes += bytes.n;
    if (r->reply_bytes > RESP_REPLY_BYTES_MAX)
        return ERR_TOO_LARGE;
    return redisReaderFeed(r->reader, bytes.p, bytes.n) == REDIS_OK ? ERR_OK : ERR_SYNTAX;
}

enum err resp_next(struct resp *r, struct redisReply **out)
{
    void *reply = NULL;

    if (redisReaderGetReply(r->reader, &reply) != REDIS_OK)
        return ERR_SYNTAX;
    if (reply == NULL)
        return ERR_AGAIN;
    r->reply_bytes = 0;
    *out = reply;
    return ERR_OK;
}
