#include "net_test.h"

#include "net/resolve.h"

struct answer {
    int dones;
    enum err e;
    struct resolved found;
    struct resolver *free_it;
};

struct fixture {
    struct worker *w;
    struct resolver *r;
    struct event *event;
    int dns; /* a name server on 127.0.0.1 that the test plays */
    int asked;
    struct answer answer;
};

static void on_answer(void *arg, enum err e, const struct resolved *found)
{
    struct answer *a = arg;

    a->dones++;
    a->e = e;
    assert_int_equal(found != NULL, e == ERR_OK);
    if (found != NULL)
        a->found = *found;
    resolver_free(a->free_it);
}

static bool is_answered(void *arg)
{
    return ((struct answer *)arg)->dones > 0;
}

/* Answers A questions for "up.example" with 192.0.2.7 for 77 s; AAAA is empty, "slow.*" waits. */
static void on_query(evutil_socket_t fd, short what, void *arg)
{
    struct fixture *f = arg;
    unsigned char m[512];
    struct sockaddr_storage from;
    socklen_t from_bytes = sizeof(from);
    ssize_t n = recvfrom(fd, m, sizeof(m), 0, (struct sockaddr *)&from, &from_bytes);
    static const unsigned char A[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 77, 0, 4, 192, 0, 2, 7};
    size_t question = 12;

    (void)what;
    f->asked++;
    assert_true(n > 17);
    if (memcmp(m + 12, "\4slow", 5) == 0)
        return;
    while (m[question] != 0)
        question += m[question] + 1U;
    n = (ssize_t)question + 5; /* without what follows the question */
    m[2] = 0x81;
    m[3] = memcmp(m + 12, "\2up", 3) == 0 ? 0x80 : 0x83; /* NOERROR or NXDOMAIN */
    m[7] = m[9] = m[11] = 0;
    if (m[question + 2] == 1 && m[3] == 0x80) {
        m[7] = 1;
        memcpy(m + n, A, sizeof(A));
        n += (ssize_t)sizeof(A);
    }
    sendto(fd, m, (size_t)n, 0, (struct sockaddr *)&from, from_bytes);
}

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    char servers[32];

    f->w = worker_new(-1, quiet_log());
    f->r = resolver_new(f->w);
    f->dns = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(f->dns, (struct sockaddr *)&at, n), 0);
    getsockname(f->dns, (struct sockaddr *)&at, &n);
    snprintf(servers, sizeof(servers), "127.0.0.1:%d", ntohs(at.sin_port));
    assert_int_equal(resolver_set_servers(f->r, servers), ERR_OK);
    f->event = event_new(f->w->base, f->dns, EV_READ | EV_PERSIST, on_query, f);
    event_add(f->event, NULL);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    resolver_free(f->r);
    event_free(f->event);
    close(f->dns);
    worker_free(f->w);
    free(f);
    return 0;
}

static void assert_address(const struct resolved *found, const char *text, uint16_t port)
{
    struct addr expected;

    assert_int_equal(addr_parse(slice_str(text), &expected), ERR_OK);
    assert_int_equal(found->count, 1);
    assert_true(addr_eq(&found->addrs[0], &expected));
    assert_int_equal(found->addrs[0].port, port);
}

static void literals_answer_later_without_dns_and_never_change(void **state)
{
    static const char *const SAME[][2] = {
        {"192.0.2.1", "192.0.2.1"}, {"2001:db8::1", "2001:db8::1"}, {"LocalHost", "127.0.0.1"}};
    struct fixture *f = *state;

    for (size_t i = 0; i < 3; i++) {
        f->answer = (struct answer){0};
        resolver_ask(f->r, SAME[i][0], 8001, on_answer, &f->answer);
        assert_int_equal(f->answer.dones, 0);
        assert_true(turn_until(f->w, is_answered, &f->answer, SOON_MS));
        assert_address(&f->answer.found, SAME[i][1], 8001);
        assert_int_equal(f->answer.found.ttl_s, 0);
    }
    assert_int_equal(f->asked, 0);
}

static void names_come_with_their_ttl(void **state)
{
    struct fixture *f = *state;

    resolver_ask(f->r, "up.example", 80, on_answer, &f->answer);
    assert_int_equal(f->answer.dones, 0);
    assert_true(turn_until(f->w, is_answered, &f->answer, SOON_MS));
    assert_int_equal(f->answer.e, ERR_OK);
    assert_address(&f->answer.found, "192.0.2.7", 80);
    assert_int_equal(f->answer.found.ttl_s, 77);
    assert_true(f->asked > 0);
}

static void unknown_names_are_not_found(void **state)
{
    struct fixture *f = *state;

    resolver_ask(f->r, "nowhere.example.", 80, on_answer, &f->answer);
    assert_true(turn_until(f->w, is_answered, &f->answer, SOON_MS));
    assert_int_equal(f->answer.e, ERR_NOT_FOUND);
}

static void free_cancels_what_is_asked(void **state)
{
    struct fixture *f = *state;

    resolver_ask(f->r, "slow.example", 80, on_answer, &f->answer);
    resolver_ask(f->r, "127.0.0.1", 80, on_answer, &f->answer);
    resolver_free(f->r);
    f->r = NULL;
    turn_for(f->w, 20);
    assert_int_equal(f->answer.dones, 0);
}

static void resolver_may_be_freed_by_an_answer(void **state)
{
    struct fixture *f = *state;

    f->answer.free_it = f->r;
    f->r = NULL;
    resolver_ask(f->answer.free_it, "127.0.0.1", 80, on_answer, &f->answer);
    resolver_ask(f->answer.free_it, "slow.example", 80, on_answer, &f->answer);
    turn_for(f->w, 20);
    assert_int_equal(f->answer.dones, 1);
}

static void blocking_answer_knows_literals_and_hosts(void **state)
{
    struct resolved found;

    (void)state;
    assert_int_equal(resolve_now("::1", 443, 5000, &found), ERR_OK);
    assert_address(&found, "::1", 443);
    assert_int_equal(found.ttl_s, 0);
    assert_int_equal(resolve_now("localhost", 443, 5000, &found), ERR_OK);
    assert_address(&found, "127.0.0.1", 443);
    assert_int_not_equal(resolve_now("nowhere.invalid", 443, 5000, &found), ERR_OK);
}

static const struct CMUnitTest TESTS[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    CASE(literals_answer_later_without_dns_and_never_change),
    CASE(names_come_with_their_ttl),
    CASE(unknown_names_are_not_found),
    CASE(free_cancels_what_is_asked),
    CASE(resolver_may_be_freed_by_an_answer),
    CASE(blocking_answer_knows_literals_and_hosts),
};

int main(void)
{
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
