/* Hosts, addresses, networks and URLs of servers: no reading past the end, one form each. */
#include "http/addr.h"
#include "http/h1_parse.h"
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_addr(struct slice text)
{
    char form[ADDR_TEXT_MAX + 1];
    struct addr a, again;
    struct cidr c;

    if (addr_parse(text, &a) == ERR_OK) {
        CHECK(addr_parse(addr_write(&a, form), &again) == ERR_OK);
        CHECK(addr_eq(&a, &again));
        CHECK(cidr_parse(text, &c) == ERR_OK && cidr_has(&c, &a));
    }
    if (cidr_parse(text, &c) == ERR_OK) {
        CHECK(cidr_has(&c, &c.base));
        /* The base is trusted, so the walk begins and ends at a hop that could be read. */
        if (addr_from_forwarded(&c.base, text, &c, 1, &a) == ERR_OK)
            CHECK(addr_parse(addr_write(&a, form), &again) == ERR_OK);
    }
}

static bool is_inside(struct slice part, struct slice whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct url url;

    check_addr(text);
    if (h1_is_authority(text))
        CHECK(size > 0 && slice_find(text, '@', 0) == size && slice_find(text, '/', 0) == size);
    if (url_parse(text, &url) == ERR_OK)
        CHECK(url.host.n > 0 && is_inside(url.host, text) && is_inside(url.path, text) &&
              (url.scheme == URL_UNIX) == (url.port == 0));
    return 0;
}
