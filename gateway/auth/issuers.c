#include "conf/issuer_keys.h"
#include "auth/keyring.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "crypto/digest.h"
#include "net/fetch.h"
#include "net/timer.h"
#include "observe/metrics.h"

#include <stdlib.h>

enum { FETCH_TIMEOUT_MS = 10000, ASK_SLOTS = 64, ASK_PAUSE_MS = 1000, SOON_MS = 1 };

/* One issuer of the current configuration. */
struct issuer {
    struct list link;
    struct issuers *owner;
    char *name, *url, *ca; /* owned; url NULL: keys from a file or secret, ca NULL: the system's */
    unsigned algorithms;
    int64_t refresh_ms, cooldown_ms;
    struct keyset *set;                 /* a reference; NULL: nothing known yet */
    unsigned char digest[SHA256_BYTES]; /* of the document that set came from */
    struct fetching *fetching;          /* the one in flight, or NULL */
    bool was_fetched;
    int64_t fetched_ms; /* when the last fetch began */
    unsigned failures;  /* in a row */
    struct timer timer; /* the next fetch */
};

/* One fetch: finds out at its end whether anybody still wants it (incidents K9). */
struct fetching {
    struct list link;
    struct issuers *owner;
    struct issuer *issuer; /* NULL once the issuer went or changed */
};

struct issuers {
    struct worker *control;
    struct worker **workers;
    size_t worker_count;
    struct fetcher *fetcher;
    struct list list;      /* struct issuer */
    struct list in_flight; /* struct fetching */
    /* When a worker last asked about an issuer whose name has this hash: bounds the messages (K8).
     */
    atomic_llong asked_ms[ASK_SLOTS];
};

/* A worker's question on its way to the control thread. */
struct question {
    struct issuers *issuers;
    char *name;
    size_t name_n;
};

struct issuers *issuers_new(struct worker *control, struct worker *const *workers,
                            size_t worker_count, struct fetcher *fetcher)
{
    struct issuers *i = mem_zalloc(sizeof(*i));

    i->control = control;
    i->workers = mem_zalloc(worker_count * sizeof(struct worker *));
    for (size_t n = 0; n < worker_count; n++)
        i->workers[n] = workers[n];
    i->worker_count = worker_count;
    i->fetcher = fetcher;
    list_init(&i->list);
    list_init(&i->in_flight);
    for (size_t slot = 0; slot < ASK_SLOTS; slot++)
        atomic_init(&i->asked_ms[slot], -ASK_PAUSE_MS);
    return i;
}

/* Its workers keep the keys until they are told otherwise. */
static void issuer_free(struct issuer *s)
{
    if (s->fetching != NULL)
        s->fetching->issuer = NULL;
    list_remove(&s->link);
    timer_fini(&s->timer);
    keyset_unref(s->set);
    free(s->name);
    free(s->url);
    free(s->ca);
    free(s);
}

void issuers_free(struct issuers *i)
{
    if (i == NULL)
        return;
    while (!list_is_empty(&i->list))
        issuer_free(LIST_ITEM(i->list.next, struct issuer, link));
    while (!list_is_empty(&i->in_flight)) {
        struct fetching *f = LIST_ITEM(i->in_flight.next, struct fetching, link);

        list_remove(&f->link);
        free(f);
    }
    free(i->workers);
    free(i);
}

static struct issuer *find(struct issuers *i, struct slice name)
{
    for (struct list *at = i->list.next; at != &i->list; at = at->next) {
        struct issuer *s = LIST_ITEM(at, struct issuer, link);

        if (slice_eq(slice_str(s->name), name))
            return s;
    }
    return NULL;
}

static void post(struct issuers *i, struct slice name, struct keyset *set)
{
    for (size_t w = 0; w < i->worker_count; w++)
        keyring_post(i->workers[w], name, set, NULL);
}

/* ------- fetching ------- */

