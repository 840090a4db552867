#ifndef NET_LISTENER_OWN_H
#define NET_LISTENER_OWN_H

#include "net/listener.h"

/*
 * A listening socket for address, non-blocking: "host:port", "[v6]:port", "*:port"
 * (both families) or "unix:/path". A socket file that nobody answers is replaced.
 * why  a sentence when it fails, free()
 */
enum err listener_bind(const char *address, int *fd, char **why) MUST_USE;

enum { LISTENER_BACKLOG = 4096 };

/* What accepted connections inherit. */
void listener_tune(int fd);

#endif
