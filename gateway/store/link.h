#ifndef STORE_LINK_H
#define STORE_LINK_H

#include "model/script.h"
#include "store/dial.h"

/*
 * The command link: pipelined, replies matched to a queue of calls, one write a turn.
 * Each call has a deadline; when one passes, the link is dropped and every call on
 * it fails, because replies that come later would be anyone's guess.
 *
 * A first attempt to connect, and the retry after the server closed in good order,
 * take calls and hold them; after a failed attempt or a passed deadline calls are
 * refused at once until the link is up, so an outage costs nobody a wait.
 */
struct link;

struct link_handler {
    void (*on_up)(void *arg);
    void (*on_down)(void *arg); /* after an on_up; the calls that failed have been told */
};

/* reply: borrowed, also an error reply; NULL: no answer, the outcome is unknown. */
typedef void link_done_fn(void *arg, const struct redisReply *reply);

struct link *link_new(struct worker *w, const struct endpoint *e, int64_t timeout_ms,
                      const struct link_handler *handler, void *arg);
/* Forgets the calls; their done is not called. */
void link_free(struct link *l);

/* False: no link; done is not called. Otherwise done is called exactly once, later. */
bool link_command(struct link *l, const struct slice *args, size_t count, link_done_fn *done,
                  void *arg) MUST_USE;
/* EVALSHA; EVAL once more after NOSCRIPT, with the same deadline. */
bool link_script(struct link *l, enum script script, const struct slice *keys, size_t key_count,
                 const struct slice *args, size_t arg_count, link_done_fn *done,
                 void *arg) MUST_USE;

/* For calls from now on. */
void link_set_timeout(struct link *l, int64_t timeout_ms);
bool link_is_up(const struct link *l);
/* Where it is connected to; valid while it is up. */
const struct sockaddr_any *link_server(const struct link *l);

#endif