/* After a failure: the cool-down, doubled each time, never longer than the usual refresh. */
static int64_t next_fetch_ms(const struct issuer *s)
{
    int64_t wait_ms = s->cooldown_ms;

    if (s->failures == 0)
        return s->refresh_ms;
    for (unsigned n = 1; n < s->failures && wait_ms < s->refresh_ms; n++)
        wait_ms *= 2;
    return wait_ms < s->refresh_ms ? wait_ms : s->refresh_ms;
}

/* A new document replaces the set; the same one again changes nothing, so nobody verifies anew. */
static enum err take_document(struct issuer *s, struct slice body)
{
    unsigned char digest[SHA256_BYTES];
    struct keyset *set;
    size_t skipped;
    enum err e;

    sha256(body, digest);
    if (s->set != NULL && memcmp(digest, s->digest, sizeof(digest)) == 0)
        return ERR_OK;
    e = keyset_from_jwks(body, s->algorithms, &set, &skipped);
    if (e != ERR_OK)
        return e;
    keyset_unref(s->set);
    s->set = set;
    memcpy(s->digest, digest, sizeof(digest));
    post(s->owner, slice_str(s->name), set);
    log_info(s->owner->control->log, "issuer.keys_changed", LOG_STR("issuer", s->name),
             LOG_INT("keys", set->count), LOG_INT("skipped", skipped));
    return ERR_OK;
}

/* Whatever went wrong, the keys that are known stay (stale-if-error). */
static void on_fetched(void *arg, enum err e, unsigned status, struct slice body)
{
    struct fetching *f = arg;
    struct issuer *s = f->issuer;

    list_remove(&f->link);
    free(f);
    if (s == NULL)
        return;
    s->fetching = NULL;
    if (e == ERR_OK)
        e = take_document(s, body);
    s->failures = e == ERR_OK ? 0 : s->failures + 1;
    if (e != ERR_OK) {
        log_warn(s->owner->control->log, "issuer.fetch_failed", LOG_STR("issuer", s->name),
                 LOG_ERR("cause", e), LOG_INT("status", status), LOG_INT("failures", s->failures));
        if (s->owner->control->counters != NULL)
            count(s->owner->control->counters, METRIC_JWKS_FAILURES, 1);
    }
    timer_set(&s->timer, next_fetch_ms(s));
}

static void fetch(struct issuer *s)
{
    struct fetch_rules rules = {
        .url = s->url, .ca = s->ca, .max_bytes = JWKS_BYTES_MAX, .timeout_ms = FETCH_TIMEOUT_MS};
    struct fetching *f;

    if (s->fetching != NULL)
        return;
    f = mem_zalloc(sizeof(*f));
    f->owner = s->owner;
    f->issuer = s;
    list_add_tail(&s->owner->in_flight, &f->link);
    s->fetching = f;
    s->was_fetched = true;
    s->fetched_ms = clock_mono_ms();
    fetch_start(s->owner->fetcher, &rules, on_fetched, f);
}

static void on_time(void *arg)
{
    fetch(arg);
}

/* On the control thread. Within the cool-down the question is forgotten: the next one asks again.
 */
static void on_question(struct worker *control, void *arg)
{
    struct question *q = arg;
    struct issuer *s = find(q->issuers, slice_of(q->name, q->name_n));

    (void)control;
    free(q->name);
    if (s != NULL && s->url != NULL &&
        (!s->was_fetched || clock_mono_ms() - s->fetched_ms >= s->cooldown_ms))
        fetch(s);
    free(q);
}

void issuers_unknown_kid(struct issuers *i, struct slice issuer)
{
    atomic_llong *asked_ms = &i->asked_ms[hash_slice(issuer) % ASK_SLOTS];
    long long before_ms = atomic_load_explicit(asked_ms, memory_order_relaxed);
    int64_t now_ms = clock_mono_ms();
    struct question *q;

    if (now_ms - before_ms < ASK_PAUSE_MS ||
        !atomic_compare_exchange_strong(asked_ms, &before_ms, now_ms))
        return;
    q = mem_zalloc(sizeof(*q));
    q->issuers = i;
    q->name = mem_strndup(issuer.p, issuer.n);
    q->name_n = issuer.n;
    worker_post(i->control, on_question, q);
}

/* ------- the configuration ------- */

