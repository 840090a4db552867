#ifndef POLICY_MATCHER_H
#define POLICY_MATCHER_H

#include "conf/pattern.h"
#include "policy/policy.h"

/*
 * Routes as a tree of segments. Each node is reached by one path only, so a search visits no
 * node twice, however many {names} the patterns have.
 * Within this room only.
 */
struct route_node *route_node_new(struct arena *arena);

/* Adds one route under its pattern; everything is in arena. */
void route_node_add(struct route_node *root, const struct pattern *pattern,
                    const struct route *route, struct arena *arena);

/* Once after the last route: the Allow texts. */
void route_node_finish(struct route_node *root, struct arena *arena);

/* Does a ask all that b asks of who comes: credential, roles, scopes, address, certificate? */
bool route_demands(const struct route *a, const struct route *b);

void route_node_match(const struct route_node *root, struct slice host, struct slice method,
                      struct slice path, struct route_match *out);

#endif
