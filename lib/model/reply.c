#include "model/reply.h"

#include <hiredis/hiredis.h>

bool reply_is_error(const struct redisReply *r, struct slice prefix)
{
    return r != NULL && r->type == REDIS_REPLY_ERROR && r->str != NULL &&
           slice_starts(slice_of(r->str, (size_t)r->len), prefix);
}

struct slice reply_text(const struct redisReply *r)
{
    if (r == NULL || r->str == NULL ||
        (r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_STATUS))
        return SLICE_NONE;
    return slice_of(r->str, (size_t)r->len);
}

bool reply_number(const struct redisReply *r, int64_t *out)
{
    uint64_t n;

    if (r == NULL)
        return false;
    if (r->type == REDIS_REPLY_INTEGER) {
        *out = r->integer;
        return true;
    }
    if (!slice_u64(reply_text(r), INT64_MAX, &n))
        return false;
    *out = (int64_t)n;
    return true;
}

size_t reply_count(const struct redisReply *r)
{
    return r != NULL && r->type == REDIS_REPLY_ARRAY && r->element != NULL ? r->elements : 0;
}

const struct redisReply *reply_at(const struct redisReply *r, size_t i)
{
    return i < reply_count(r) ? r->element[i] : NULL;
}

enum err reply_pairs(const struct redisReply *r, struct pair *pairs, size_t max, size_t *count)
{
    size_t n = reply_count(r);

    if (r == NULL || r->type != REDIS_REPLY_ARRAY || n % 2 != 0 || n / 2 > max)
        return ERR_SYNTAX;
    if (n == 0)
        return ERR_NOT_FOUND;
    for (size_t i = 0; i < n; i += 2) {
        struct slice name = reply_text(r->element[i]), value = reply_text(r->element[i + 1]);

        if (name.p == NULL || value.p == NULL)
            return ERR_SYNTAX;
        pairs[i / 2] = (struct pair){name, value};
    }
    *count = n / 2;
    return ERR_OK;
}
