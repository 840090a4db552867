#ifndef CONF_SUGGEST_H
#define CONF_SUGGEST_H

#include "base/slice.h"

/* Keeps the nearest of the candidates that were offered, by edit distance (swaps count once). */
struct suggest {
    struct slice typed, best;
    size_t distance;
};

void suggest_init(struct suggest *s, struct slice typed);
void suggest_offer(struct suggest *s, struct slice candidate);
/* SLICE_NONE when nothing is near enough to be meant. */
struct slice suggest_best(const struct suggest *s);

#endif
