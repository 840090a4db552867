#ifndef MODEL_RECORD_H
#define MODEL_RECORD_H

#include "base/err.h"
#include "http/addr.h"
#include "model/identity.h"

/*
 * What Redis holds, read defensively: a record that lacks a field it must have is
 * ERR_SYNTAX and grants nothing. Immutable and counted once made; a worker's own,
 * so refs is plain. Times are seconds UTC, 0: never or none.
 */
struct user_record {
    unsigned refs;
    struct slice id, username, email, roles; /* roles comma separated */
    bool is_active, must_change;
    uint64_t token_version;
    int64_t created_at, updated_at, last_login_at;
};

struct key_record {
    unsigned refs;
    struct slice id; /* the public id inside the key */
    struct slice user_id, name;
    struct slice scopes; /* space separated; empty means read write */
    unsigned char mac[32];
    unsigned char previous_mac[32]; /* after a rotation, until previous_until */
    int64_t previous_until;         /* 0: none */
    int64_t created_at, expires_at, last_used_at;
    bool is_active;
    struct cidr *allowed; /* addresses that may use it; none: any */
    size_t allowed_count;
};

struct session_record {
    unsigned refs;
    struct slice id, user_id, kind; /* kind: login, cli */
    uint64_t token_version;
    int64_t created_at, expires_at;
};

/* One hash field as Redis returned it. */
struct pair {
    struct slice name, value;
};

enum err user_decode(const struct pair *pairs, size_t count, struct user_record **out) MUST_USE;
enum err key_decode(const struct pair *pairs, size_t count, struct key_record **out) MUST_USE;
enum err session_decode(const struct pair *pairs, size_t count,
                        struct session_record **out) MUST_USE;

void user_unref(struct user_record *r);
void key_unref(struct key_record *r);
void session_unref(struct session_record *r);

#endif
