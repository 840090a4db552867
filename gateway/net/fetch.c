#include "net/fetch.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "http/addr.h"
#include "net/timer.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>

struct fetcher {
    struct retired retired;
    struct worker *worker;
    CURLM *multi;
    struct list running; /* struct fetch */
    struct list finished;
    struct list sockets;   /* struct watched */
    struct event *deliver; /* made active when finished is not empty */
    struct timer timer;
    bool is_closed;
};

/* The state of one fetch; nothing about its provider is kept here (incidents K9). */
struct fetch {
    struct list link;
    struct fetcher *fetcher;
    CURL *easy; /* NULL once it has left the multi handle */
    size_t max_bytes;
    bool is_too_large;
    struct buf body;
    enum err e;
    unsigned status;
    void (*done)(void *arg, enum err e, unsigned status, struct slice body);
    void *arg;
};

struct watched {
    struct list link;
    struct fetcher *fetcher;
    struct event *event;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void)
{
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static void free_fetch(struct fetch *f)
{
    list_remove(&f->link);
    if (f->easy != NULL) {
        curl_multi_remove_handle(f->fetcher->multi, f->easy);
        curl_easy_cleanup(f->easy);
    }
    buf_fini(&f->body);
    free(f);
}

/* The only place that calls done: outside of libcurl and of fetch_start(). */
static void on_deliver(evutil_socket_t fd, short what, void *arg)
{
    struct fetcher *fr = arg;

    (void)fd;
    (void)what;
    worker_enter(fr->worker);
    while (!fr->is_closed && !list_is_empty(&fr->finished)) {
        struct fetch *f = LIST_ITEM(fr->finished.next, struct fetch, link);

        list_remove(&f->link); /* done may free the fetcher, but not this */
        f->done(f->arg, f->e, f->status, f->e == ERR_OK ? buf_slice(&f->body) : SLICE_NONE);
        free_fetch(f);
    }
}

static void set_finished(struct fetch *f, enum err e)
{
    f->e = e;
    if (f->easy != NULL) {
        curl_multi_remove_handle(f->fetcher->multi, f->easy);
        curl_easy_cleanup(f->easy);
        f->easy = NULL;
    }
    list_remove(&f->link);
    list_add_tail(&f->fetcher->finished, &f->link);
    event_active(f->fetcher->deliver, 0, 0);
}

static enum err error_of(const struct fetch *f, CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        if (f->status != 200)
            return ERR_UNAVAILABLE;
        return f->body.n > 0 ? ERR_OK : ERR_SYNTAX;
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
        return ERR_NOT_FOUND;
    case CURLE_COULDNT_CONNECT:
        return ERR_REFUSED;
    case CURLE_FILESIZE_EXCEEDED:
        return ERR_TOO_LARGE;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return ERR_TLS;
    case CURLE_URL_MALFORMAT:
        return ERR_SYNTAX;
    case CURLE_UNSUPPORTED_PROTOCOL:
        return ERR_DENIED;
    case CURLE_WRITE_ERROR:
        return f->is_too_large ? ERR_TOO_LARGE : ERR_SYSTEM;
    default:
        return ERR_CLOSED;
    }
}

static void collect(struct fetcher *fr)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(fr->multi, &left)) != NULL) {
        const CURLcode code = message->data.result;
        struct fetch *f;
        char *tag;
        long status = 0;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &tag);
        curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        f = (struct fetch *)(void *)tag;
        f->status = (unsigned)status;
        set_finished(f, error_of(f, code));
    }
}

