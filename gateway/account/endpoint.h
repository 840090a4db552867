#ifndef ACCOUNT_ENDPOINT_H
#define ACCOUNT_ENDPOINT_H

#include "exchange/exchange.h"

/* One row of endpoint.def. */
struct endpoint {
    struct slice method, path, name;
    bool is_public;
    enum next (*answer)(struct exchange *x);
};

/* The endpoint at this path, or NULL; *other_method is set when only the method differs. HEAD goes
 * where GET goes. */
const struct endpoint *endpoint_find(struct slice method, struct slice path, bool *other_method);

#define ENDPOINT(name, method, path, access, help) enum next account_##name(struct exchange *x);
#include "account/endpoint.def"
#undef ENDPOINT

#endif
