#include "http/url.h"

#include "http/h1_parse.h"
#include "http/octet.h"

enum { UNIX_PATH_MAX = 107 };

static enum err parse_unix(struct slice path, struct url *out)
{
    if (path.n == 0 || path.n > UNIX_PATH_MAX || path.p[0] != '/' ||
        octet_find_control(path, 0) != path.n)
        return ERR_SYNTAX;
    *out = (struct url){.scheme = URL_UNIX, .host = path, .path = SLICE("")};
    return ERR_OK;
}

/* Splits an authority that h1_is_authority() has taken. A port must be a number from 1. */
static enum err split_authority(struct slice authority, uint16_t usual_port, struct url *out)
{
    bool bracketed = authority.p[0] == '[';
    size_t end = bracketed ? slice_find(authority, ']', 0) + 1 : slice_find(authority, ':', 0);
    uint64_t port = usual_port;

    if (end < authority.n &&
        (!slice_u64(slice_from(authority, end + 1), UINT16_MAX, &port) || port == 0))
        return ERR_SYNTAX;
    out->host = bracketed ? slice_of(authority.p + 1, end - 2) : slice_to(authority, end);
    out->port = (uint16_t)port;
    return ERR_OK;
}

static enum err parse_http(struct slice rest, bool https, struct url *out)
{
    size_t end = slice_find(rest, '/', 0);
    struct slice authority = slice_to(rest, end);
    struct url url = {.scheme = https ? URL_HTTPS : URL_HTTP, .path = slice_from(rest, end)};

    if (!h1_is_authority(authority) || octet_span(url.path, 0, OCTET_TARGET) != url.path.n ||
        slice_find(url.path, '?', 0) != url.path.n ||
        split_authority(authority, https ? 443 : 80, &url) != ERR_OK)
        return ERR_SYNTAX;
    *out = url;
    return ERR_OK;
}

enum err url_parse(struct slice text, struct url *out)
{
    static const struct slice http = {"http://", 7}, https = {"https://", 8}, local = {"unix:", 5};

    if (slice_starts_ci(text, http))
        return parse_http(slice_from(text, http.n), false, out);
    if (slice_starts_ci(text, https))
        return parse_http(slice_from(text, https.n), true, out);
    if (slice_starts_ci(text, local))
        return parse_unix(slice_from(text, local.n), out);
    return ERR_SYNTAX;
}
