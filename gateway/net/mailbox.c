#include "net/mailbox.h"

#include "base/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct letter {
    struct list link;
    void (*fn)(struct worker *w, void *arg);
    void *arg;
};

struct mailbox {
    struct worker *worker;
    pthread_mutex_t lock;
    struct list letters; /* under lock */
    int fd;
    struct event *event;
};

static struct letter *take(struct list *letters)
{
    struct letter *letter = LIST_ITEM(letters->next, struct letter, link);

    list_remove(&letter->link);
    return letter;
}

/* Moves all letters to mine, which the caller has not initialised. */
static void empty_into(struct mailbox *m, struct list *mine)
{
    list_init(mine);
    pthread_mutex_lock(&m->lock);
    if (!list_is_empty(&m->letters)) {
        *mine = m->letters;
        mine->next->prev = mine;
        mine->prev->next = mine;
        list_init(&m->letters);
    }
    pthread_mutex_unlock(&m->lock);
}

static void on_letters(evutil_socket_t fd, short what, void *arg)
{
    struct mailbox *m = arg;
    struct list mine;
    uint64_t count;

    (void)what;
    worker_enter(m->worker);
    /* Before the list is emptied: a letter that comes later wakes us again. */
    if (read(fd, &count, sizeof(count)) < 0)
        CHECK(errno == EAGAIN || errno == EINTR);
    empty_into(m, &mine);
    while (!list_is_empty(&mine)) {
        struct letter *letter = take(&mine);

        letter->fn(m->worker, letter->arg);
        free(letter);
    }
}

struct mailbox *mailbox_new(struct worker *w)
{
    struct mailbox *m = mem_zalloc(sizeof(*m));

    m->worker = w;
    list_init(&m->letters);
    CHECK(pthread_mutex_init(&m->lock, NULL) == 0);
    m->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK(m->fd >= 0);
    m->event = event_new(w->base, m->fd, EV_READ | EV_PERSIST, on_letters, m);
    CHECK(m->event != NULL && event_add(m->event, NULL) == 0);
    return m;
}

void mailbox_free(struct mailbox *m)
{
    if (m == NULL)
        return;
    event_free(m->event);
    close(m->fd);
    while (!list_is_empty(&m->letters))
        free(take(&m->letters));
    pthread_mutex_destroy(&m->lock);
    free(m);
}

void mailbox_put(struct mailbox *m, void (*fn)(struct worker *w, void *arg), void *arg)
{
    struct letter *letter = mem_alloc(sizeof(*letter));
    const uint64_t one = 1;
    bool was_empty;

    letter->fn = fn;
    letter->arg = arg;
    pthread_mutex_lock(&m->lock);
    was_empty = list_is_empty(&m->letters);
    list_add_tail(&m->letters, &letter->link);
    pthread_mutex_unlock(&m->lock);
    /* EAGAIN needs 2^64 - 1 wakings that nobody has read: not a failure either. */
    if (was_empty && write(m->fd, &one, sizeof(one)) < 0)
        CHECK(errno == EAGAIN);
}
