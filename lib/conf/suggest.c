#include "conf/suggest.h"

enum { LONGEST = 40 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: insert, delete, replace, swap of neighbours. */
static size_t edit_distance(struct slice a, struct slice b)
{
    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b.n; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *oldest = before;

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t cost = a.p[i - 1] != b.p[j - 1];

            row[j] = least(least(last[j] + 1, row[j - 1] + 1), last[j - 1] + cost);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        before = last;
        last = row;
        row = oldest;
    }
    return last[b.n];
}

void suggest_init(struct suggest *s, struct slice typed)
{
    *s = (struct suggest){.typed = typed, .distance = (size_t)-1};
}

void suggest_offer(struct suggest *s, struct slice candidate)
{
    size_t distance;

    if (s->typed.n == 0 || s->typed.n > LONGEST || candidate.n == 0 || candidate.n > LONGEST)
        return;
    distance = edit_distance(s->typed, candidate);
    /* Also what somebody wrote short or long: "cert" for "certificate". */
    if (distance > 2 && s->typed.n >= 3 &&
        (slice_starts(candidate, s->typed) || slice_starts(s->typed, candidate)))
        distance = 2;
    if (distance < s->distance) {
        s->distance = distance;
        s->best = candidate;
    }
}

struct slice suggest_best(const struct suggest *s)
{
    size_t allowed = s->typed.n <= 3 ? 1 : s->typed.n <= 7 ? 2 : 3;

    return s->best.n > 0 && s->distance <= allowed ? s->best : SLICE_NONE;
}
