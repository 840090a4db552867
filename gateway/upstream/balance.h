#ifndef UPSTREAM_BALANCE_H
#define UPSTREAM_BALANCE_H

#include "upstream/set.h"

/* What a request knows of the servers of its group, one byte each. */
enum { BALANCE_TRIED = 1, BALANCE_FULL = 2 };

struct balance_want {
    uint64_t hash;
    unsigned turn; /* of the worker and group: where round robin goes on */
    int64_t now_ms;
    uint8_t *marks; /* BALANCE_..., group->count of them; TRIED are left out */
};

/*
 * The server to ask next, its slot taken; it gets BALANCE_TRIED. First among those in order;
 * when there are none, among the ejected ones too, never among those that are down.
 *
 *   round_robin     in turn, each worker by itself
 *   least_inflight  fewest slots taken, over all workers
 *   hash            rendezvous: highest of mix(hash, server); a server that leaves moves only
 *                   its own share (full or failing ones: to the next highest)
 *
 * returns  NULL when none is left: down, full, unresolved or tried
 */
struct server *balance_pick(struct group *g, const struct balance_want *want);

#endif
