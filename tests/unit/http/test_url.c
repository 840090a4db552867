#include "case.h"

#include "http/url.h"

struct row {
    const char *text;
    int scheme;
    const char *host;
    uint16_t port;
    const char *path;
};

static void splits_what_a_configuration_names(void **state)
{
    static const struct row rows[] = {
        {"http://127.0.0.1:8001", URL_HTTP, "127.0.0.1", 8001, ""},
        {"http://ocr", URL_HTTP, "ocr", 80, ""},
        {"HTTPS://ocr.example/base/", URL_HTTPS, "ocr.example", 443, "/base/"},
        {"https://[::1]:8443/x", URL_HTTPS, "::1", 8443, "/x"},
        {"http://[2001:db8::1]", URL_HTTP, "2001:db8::1", 80, ""},
        {"unix:/run/a.sock", URL_UNIX, "/run/a.sock", 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice block = exact(slice_str(rows[i].text));
        struct url u;

        if (url_parse(block, &u) != ERR_OK)
            fail_msg("%s", rows[i].text);
        assert_int_equal(u.scheme, rows[i].scheme);
        assert_slice(u.host, slice_str(rows[i].host));
        assert_int_equal(u.port, rows[i].port);
        assert_slice(u.path, slice_str(rows[i].path));
        exact_free(block);
    }
}

static void refuses_the_rest(void **state)
{
    static const char *const bad[] = {
        "",
        "ocr:80",
        "http://",
        "http:///x",
        "http://u@a",
        "http://u:p@a/",
        "http://a?b",
        "http://a/?b",
        "http://a/#b",
        "http://a#b",
        "http://a:0",
        "http://a:",
        "http://a:65536",
        "http://a:x",
        "http://[::1",
        "http://::1",
        "http://a b",
        "ftp://a",
        "unix:",
        "unix:a.sock",
        "unix://host/x\n",
        "http://a/ b",
        "http:/a",
        "http://[::1]x",
    };
    struct url u;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (url_parse(slice_str(bad[i]), &u) != ERR_SYNTAX)
            fail_msg("%s", bad[i]);
}

/* sun_path holds 108 bytes, the last of them NUL. */
static void a_socket_path_fits_its_address(void **state)
{
    char text[5 + 108];
    struct url u;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "unix:/", 6);
    assert_int_equal(url_parse(slice_of(text, 5 + 107), &u), ERR_OK);
    assert_int_equal(url_parse(slice_of(text, 5 + 108), &u), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_what_a_configuration_names),
        cmocka_unit_test(refuses_the_rest),
        cmocka_unit_test(a_socket_path_fits_its_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
