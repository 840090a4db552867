#include "model/redis_client.h"

enum { REDIS_PORT = 6379, DB_MAX = 65535 };

static enum err parse_db(struct slice text, unsigned *db)
{
    uint64_t n = 0;

    if (text.n > 0 && !slice_u64(text, DB_MAX, &n))
        return ERR_SYNTAX;
    *db = (unsigned)n;
    return ERR_OK;
}

/* unix:/path[?db=n], also unix:///path */
static enum err parse_unix(struct slice text, struct redis_url *url)
{
    struct slice query = text, path = slice_cut(&query, '?');

    url->is_unix = true;
    while (slice_starts(path, SLICE("//")))
        path = slice_from(path, 1);
    if (path.n < 2 || path.p[0] != '/' || memchr(path.p, '\0', path.n) != NULL)
        return ERR_SYNTAX;
    url->host = path;
    if (query.p == NULL)
        return ERR_OK;
    if (!slice_starts(query, SLICE("db=")) || query.n == 3)
        return ERR_SYNTAX;
    return parse_db(slice_from(query, 3), &url->db);
}

static bool is_host_byte(char c, bool in_brackets)
{
    if (in_brackets)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
               c == ':' || c == '.';
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
}

static bool is_host(struct slice host, bool in_brackets)
{
    if (host.n == 0 || host.n > 253)
        return false;
    for (size_t i = 0; i < host.n; i++)
        if (!is_host_byte(host.p[i], in_brackets))
            return false;
    return true;
}

static enum err parse_authority(struct slice text, struct redis_url *url)
{
    size_t at = slice_find(text, '@', 0);
    bool in_brackets;
    uint64_t port = REDIS_PORT;

    if (at < text.n) {
        url->user = slice_to(text, at);
        text = slice_from(text, at + 1);
        if (url->user.n == 0 || slice_find(url->user, ':', 0) < url->user.n)
            return ERR_SYNTAX;
    }
    in_brackets = text.n > 0 && text.p[0] == '[';
    if (in_brackets) {
        size_t end = slice_find(text, ']', 1);

        if (end == text.n)
            return ERR_SYNTAX;
        url->host = slice_of(text.p + 1, end - 1);
        text = slice_from(text, end + 1);
    } else {
        size_t end = slice_find(text, ':', 0);

        url->host = slice_to(text, end);
        text = slice_from(text, end);
    }
    if (text.n > 0 &&
        (text.p[0] != ':' || !slice_u64(slice_from(text, 1), UINT16_MAX, &port) || port == 0))
        return ERR_SYNTAX;
    url->port = (uint16_t)port;
    return is_host(url->host, in_brackets) ? ERR_OK : ERR_SYNTAX;
}

enum err redis_url_parse(struct slice text, struct redis_url *out)
{
    struct redis_url url = {0};
    struct slice authority;
    enum err e;

    if (slice_starts(text, SLICE("unix:"))) {
        if ((e = parse_unix(slice_from(text, 5), &url)) == ERR_OK)
            *out = url;
        return e;
    }
    if (slice_starts(text, SLICE("rediss://"))) {
        url.is_tls = true;
        text = slice_from(text, 9);
    } else if (slice_starts(text, SLICE("redis://"))) {
        text = slice_from(text, 8);
    } else {
        return ERR_SYNTAX;
    }
    authority = slice_cut(&text, '/');
    if ((e = parse_authority(authority, &url)) != ERR_OK || (e = parse_db(text, &url.db)) != ERR_OK)
        return e;
    *out = url;
    return ERR_OK;
}
