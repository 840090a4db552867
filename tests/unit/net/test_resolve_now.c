#include "net_test.h"

#include "net/resolve.h"

#include <netdb.h>
#include <pthread.h>

/* A system resolver of the test's own: "slow" names wait until the gate opens. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_int asked, answered;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    struct sockaddr_in *in = mem_zalloc(sizeof(*in));
    struct addrinfo *info = mem_zalloc(sizeof(*info));

    (void)service;
    assert_int_equal(hints->ai_socktype, SOCK_STREAM);
    atomic_fetch_add(&asked, 1);
    if (strcmp(name, "slow.example") == 0) {
        pthread_mutex_lock(&gate);
        pthread_mutex_unlock(&gate);
    }
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(0xc0000207); /* 192.0.2.7 */
    info->ai_addr = (struct sockaddr *)in;
    *out = info;
    atomic_fetch_add(&answered, 1);
    return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
    free(info->ai_addr);
    free(info);
}

static void a_name_is_looked_up(void **state)
{
    struct resolved found = {0};
    char text[ADDR_TEXT_MAX + 1];

    (void)state;
    assert_int_equal(resolve_now("up.example", 8080, 60000, &found), ERR_OK);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.addrs[0].port, 8080);
    assert_true(slice_eq(addr_write(&found.addrs[0], text), SLICE("192.0.2.7")));
    assert_int_equal(found.ttl_s, 1);
}

static void a_slow_name_server_holds_nobody_up(void **state)
{
    struct resolved found = {0};
    const int before = atomic_load(&answered);
    const int64_t began_ms = clock_mono_ms();

    (void)state;
    pthread_mutex_lock(&gate);
    assert_int_equal(resolve_now("slow.example", 8080, 50, &found), ERR_TIMEOUT);
    assert_in_range(clock_mono_ms() - began_ms, 45, 5000);
    assert_int_equal(found.count, 0);
    pthread_mutex_unlock(&gate);
    while (atomic_load(&answered) == before)
        usleep(1000); /* the late answer finds nobody, and frees what it needed */
}

static void literals_ask_nobody(void **state)
{
    struct resolved found = {0};
    const int before = atomic_load(&asked);

    (void)state;
    assert_int_equal(resolve_now("::1", 1, 0, &found), ERR_OK);
    assert_int_equal(found.count, 1);
    assert_int_equal(atomic_load(&asked), before);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_looked_up),
        cmocka_unit_test(a_slow_name_server_holds_nobody_up),
        cmocka_unit_test(literals_ask_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
