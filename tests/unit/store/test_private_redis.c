#include "store_test.h"

#include "store/private_redis.h"
#include "store/private_redis_own.h"

#include <sys/stat.h>

/* A daemon in small: state folder, control worker, private Redis, store. */
struct home {
    struct bench b; /* worker, log, store; its redis is the private one */
    struct private_redis_conf conf;
    struct private_redis *r;
    struct redis_home files;
    char *why;
};

static int open_home(void **state)
{
    struct home *h = mem_zalloc(sizeof(*h));

    strcpy(h->b.dir, "/tmp/postern-private-XXXXXX");
    assert_non_null(mkdtemp(h->b.dir));
    h->b.listener = -1;
    h->b.log = log_new(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_JSON, LOG_ERROR);
    h->b.w = worker_new(-1, h->b.log);
    h->b.conf = (struct store_conf){.prefix = SLICE("postern:"),
                                    .connect_ms = CONNECT_MS,
                                    .timeout_ms = TIMEOUT_MS,
                                    .cache_entries = 1000};
    h->conf = (struct private_redis_conf){.program = "redis-server", .state_dir = h->b.dir};
    redis_home_init(&h->files, h->b.dir);
    *state = h;
    return 0;
}

static void remove_tree(const char *dir)
{
    pid_t pid = fork();

    if (pid == 0) {
        execlp("rm", "rm", "-rf", "--", dir, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

static int close_home(void **state)
{
    struct home *h = *state;

    store_free(h->b.store);
    private_redis_stop(h->r);
    worker_free(h->b.w);
    log_free(h->b.log);
    redis_home_fini(&h->files);
    free(h->why);
    remove_tree(h->b.dir);
    free(h);
    return 0;
}

static void start(struct home *h)
{
    enum err e = private_redis_start(&h->conf, h->b.log, &h->r, &h->why);

    if (e != ERR_OK)
        fail_msg("%s: %s", err_text(e), h->why);
    snprintf(h->b.url, sizeof(h->b.url), "%s", private_redis_url(h->r));
}

static void fill(struct home *h)
{
    h->b.admin = redis_admin(h->files.socket);
    make_user(&h->b, "u1");
    make_key(&h->b, "k1", "u1");
    redisFree(h->b.admin);
    h->b.admin = NULL;
}

static void serves_on_a_socket_only_its_user_may_open(void **state)
{
    struct home *h = *state;
    struct stat st;
    redisContext *c;
    redisReply *reply;

    start(h);
    assert_int_equal(stat(h->files.dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(h->files.socket, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(h->files.config, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    c = redis_admin(h->files.socket);
    reply = redisCommand(c, "CONFIG GET port");
    assert_string_equal(reply->element[1]->str, "0");
    freeReplyObject(reply);
    reply = redisCommand(c, "CONFIG GET maxmemory-policy");
    assert_string_equal(reply->element[1]->str, "noeviction");
    freeReplyObject(reply);
    reply = redisCommand(c, "CONFIG GET appendfsync");
    assert_string_equal(reply->element[1]->str, "everysec");
    freeReplyObject(reply);
    redisFree(c);
}

static bool is_up_again(void *arg)
{
    return ask_key(arg, "k1", NULL) == ERR_OK;
}

static void comes_back_after_sigkill_with_its_data(void **state)
{
    struct home *h = *state;
    pid_t first;

    start(h);
    private_redis_supervise(h->r, h->b.w);
    fill(h);
    store_ready(&h->b);
    assert_int_equal(ask_key(&h->b, "k1", NULL), ERR_OK);
    turn_until(&h->b, NULL, NULL, 1500); /* appendfsync everysec */
    first = redis_home_pid(&h->files);
    assert_true(first > 0);
    kill(first, SIGKILL);
    assert_true(turn_until(&h->b, is_store_down, h->b.store, 1000));
    assert_true(turn_until(&h->b, is_up_again, &h->b, 3000));
    assert_int_not_equal(redis_home_pid(&h->files), first);
    assert_true(turn_until(&h->b, is_store_up, h->b.store, 3000));
}

static void keeps_its_data_over_a_stop(void **state)
{
    struct home *h = *state;

    start(h);
    fill(h); /* no second passes before the stop: SIGTERM syncs */
    private_redis_stop(h->r);
    h->r = NULL;
    assert_int_equal(access(h->files.pid_file, F_OK), -1);
    start(h);
    store_ready(&h->b);
    assert_int_equal(ask_key(&h->b, "k1", NULL), ERR_OK);
}

static void second_daemon_uses_the_server_of_the_first_and_replaces_it_later(void **state)
{
    struct home *h = *state;
    struct private_redis *second = NULL;
    pid_t pid;

    start(h);
    fill(h);
    pid = redis_home_pid(&h->files);
    assert_int_equal(private_redis_start(&h->conf, h->b.log, &second, &h->why), ERR_OK);
    assert_int_equal(redis_home_pid(&h->files), pid);
    private_redis_supervise(second, h->b.w);
    store_ready(&h->b);
    private_redis_stop(h->r); /* the first goes, with its server */
    h->r = second;
    assert_true(turn_until(&h->b, is_store_down, h->b.store, 1000));
    assert_true(turn_until(&h->b, is_up_again, &h->b, 3000));
    assert_int_not_equal(redis_home_pid(&h->files), pid);
}

static void socket_of_a_stranger_is_a_conflict(void **state)
{
    struct home *h = *state;
    pid_t stranger;

    assert_int_equal(mkdir(h->files.dir, 0700), 0);
    stranger = redis_run(h->files.dir, h->files.socket, NULL);
    redisFree(redis_admin(h->files.socket));
    assert_int_equal(private_redis_start(&h->conf, h->b.log, &h->r, &h->why), ERR_CONFLICT);
    assert_non_null(strstr(h->why, "another server"));
    kill(stranger, SIGKILL);
    waitpid(stranger, NULL, 0);
}

static void lock_keeps_a_second_server_off_the_file(void **state)
{
    struct home *h = *state;
    pid_t pid = 0;

    start(h);
    assert_int_equal(redis_home_spawn(&h->files, "redis-server", &pid), ERR_CONFLICT);
    assert_int_equal(pid, 0);
}

static void says_what_is_wrong_with_the_program(void **state)
{
    struct home *h = *state;

    h->conf.program = "/nonexistent/redis-server";
    assert_int_equal(private_redis_start(&h->conf, h->b.log, &h->r, &h->why), ERR_NOT_FOUND);
    assert_non_null(strstr(h->why, "/nonexistent/redis-server"));
    free(h->why);
    h->conf.program = "false";
    assert_int_equal(private_redis_start(&h->conf, h->b.log, &h->r, &h->why), ERR_SYSTEM);
    assert_non_null(strstr(h->why, "ended"));
}

static void refuses_a_folder_too_deep_for_a_socket(void **state)
{
    struct home *h = *state;
    char deep[200];

    memset(deep, 'd', sizeof(deep));
    memcpy(deep, "/tmp/", 5);
    deep[sizeof(deep) - 1] = '\0';
    h->conf.state_dir = deep;
    assert_int_equal(private_redis_start(&h->conf, h->b.log, &h->r, &h->why), ERR_TOO_LARGE);
    assert_int_equal(access(deep, F_OK), -1);
}

/* The daemon is killed: its Redis must not outlive it. */
static void dies_with_the_daemon(void **state)
{
    struct home *h = *state;
    pid_t daemon = fork(), server = 0;

    if (daemon == 0) {
        if (private_redis_start(&h->conf, h->b.log, &h->r, &h->why) != ERR_OK)
            _exit(1);
        for (;;)
            pause();
    }
    for (int i = 0; i < 250 && redis_home_ask(&h->files, &server) != ERR_OK; i++)
        nap_ms(20);
    assert_true(server > 0);
    kill(daemon, SIGKILL);
    waitpid(daemon, NULL, 0);
    for (int i = 0; i < 250 && redis_home_ask(&h->files, &server) != ERR_NOT_FOUND; i++)
        nap_ms(20);
    assert_int_equal(redis_home_ask(&h->files, &server), ERR_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_home, close_home)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(serves_on_a_socket_only_its_user_may_open),
        TEST(comes_back_after_sigkill_with_its_data),
        TEST(keeps_its_data_over_a_stop),
        TEST(second_daemon_uses_the_server_of_the_first_and_replaces_it_later),
        TEST(socket_of_a_stranger_is_a_conflict),
        TEST(lock_keeps_a_second_server_off_the_file),
        TEST(says_what_is_wrong_with_the_program),
        TEST(refuses_a_folder_too_deep_for_a_socket),
        TEST(dies_with_the_daemon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
