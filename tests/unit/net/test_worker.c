#include "net_test.h"

#include "net/timer.h"

#include <pthread.h>

enum { POSTERS = 4, LETTERS = 2000 };

struct sender {
    struct worker *w;
    int next[POSTERS]; /* the letter expected next from each sender */
    int received;
    bool out_of_order;
};

struct letter {
    struct sender *sender;
    int from, number;
};

static void on_letter(struct worker *w, void *arg)
{
    struct letter *letter = arg;
    struct sender *s = letter->sender;

    assert_ptr_equal(w, s->w);
    s->out_of_order |= letter->number != s->next[letter->from]++;
    if (++s->received == POSTERS * LETTERS)
        worker_stop(w);
    free(letter);
}

struct poster {
    struct sender *sender;
    int index;
};

static void *post_all(void *arg)
{
    const struct poster *p = arg;

    for (int i = 0; i < LETTERS; i++) {
        struct letter *letter = mem_alloc(sizeof(*letter));

        *letter = (struct letter){p->sender, p->index, i};
        worker_post(p->sender->w, on_letter, letter);
    }
    return NULL;
}

static void runs_letters_of_each_thread_in_their_order(void **state)
{
    struct worker *w = worker_new(0, quiet_log());
    struct sender sender = {.w = w};
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];

    (void)state;
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){&sender, i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    worker_run(w);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(sender.received, POSTERS * LETTERS);
    assert_false(sender.out_of_order);
    worker_free(w);
}

static void on_stop(struct worker *w, void *arg)
{
    (*(int *)arg)++;
    worker_stop(w);
}

static void letters_from_before_the_run_are_not_lost(void **state)
{
    struct worker *w = worker_new(-1, quiet_log());
    int stops = 0;

    (void)state;
    worker_post(w, on_stop, &stops);
    worker_run(w);
    assert_int_equal(stops, 1);
    worker_post(w, on_stop, &stops); /* and this one is dropped */
    worker_free(w);
    assert_int_equal(stops, 1);
}

struct order {
    struct retired retired;
    char *log;
};

static void on_freed(struct retired *item)
{
    strcat(LIST_ITEM(item, struct order, retired)->log, "free ");
}

static void retire_it(struct worker *w, void *arg)
{
    struct order *o = arg;

    worker_retire(w, &o->retired, on_freed);
    strcat(o->log, "callback ");
}

static void say_other(struct worker *w, void *arg)
{
    (void)w;
    strcat(arg, "other ");
}

static void frees_retired_things_when_the_turn_ends(void **state)
{
    struct worker *w = worker_new(0, quiet_log());
    char log[64] = "";
    struct order o = {.log = log};

    (void)state;
    worker_post(w, retire_it, &o);
    worker_post(w, say_other, log);
    turn_for(w, 5);
    assert_string_equal(log, "callback other free ");
    worker_free(w);
}

static void on_time(void *arg)
{
    *(int64_t *)arg = clock_mono_ms();
}

static void timer_fires_once_and_not_early(void **state)
{
    struct worker *w = worker_new(0, quiet_log());
    struct timer t;
    int64_t fired_ms = 0;
    const int64_t began_ms = w->now_ms;

    (void)state;
    timer_init(&t, w, on_time, &fired_ms);
    timer_set(&t, 30);
    turn_for(w, 60);
    assert_true(fired_ms >= began_ms + 30);
    fired_ms = 0;
    turn_for(w, 60);
    assert_int_equal(fired_ms, 0);
    timer_fini(&t);
    worker_free(w);
}

static void timer_can_be_moved_and_switched_off(void **state)
{
    struct worker *w = worker_new(0, quiet_log());
    struct timer later, sooner, off;
    int64_t later_ms = 0, sooner_ms = 0, off_ms = 0;
    const int64_t began_ms = w->now_ms;

    (void)state;
    timer_init(&later, w, on_time, &later_ms);
    timer_init(&sooner, w, on_time, &sooner_ms);
    timer_init(&off, w, on_time, &off_ms);
    timer_set(&later, 20);
    timer_set(&later, 80);
    timer_set(&sooner, 5000);
    timer_set(&sooner, 20);
    timer_set(&off, 20);
    timer_set(&off, 0);
    turn_for(w, 120);
    assert_true(later_ms >= began_ms + 80);
    assert_true(sooner_ms >= began_ms + 20 && sooner_ms < began_ms + 80);
    assert_int_equal(off_ms, 0);
    timer_fini(&later);
    timer_fini(&sooner);
    timer_fini(&off);
    worker_free(w);
}

static const struct CMUnitTest TESTS[] = {
    cmocka_unit_test(runs_letters_of_each_thread_in_their_order),
    cmocka_unit_test(letters_from_before_the_run_are_not_lost),
    cmocka_unit_test(frees_retired_things_when_the_turn_ends),
    cmocka_unit_test(timer_fires_once_and_not_early),
    cmocka_unit_test(timer_can_be_moved_and_switched_off),
};

int main(void)
{
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
