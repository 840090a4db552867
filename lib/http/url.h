#ifndef HTTP_URL_H
#define HTTP_URL_H

#include "base/err.h"
#include "base/slice.h"

/* http://host[:port][/path], https://..., unix:/path/to.sock - servers named in the configuration.
 */
struct url {
    enum { URL_HTTP, URL_HTTPS, URL_UNIX } scheme;
    struct slice host; /* without brackets; the socket's path for URL_UNIX */
    uint16_t port;     /* 0 for URL_UNIX */
    struct slice path; /* from '/', or empty */
};

/* Slices point into text. ERR_SYNTAX; userinfo, query and fragment are refused. */
enum err url_parse(struct slice text, struct url *out) MUST_USE;

#endif
