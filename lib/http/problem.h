#ifndef HTTP_PROBLEM_H
#define HTTP_PROBLEM_H

#include "base/buf.h"

/* A refusal the client sees; rows in problem.def. */
enum problem {
#define PROBLEM(name, status, code, type, title) PROBLEM_##name,
#include "http/problem.def"
#undef PROBLEM
    PROBLEM_COUNT
};

/* How the body is spelt (spec conventions 3, api 3.5). */
enum problem_style {
    PROBLEM_STYLE_GATEWAY,
    PROBLEM_STYLE_ANTHROPIC,
    PROBLEM_STYLE_DETAIL,
    PROBLEM_STYLE_SUCCESS,
    PROBLEM_STYLE_CODED
};

unsigned problem_status(enum problem p);
const char *problem_code(enum problem p);
const char *problem_title(enum problem p);

/*
 * The JSON body. detail: one more sentence for the client, or SLICE_NONE for the
 * title; never the text of a library error or the reason of a 401 (K11).
 */
void problem_write(struct buf *out, enum problem p, enum problem_style style, struct slice detail,
                   struct slice request_id);

#endif
