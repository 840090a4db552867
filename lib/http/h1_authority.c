#include "http/h1_parse.h"

#include "http/addr.h"
#include "http/octet.h"

bool h1_is_token(struct slice s)
{
    return s.n > 0 && octet_span(s, 0, OCTET_TOKEN) == s.n;
}

static bool is_ip_literal(struct slice text)
{
    struct addr a;

    return slice_find(text, ':', 0) < text.n && addr_parse(text, &a) == ERR_OK;
}

static bool is_reg_name(struct slice host)
{
    size_t at = 0;

    while ((at = octet_span(host, at, OCTET_REG_NAME)) < host.n) {
        if (host.p[at] != '%' || host.n - at < 3 || !octet_is(host.p[at + 1], OCTET_HEX) ||
            !octet_is(host.p[at + 2], OCTET_HEX))
            return false;
        at += 3;
    }
    return host.n > 0;
}

static bool is_port(struct slice s)
{
    uint64_t port;

    return s.n == 0 || slice_u64(s, UINT16_MAX, &port);
}

bool h1_is_authority(struct slice s)
{
    size_t end;

    if (s.n > 0 && s.p[0] == '[') {
        end = slice_find(s, ']', 0);
        if (end == s.n || !is_ip_literal(slice_of(s.p + 1, end - 1)))
            return false;
        end++;
    } else {
        end = slice_find(s, ':', 0);
        if (!is_reg_name(slice_to(s, end)))
            return false;
    }
    return end == s.n || (s.p[end] == ':' && is_port(slice_from(s, end + 1)));
}
