#ifndef MODEL_SIGNING_H
#define MODEL_SIGNING_H

#include "model/roster.h"

/*
 * A signing key as it is stored: JSON {alg, state, created_at, key}, key being the private
 * JWK sealed with the kid in its context. Within this room only.
 */
enum { SIGNING_RECORD_BYTES_MAX = 32 * 1024, SIGNING_KEYS_MAX = 64 };

struct signing_record {
    struct slice kid;
    enum alg alg;
    bool is_active; /* otherwise retiring */
    int64_t created_at;
    json_t *object; /* owned; the sealed key is its member "key" */
};

enum err signing_record_read(struct slice kid, struct slice text,
                             struct signing_record *out) MUST_USE;
void signing_record_fini(struct signing_record *s);

/*
 * The readable ones of pairs, newest first; out has SIGNING_KEYS_MAX. *skipped: how
 * many were not readable or too many. Each to be ended with signing_record_fini().
 */
size_t signing_records_read(const struct pair *pairs, size_t count, struct signing_record *out,
                            size_t *skipped);

/* A new key as a record to store; out is appended to. */
enum err signing_make(const struct master *m, enum alg alg, struct slice kid, int64_t created_at,
                      struct buf *out) MUST_USE;

#endif
