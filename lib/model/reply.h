#ifndef MODEL_REPLY_H
#define MODEL_REPLY_H

#include "base/err.h"
#include "model/record.h"

struct redisReply;

/* Reading RESP replies without trusting their types (hiredis trees, borrowed). */
bool reply_is_error(const struct redisReply *r, struct slice prefix);
struct slice reply_text(const struct redisReply *r);         /* SLICE_NONE when no string */
bool reply_number(const struct redisReply *r, int64_t *out); /* integer or digits */
const struct redisReply *reply_at(const struct redisReply *r, size_t i); /* NULL when absent */
size_t reply_count(const struct redisReply *r);
/* A flat array name, value, name, value; pairs has room for max. ERR_SYNTAX, ERR_NOT_FOUND when
 * empty. */
enum err reply_pairs(const struct redisReply *r, struct pair *pairs, size_t max,
                     size_t *count) MUST_USE;

#endif
