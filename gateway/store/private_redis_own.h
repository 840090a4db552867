#ifndef STORE_PRIVATE_REDIS_OWN_H
#define STORE_PRIVATE_REDIS_OWN_H

#include "base/err.h"
#include "base/slice.h"

#include <sys/types.h>

/* Files and process of a private redis-server; private_redis.c decides what to do with them. */
struct redis_home {
    char *dir; /* state_dir/redis */
    char *socket, *config, *pid_file, *log_file, *lock_file;
};

void redis_home_init(struct redis_home *h, const char *state_dir);
void redis_home_fini(struct redis_home *h);
/* Makes the folder (0700) and writes the configuration (0600). why: a sentence, free(). */
enum err redis_home_prepare(const struct redis_home *h, const char *state_dir, char **why) MUST_USE;

/*
 * Starts program there. The server itself holds the lock file as long as it lives, so
 * there are never two on one append-only file.
 * errors  ERR_CONFLICT: another holds the lock; ERR_NOT_FOUND, ERR_DENIED: the program;
 *         ERR_SYSTEM
 */
enum err redis_home_spawn(const struct redis_home *h, const char *program, pid_t *out) MUST_USE;

/* The pid of the server that was last started there, 0: none. */
pid_t redis_home_pid(const struct redis_home *h);

/*
 * Asks the socket. ERR_OK: +PONG; ERR_UNAVAILABLE: it loads its file; ERR_AGAIN: it
 * listens but does not answer yet; ERR_NOT_FOUND: nobody listens. *server: who does.
 */
enum err redis_home_ask(const struct redis_home *h, pid_t *server) MUST_USE;

#endif
