#ifndef MODEL_REDIS_TRANSPORT_H
#define MODEL_REDIS_TRANSPORT_H

#include "base/buf.h"
#include "model/redis_client.h"

/*
 * Bytes to and from a Redis server: TCP, TLS or a Unix socket, never waiting past a
 * deadline (clock_mono_ms()). Within this room only.
 */
struct redis_transport;

/* why: a sentence, set on failure, free(). conf: for its TLS files. */
enum err redis_transport_open(const struct redis_url *url, const struct redis_client_conf *conf,
                              int64_t deadline_ms, struct redis_transport **out,
                              char **why) MUST_USE;
void redis_transport_free(struct redis_transport *t);

/* All of it. ERR_TIMEOUT, ERR_UNAVAILABLE; the connection is of no use after either. */
enum err redis_transport_write(struct redis_transport *t, struct slice bytes,
                               int64_t deadline_ms) MUST_USE;
/* Appends what comes, at least a byte. Errors as above. */
enum err redis_transport_read(struct redis_transport *t, struct buf *in,
                              int64_t deadline_ms) MUST_USE;

#endif