static void act(struct fetcher *fr, curl_socket_t fd, int what)
{
    int running;

    curl_multi_socket_action(fr->multi, fd, what, &running);
    collect(fr);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct fetcher *fr = ((struct watched *)arg)->fetcher; /* the watched may go now */

    worker_enter(fr->worker);
    act(fr, fd,
        ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
            ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void on_time(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

/* CURLMOPT_TIMERFUNCTION; must not call libcurl, so "at once" is a millisecond. */
static int on_curl_timer(CURLM *multi, long after_ms, void *arg)
{
    struct fetcher *fr = arg;

    (void)multi;
    timer_set(&fr->timer, after_ms < 0 ? 0 : after_ms + 1);
    return 0;
}

static void unwatch(struct watched *s)
{
    event_free(s->event);
    list_remove(&s->link);
    free(s);
}

/* CURLMOPT_SOCKETFUNCTION; socket_arg is ours, by curl_multi_assign(). */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct fetcher *fr = arg;
    struct watched *s = socket_arg;
    const short events = (short)(((what & CURL_POLL_IN) != 0 ? EV_READ : 0) |
                                 ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0) | EV_PERSIST);

    (void)easy;
    if (s != NULL)
        unwatch(s);
    s = NULL;
    if (what != CURL_POLL_REMOVE) {
        s = mem_zalloc(sizeof(*s));
        s->fetcher = fr;
        list_add_tail(&fr->sockets, &s->link);
        s->event = event_new(fr->worker->base, fd, events, on_socket, s);
        CHECK(s->event != NULL && event_add(s->event, NULL) == 0);
    }
    curl_multi_assign(fr->multi, fd, s);
    return 0;
}

struct fetcher *fetcher_new(struct worker *control)
{
    struct fetcher *fr = mem_zalloc(sizeof(*fr));

    pthread_once(&once, start);
    fr->worker = control;
    list_init(&fr->running);
    list_init(&fr->finished);
    list_init(&fr->sockets);
    timer_init(&fr->timer, control, on_time, fr);
    fr->deliver = event_new(control->base, -1, 0, on_deliver, fr);
    fr->multi = curl_multi_init();
    CHECK(fr->deliver != NULL && fr->multi != NULL);
    curl_multi_setopt(fr->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(fr->multi, CURLMOPT_SOCKETDATA, fr);
    curl_multi_setopt(fr->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(fr->multi, CURLMOPT_TIMERDATA, fr);
    return fr;
}

static void free_fetcher(struct retired *item)
{
    free(LIST_ITEM(item, struct fetcher, retired));
}

void fetcher_free(struct fetcher *fr)
{
    if (fr == NULL)
        return;
    fr->is_closed = true;
    while (!list_is_empty(&fr->running))
        free_fetch(LIST_ITEM(fr->running.next, struct fetch, link));
    while (!list_is_empty(&fr->finished))
        free_fetch(LIST_ITEM(fr->finished.next, struct fetch, link));
    curl_multi_cleanup(fr->multi);
    while (!list_is_empty(&fr->sockets))
        unwatch(LIST_ITEM(fr->sockets.next, struct watched, link));
    timer_fini(&fr->timer);
    event_free(fr->deliver);
    worker_retire(fr->worker, &fr->retired, free_fetcher);
}

static size_t on_body(char *bytes, size_t one, size_t n, void *arg)
{
    struct fetch *f = arg;

    (void)one;
    if (n > f->max_bytes - f->body.n) {
        f->is_too_large = true;
        return 0; /* ends the transfer with CURLE_WRITE_ERROR */
    }
    buf_add(&f->body, slice_of(bytes, n));
    return n;
}

/* Whether a URL's host is this machine, however it is written. */
static bool is_loopback(const char *host)
{
    struct slice name = slice_str(host);
    struct addr a;

    if (slice_eq_ci(name, SLICE("localhost")))
        return true;
    if (name.n > 2 && name.p[0] == '[')
        name = slice_of(name.p + 1, name.n - 2);
    return addr_parse(name, &a) == ERR_OK && addr_is_loopback(&a);
}

/* https to anyone; http only to this machine, and then not by way of a proxy. */
static enum err judge_url(CURLU *url, const char *text, bool *is_plain)
{
    char *scheme = NULL, *host = NULL;
    enum err e = ERR_SYNTAX;

    if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
        goto out;
    *is_plain = strcmp(scheme, "http") == 0;
    e = ERR_DENIED;
    if (strcmp(scheme, "https") == 0 ||
        (*is_plain && curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
         is_loopback(host)))
        e = ERR_OK;
out:
    curl_free(scheme);
    curl_free(host);
    return e;
}

static void set_options(struct fetch *f, const struct fetch_rules *rules, bool is_plain)
{
    CURL *easy = f->easy;

    CHECK(curl_easy_setopt(easy, CURLOPT_URL, rules->url) == CURLE_OK);
    CHECK(curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, is_plain ? "http" : "https") == CURLE_OK);
    CHECK(curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK);
    CHECK(curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK);
    CHECK(curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK);
    CHECK(curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK);
    CHECK(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK);
    if (rules->ca != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, rules->ca);
    if (is_plain)
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)rules->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)rules->max_bytes);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "postern/" POSTERN_VERSION);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, f);
}

void fetch_start(struct fetcher *fr, const struct fetch_rules *rules,
                 void (*done)(void *arg, enum err e, unsigned status, struct slice body), void *arg)
{
    struct fetch *f = mem_zalloc(sizeof(*f));
    CURLU *url = curl_url();
    bool is_plain;
    enum err e;

    CHECK(url != NULL);
    f->fetcher = fr;
    f->max_bytes = rules->max_bytes;
    f->done = done;
    f->arg = arg;
    list_add_tail(&fr->running, &f->link);
    e = judge_url(url, rules->url, &is_plain);
    curl_url_cleanup(url);
    if (e != ERR_OK) {
        set_finished(f, e);
        return;
    }
    f->easy = curl_easy_init();
    CHECK(f->easy != NULL);
    set_options(f, rules, is_plain);
    if (curl_multi_add_handle(fr->multi, f->easy) != CURLM_OK)
        set_finished(f, ERR_SYSTEM);
}
