#ifndef HTTP_HEADER_H
#define HTTP_HEADER_H

#include "base/slice.h"

/* Header field names with a meaning to us; rows in header.def. HEADER_OTHER is 0. */
enum header {
    HEADER_OTHER,
#define HEADER(name, wire, flags, help) HEADER_##name,
#include "http/header.def"
#undef HEADER
    HEADER_COUNT
};

enum header_flag {
    HEADER_FLAG_HOP = 1,
    HEADER_FLAG_FRAMING = 2,
    HEADER_FLAG_OURS = 4,
    HEADER_FLAG_FORWARDED = 8,
    HEADER_FLAG_CREDENTIAL = 16,
    HEADER_FLAG_ONCE = 32,
};

/* The exact name, any case; HEADER_OTHER when we have no row for it. No allocation. */
enum header header_find(struct slice name);

/*
 * The row whose name equals this one after folding case, and every byte that is no letter and
 * no digit to '-' (D11, incidents H2 and H3): CGI makes one variable of all of them, some
 * servers of '_', '.' and '-' alone. "X_User.ID" and "X!User!ID" give HEADER_X_USER_ID.
 */
enum header header_find_folded(struct slice name);

/* The lower-case wire name; empty for HEADER_OTHER. */
struct slice header_name(enum header id);
/* enum header_flag, or'ed. */
unsigned header_flags(enum header id);

/*
 * True for a name no client may send through, however spelt: OURS and FORWARDED
 * rows after folding, and the families X-Forwarded-*, X-Original-*, X-Envoy-*,
 * X-Rewrite-*, X-User-*, X-Auth-*, X-Postern-* (incidents H1-H5).
 */
bool header_is_reserved(struct slice name);

#endif