static char *copy(struct slice s)
{
    return s.n > 0 ? mem_strndup(s.p, s.n) : NULL;
}

static struct issuer *issuer_new(struct issuers *i, const struct conf_issuer *c)
{
    struct issuer *s = mem_zalloc(sizeof(*s));

    list_init(&s->link);
    s->owner = i;
    s->name = mem_strndup(c->issuer.p, c->issuer.n);
    s->url = copy(c->jwks_url);
    s->ca = copy(c->ca);
    s->algorithms = issuer_algorithms(c);
    s->refresh_ms = c->refresh_ms;
    s->cooldown_ms = c->cooldown_ms;
    timer_init(&s->timer, i->control, on_time, s);
    return s;
}

static bool same_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

/* Until the next fetch: at once without keys, otherwise as if there had been no reload. */
static int64_t left_ms(const struct issuer *s)
{
    int64_t wait_ms = s->fetched_ms + next_fetch_ms(s) - clock_mono_ms();

    return s->set == NULL || wait_ms < SOON_MS ? SOON_MS : wait_ms;
}

/* Puts fresh in the place of the issuer of that name, which may hand its keys on. */
static void commit(struct issuers *i, struct issuer *fresh)
{
    struct issuer *old = find(i, slice_str(fresh->name));

    if (old != NULL && fresh->url != NULL && old->set != NULL && same_text(old->url, fresh->url) &&
        same_text(old->ca, fresh->ca) && old->algorithms == fresh->algorithms) {
        fresh->set = keyset_ref(old->set);
        memcpy(fresh->digest, old->digest, sizeof(fresh->digest));
        fresh->was_fetched = old->was_fetched;
        fresh->fetched_ms = old->fetched_ms;
        fresh->failures = old->failures;
    } else if (fresh->set != NULL || old != NULL) {
        post(i, slice_str(fresh->name), fresh->set);
    }
    if (old != NULL)
        issuer_free(old);
    if (fresh->url != NULL)
        timer_set(&fresh->timer, left_ms(fresh));
}

/* Loads every issuer into a list of its own; all complaints, a line each. */
static enum err load_all(struct issuers *i, const struct conf *conf, struct list *loaded,
                         struct buf *why)
{
    enum err e = ERR_OK;

    for (size_t n = 0; n < conf->issuer_count; n++) {
        const struct conf_issuer *c = &conf->issuers[n];
        struct keyset *set = NULL;

        if (c->jwks_url.n > 0 || issuer_load(c, &set, why) == ERR_OK) {
            struct issuer *s = issuer_new(i, c);

            s->set = set;
            list_add_tail(loaded, &s->link);
            continue;
        }
        buf_add_char(why, '\n');
        e = ERR_SYNTAX;
    }
    return e;
}

static void forget_others(struct issuers *i, const struct conf *conf)
{
    struct list *next;

    for (struct list *at = i->list.next; at != &i->list; at = next) {
        struct issuer *s = LIST_ITEM(at, struct issuer, link);
        bool is_wanted = false;

        next = at->next;
        for (size_t n = 0; n < conf->issuer_count && !is_wanted; n++)
            is_wanted = slice_eq(slice_str(s->name), conf->issuers[n].issuer);
        if (is_wanted)
            continue;
        post(i, slice_str(s->name), NULL);
        issuer_free(s);
    }
}

enum err issuers_apply(struct issuers *i, struct policy *p, char **why)
{
    struct list loaded;
    struct buf complaints;
    enum err e;

    list_init(&loaded);
    buf_init(&complaints);
    e = load_all(i, p->conf, &loaded, &complaints);
    if (e == ERR_OK)
        forget_others(i, p->conf);
    while (!list_is_empty(&loaded)) {
        struct issuer *s = LIST_ITEM(loaded.next, struct issuer, link);

        if (e != ERR_OK) {
            issuer_free(s);
            continue;
        }
        list_remove(&s->link);
        commit(i, s);
        list_add_tail(&i->list, &s->link);
    }
    if (e != ERR_OK)
        *why = mem_strndup(buf_slice(&complaints).p, complaints.n);
    buf_fini(&complaints);
    return e;
}
