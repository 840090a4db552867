#ifndef MODEL_RECORD_TEXT_H
#define MODEL_RECORD_TEXT_H

#include "model/record.h"

/* Fields of a record, read strictly. Within this room only. */

/* The field's value; SLICE_NONE (p NULL) when it is absent. */
struct slice record_find(const struct pair *pairs, size_t count, const char *name);

/* 64 hexadecimal digits. */
bool record_mac(struct slice hex, unsigned char out[32]);

/*
 * One block: size bytes for the struct, zeroed, then room for copies of all
 * values; record_keep() takes them from *at.
 */
void *record_new(size_t size, const struct pair *pairs, size_t count, char **at);
struct slice record_keep(char **at, struct slice s);

/*
 * A reader that remembers whether anything failed, so that a decoder asks once. need_
 * fails when the field is absent or malformed.
 */
struct record_reader {
    const struct pair *pairs;
    size_t count;
    char *at; /* of the record's block */
    bool is_bad;
};

struct slice record_need_text(struct record_reader *r, const char *name, size_t least);
/* 0 to INT64_MAX. */
int64_t record_need_number(struct record_reader *r, const char *name);
/* "0" or "1". */
bool record_need_bool(struct record_reader *r, const char *name);
/* 0 or empty when the field is absent; still bad when it is malformed. */
int64_t record_number(struct record_reader *r, const char *name);
struct slice record_text(struct record_reader *r, const char *name);

#endif
