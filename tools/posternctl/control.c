#include "control.h"

#include <curl/curl.h>
#include <stdlib.h>

enum { ANSWER_S = 15, ANSWER_BYTES_MAX = 8 << 20 };

static size_t on_body(char *bytes, size_t one, size_t n, void *arg)
{
    buf_add(arg, slice_of(bytes, one * n));
    return one * n;
}

enum outcome control_ask(const struct ctl *c, const char *method, const char *target,
                         unsigned *status, struct buf *body)
{
    char *socket = ctl_state_path(c, "control.sock");
    CURL *curl = curl_easy_init();
    CURLcode code;
    long number = 0;
    struct buf url;

    CHECK(curl != NULL);
    buf_init(&url);
    buf_printf(&url, "http://localhost%s", target);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever http_proxy says */
    curl_easy_setopt(curl, CURLOPT_URL, buf_cstr(&url));
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)ANSWER_S);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &number);
    *status = (unsigned)number;
    curl_easy_cleanup(curl);
    buf_fini(&url);
    if (code == CURLE_OK) {
        free(socket);
        return OUTCOME_OK;
    }
    (void)ctl_fail(c, OUTCOME_UNREACHABLE,
                   "no gateway answers at %s (%s); is it running? may you read it?", socket,
                   curl_easy_strerror(code));
    free(socket);
    return OUTCOME_UNREACHABLE;
}

enum outcome control_ask_json(const struct ctl *c, const char *method, const char *target,
                              unsigned *status, json_t **out)
{
    struct buf body;
    unsigned number;
    enum outcome o;

    buf_init(&body);
    o = control_ask(c, method, target, &number, &body);
    if (o == OUTCOME_OK && json_read(buf_slice(&body), ANSWER_BYTES_MAX, out) != ERR_OK)
        o = ctl_fail(c, OUTCOME_FAILED, "the gateway's answer (%u) is no JSON", number);
    if (status != NULL)
        *status = number;
    buf_fini(&body);
    return o;
}

void control_add_param(struct buf *target, const char *name, struct slice value)
{
    buf_printf(target, "%c%s=", slice_find(buf_slice(target), '?', 0) < target->n ? '&' : '?',
               name);
    for (size_t i = 0; i < value.n; i++) {
        char ch = value.p[i];

        if ((ch >= '0' && ch <= '9') || (ascii_lower(ch) >= 'a' && ascii_lower(ch) <= 'z') ||
            ch == '-' || ch == '_' || ch == '.' || ch == '~')
            buf_add_char(target, ch);
        else
            buf_printf(target, "%%%02X", (unsigned char)ch);
    }
}
