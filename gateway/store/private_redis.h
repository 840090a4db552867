#ifndef STORE_PRIVATE_REDIS_H
#define STORE_PRIVATE_REDIS_H

#include "net/worker.h"

/*
 * A redis-server of our own (D5): Unix socket and append-only file in state_dir/redis,
 * no TCP port, started and supervised by the control thread, restarted with
 * back-off when it ends, stopped (SIGTERM, its file synced) with us. Dies with the
 * daemon (PR_SET_PDEATHSIG). A socket that another server already serves there is
 * used only if that server is an earlier child of ours (pid file and socket agree);
 * else ERR_CONFLICT.
 */
struct private_redis;
struct private_redis_conf {
    const char *program, *state_dir;
};
/* Blocks until it answers PING, at most 10 s, called before the loops start; a server that still
 * loads its file then is good too. why: free(). */
enum err private_redis_start(const struct private_redis_conf *conf, struct log *log,
                             struct private_redis **out, char **why) MUST_USE;
/* From then on the control loop restarts it when it ends. */
void private_redis_supervise(struct private_redis *r, struct worker *control);
/* Blocks until it has ended, at most 10 s. */
void private_redis_stop(struct private_redis *r);
/* "unix:/state/redis/redis.sock"; lives as long as r. */
const char *private_redis_url(const struct private_redis *r);

#endif
