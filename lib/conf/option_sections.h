#ifndef CONF_OPTION_SECTIONS_H
#define CONF_OPTION_SECTIONS_H

/*
 * struct conf_<section> for every section of option.def. Each pass over the table keeps the
 * rows of one section: OPTION_<section> makes the field, all others make nothing.
 */
#define OPTION(section, name, type, standard, min, max, reload, help) OPTION_##section(name, type)

#define OPTION_server(name, type)
#define OPTION_listen(name, type)
#define OPTION_tls_certificate(name, type)
#define OPTION_admin(name, type)
#define OPTION_redis(name, type)
#define OPTION_auth(name, type)
#define OPTION_issuer(name, type)
#define OPTION_limit(name, type)
#define OPTION_upstream(name, type)
#define OPTION_route(name, type)
#define OPTION_cors(name, type)
#define OPTION_headers(name, type)
#define OPTION_log(name, type)

#undef OPTION_server
#define OPTION_server(name, type) CONF_FIELD(name, type)
struct conf_server {
#include "conf/option.def"
};
#undef OPTION_server
#define OPTION_server(name, type)

#undef OPTION_tls_certificate
#define OPTION_tls_certificate(name, type) CONF_FIELD(name, type)
struct conf_tls_certificate {
    struct place place; /* of the entry */
#include "conf/option.def"
};
#undef OPTION_tls_certificate
#define OPTION_tls_certificate(name, type)

#undef OPTION_listen
#define OPTION_listen(name, type) CONF_FIELD(name, type)
struct conf_listen {
    struct conf_tls_certificate *certificates;
    size_t certificate_count;
    struct place place; /* of the entry */
#include "conf/option.def"
};
#undef OPTION_listen
#define OPTION_listen(name, type)

#undef OPTION_admin
#define OPTION_admin(name, type) CONF_FIELD(name, type)
struct conf_admin {
#include "conf/option.def"
};
#undef OPTION_admin
#define OPTION_admin(name, type)

#undef OPTION_redis
#define OPTION_redis(name, type) CONF_FIELD(name, type)
struct conf_redis {
#include "conf/option.def"
};
#undef OPTION_redis
#define OPTION_redis(name, type)

#undef OPTION_auth
#define OPTION_auth(name, type) CONF_FIELD(name, type)
struct conf_auth {
#include "conf/option.def"
};
#undef OPTION_auth
#define OPTION_auth(name, type)

#undef OPTION_issuer
#define OPTION_issuer(name, type) CONF_FIELD(name, type)
struct conf_issuer {
    struct place place; /* of the entry */
#include "conf/option.def"
};
#undef OPTION_issuer
#define OPTION_issuer(name, type)

#undef OPTION_limit
#define OPTION_limit(name, type) CONF_FIELD(name, type)
struct conf_limit {
    struct slice name;
    struct place place; /* of the entry */
#include "conf/option.def"
};
#undef OPTION_limit
#define OPTION_limit(name, type)

#undef OPTION_upstream
#define OPTION_upstream(name, type) CONF_FIELD(name, type)
struct conf_upstream {
    struct slice name;
    struct place place; /* of the entry */
#include "conf/option.def"
};
#undef OPTION_upstream
#define OPTION_upstream(name, type)

#undef OPTION_cors
#define OPTION_cors(name, type) CONF_FIELD(name, type)
struct conf_cors {
#include "conf/option.def"
};
#undef OPTION_cors
#define OPTION_cors(name, type)

#undef OPTION_headers
#define OPTION_headers(name, type) CONF_FIELD(name, type)
struct conf_headers {
#include "conf/option.def"
};
#undef OPTION_headers
#define OPTION_headers(name, type)

#undef OPTION_log
#define OPTION_log(name, type) CONF_FIELD(name, type)
struct conf_log {
#include "conf/option.def"
};
#undef OPTION_log
#define OPTION_log(name, type)

#undef OPTION_route
#define OPTION_route(name, type) CONF_FIELD(name, type)
struct conf_route {
    struct conf_cors *cors; /* NULL: the general one */
    struct place place;     /* of the entry */
#include "conf/option.def"
};
#undef OPTION_route
#define OPTION_route(name, type)

#undef OPTION_server
#undef OPTION_listen
#undef OPTION_tls_certificate
#undef OPTION_admin
#undef OPTION_redis
#undef OPTION_auth
#undef OPTION_issuer
#undef OPTION_limit
#undef OPTION_upstream
#undef OPTION_route
#undef OPTION_cors
#undef OPTION_headers
#undef OPTION_log
#undef OPTION

#endif
