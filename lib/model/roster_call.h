#ifndef MODEL_ROSTER_CALL_H
#define MODEL_ROSTER_CALL_H

#include "model/record.h"
#include "model/roster.h"

/*
 * One change by an administrator: its memory and its latest answer. Within this room only.
 * Errors of all: ERR_UNAVAILABLE for a server that is away or answers what we do not
 * understand, whatever the cause.
 */
struct call {
    struct roster *r;
    struct arena arena;
    struct redisReply *reply; /* of the latest command; goes with the next */
};

void call_init(struct call *c, struct roster *r);
void call_fini(struct call *c);

#define CALL_COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum err call_command(struct call *c, const struct slice *args, size_t count) MUST_USE;
/* Also ERR_NOT_FOUND, ERR_CONFLICT, ERR_AGAIN (CHANGED) as the script says. */
enum err call_script(struct call *c, enum script s, const struct slice *keys, size_t key_count,
                     const struct slice *args, size_t arg_count) MUST_USE;
/* The script's integer. */
enum err call_number(struct call *c, int64_t *out) MUST_USE;

struct slice call_decimal(struct call *c, int64_t n);
struct slice call_hex(struct call *c, const unsigned char mac[32]);

/* The members of a sorted set, in its order; texts are the call's. */
enum err call_members(struct call *c, struct slice key, struct slice **out, size_t *count) MUST_USE;

/* The id behind an id or a name; whether an id exists is not asked. ERR_NOT_FOUND. */
enum err call_user_id(struct call *c, struct slice who, struct slice *id) MUST_USE;

/* Records by id. ERR_NOT_FOUND; ERR_UNAVAILABLE when the record is damaged. */
enum err call_user(struct call *c, struct slice id, struct user_record **out) MUST_USE;
enum err call_key(struct call *c, struct slice id, struct key_record **out) MUST_USE;
enum err call_session(struct call *c, struct slice id, struct session_record **out) MUST_USE;

/* Adds one owner's things of a kind to array. */
typedef enum err (*call_list_fn)(struct call *c, struct slice user_id, json_t *array);
/* Runs list for one owner (an id or a name), or for all when owner is empty. */
enum err call_each_owner(struct call *c, struct slice owner, call_list_fn list,
                         json_t **out) MUST_USE;

/* What people write, checked and in one form. ERR_SYNTAX. */
enum err call_roles(struct call *c, struct slice text, struct slice *out) MUST_USE;
/* ERR_DENIED: wider than what the owner's roles allow. */
enum err call_scopes(struct call *c, struct slice text, const struct user_record *owner,
                     struct slice *out) MUST_USE;
enum err call_addresses(struct call *c, struct slice text, struct slice *out) MUST_USE;
/* UTF-8 without control characters (C0, DEL, C1): safe in logs, on terminals, in YAML. */
bool call_is_printable(struct slice text);
/* Folded; exactly one '@' (incidents K13). */
enum err call_email(struct call *c, struct slice text, struct slice *out) MUST_USE;

/* JSON values: a text (null when empty), words as an array, a time (null when 0). */
json_t *call_json_text(struct slice s);
json_t *call_json_words(struct slice s, char separator);
json_t *call_json_time(int64_t at_s);

#endif
