#ifndef OBSERVE_ACCESS_LOG_H
#define OBSERVE_ACCESS_LOG_H

#include "base/slice.h"

/*
 * One line per exchange, JSON, buffered by worker and written by access_log_flush() at the end of
 * the turn, or at 32 KiB. Lines of several workers never mix. When a pipe that does not block is
 * full, up to 1 MiB waits; lines that are lost are counted, and the next one says how many. Paths
 * are cut at 1024 bytes, host and user agent at 256, methods at 32. A request that the codec
 * refuses has its line too, with as much of its head as was understood.
 */
struct access_log;
struct access_log *access_log_new(int fd); /* borrowed; -1: off */
void access_log_free(struct access_log *l);

/* Times are microseconds since the exchange began; -1: that point was not reached. */
struct access_entry {
    struct slice request_id, trace_id, method, host, path, route, user_id, key_id, auth_method;
    struct slice client_ip, upstream, user_agent, tls_version;
    const char *problem;      /* code, or NULL */
    const char *reason;       /* why it was refused: for us, never for the client; or NULL */
    const char *close_reason; /* how it ended, when not normally; or NULL */
    unsigned status;
    uint64_t request_bytes, response_bytes;
    int64_t auth_us, limit_us, upstream_us, first_byte_us, total_us;
    unsigned attempts;
};
void access_log_add(struct access_log *l, const struct access_entry *e);
void access_log_flush(struct access_log *l);

#endif
