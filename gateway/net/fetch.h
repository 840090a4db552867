#ifndef NET_FETCH_H
#define NET_FETCH_H

#include "net/worker.h"
#include "base/slice.h"

/* Small outbound GETs by libcurl on the control loop (D15): JWKS. Bounded, no redirects. */
struct fetcher;
struct fetcher *fetcher_new(struct worker *control);
/* Cancels what runs; done is not called. */
void fetcher_free(struct fetcher *f);

struct fetch_rules {
    const char *url;
    const char *ca; /* NULL: the system's */
    size_t max_bytes;
    int64_t timeout_ms;
};
/* done runs later on the control thread. ERR_OK means status 200 and a body; status is 0 when there
 * was no answer. */
void fetch_start(struct fetcher *f, const struct fetch_rules *rules,
                 void (*done)(void *arg, enum err e, unsigned status, struct slice body),
                 void *arg);

#endif
