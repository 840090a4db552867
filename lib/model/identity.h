#ifndef MODEL_IDENTITY_H
#define MODEL_IDENTITY_H

#include "base/slice.h"

enum method { METHOD_NONE, METHOD_API_KEY, METHOD_JWT, METHOD_TOKEN, METHOD_MTLS, METHOD_DEV };

/* "api_key", "jwt", "token", "mtls", "dev", "none": X-Auth-Method. */
struct slice method_name(enum method m);

/*
 * Who a credential proves. Cannot be made without a user id (incidents K5);
 * nobody is a NULL pointer, never an empty identity. Immutable, counted, one
 * block of memory; shared by exchanges of one worker only, so refs is plain.
 */
struct identity {
    unsigned refs;
    enum method method;
    struct slice user_id;
    struct slice name;   /* may be empty */
    struct slice roles;  /* comma separated, no spaces: "user,admin" */
    struct slice scopes; /* space separated */
    bool scopes_limited; /* false: everything the roles allow */
    struct slice key_id; /* public id of the API key, or empty */
    struct slice session_id;
    int64_t expires_s; /* UTC; 0: no end */
};

/* Copies all of from (refs aside). CHECKs that there is a user id and a method. */
struct identity *identity_new(const struct identity *from);
struct identity *identity_ref(struct identity *who);
void identity_unref(struct identity *who);

bool identity_has_role(const struct identity *who, struct slice role);
/* True when scopes are not limited or contain scope. */
bool identity_has_scope(const struct identity *who, struct slice scope);
/* GET and HEAD need read, others write, unless the scope route:<route> is held. */
bool identity_may_method(const struct identity *who, struct slice method, struct slice route);

/* True for a scope that exists: a row of scope.def or route:<name>. */
bool scope_is_known(struct slice scope);
/* True for [a-z][a-z0-9_-]{0,31}. */
bool role_is_valid(struct slice role);
/*
 * Fit to name somebody in a header field: 1 to 255 bytes, no control characters of ASCII or
 * Unicode, nothing that ends a line for some reader, no space at the ends (incidents H14).
 */
bool name_is_plain(struct slice name);
/* The form of our own users' ids, in any case: no issuer and no certificate may name such a one. */
bool user_id_is_ours(struct slice id);
/* ASCII [A-Za-z0-9][A-Za-z0-9._-]{1,63} and not of the form of an id (api.md 7.9). */
bool username_is_valid(struct slice name);

#endif
