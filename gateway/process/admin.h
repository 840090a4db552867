#ifndef PROCESS_ADMIN_H
#define PROCESS_ADMIN_H

#include "process/gateway.h"

/*
 * Two small HTTP servers on the control thread: the admin listener (metrics and probes,
 * loopback only) and the control socket (state_dir/control.sock, mode 0600: posternctl).
 * What each answers is in command.def. One request a connection.
 */
struct admin;

/* Opens both; the admin listener not when admin.address is off. why: free(). */
enum err admin_open(struct gateway *g, char **why) MUST_USE;
void admin_free(struct admin *a);

/* What a row of command.def is asked. Answers go to body; the status is returned. */
struct admin_ask {
    struct gateway *gateway;
    struct arena *arena;
    struct slice query;        /* still escaped; admin_param() reads it */
    struct slice content_type; /* may be changed; JSON by default */
    struct buf *body;
};
struct slice admin_param(const struct admin_ask *ask, struct slice name);

#define COMMAND(name, method, path, where, help) unsigned admin_##name(struct admin_ask *ask);
#include "process/command.def"
#undef COMMAND

#endif
