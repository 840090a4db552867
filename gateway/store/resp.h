#ifndef STORE_RESP_H
#define STORE_RESP_H

#include "base/err.h"
#include "base/slice.h"

struct redisReply;

/*
 * Redis replies from bytes: the reader of hiredis (0.14 and 1.x) with bounds that
 * 0.14 lacks: elements of an array, bytes of one reply. Nesting is bounded by
 * hiredis itself. After an error the connection cannot be read on.
 */
struct resp;

enum { RESP_ELEMENTS_MAX = 65536, RESP_REPLY_BYTES_MAX = 4 * 1024 * 1024 };

struct resp *resp_new(void);
void resp_free(struct resp *r);

/* Copies bytes. ERR_TOO_LARGE: no reply ended within RESP_REPLY_BYTES_MAX. */
enum err resp_feed(struct resp *r, struct slice bytes) MUST_USE;
/* The next whole reply, for freeReplyObject(). ERR_AGAIN: feed more; ERR_SYNTAX. */
enum err resp_next(struct resp *r, struct redisReply **out) MUST_USE;

#endif
