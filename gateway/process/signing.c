#include "process/signing.h"

#include "model/roster.h"

static void hand_out(struct gateway *g, struct keyset *set, const struct jwk *signing)
{
    keyring_post(g->control, SLICE(""), set, signing);
    for (size_t i = 0; i < g->crew_count; i++)
        keyring_post(g->crews[i].worker, SLICE(""), set, signing);
}

static void on_pairs(void *arg, const struct pair *pairs, size_t count)
{
    struct gateway *g = arg;
    struct keyset *set = NULL;
    const struct jwk *signing = NULL;
    size_t skipped = 0;
    enum err e = signing_decode(g->master, pairs, count, &set, &signing, &skipped);

    if (skipped > 0)
        log_warn(g->log, "signing_keys.skipped", LOG_INT("count", skipped),
                 LOG_STR("hint", "sealed under another master key?"));
    if (e != ERR_OK) {
        log_warn(g->log, "signing_keys.none", LOG_ERR("cause", e),
                 LOG_STR("hint", "make one: posternctl signing-key rotate"));
        return;
    }
    hand_out(g, set, signing);
    audit(&(struct audit_entry){.event = AUDIT_SIGNING_KEYS,
                                .outcome = "ok",
                                .detail = signing != NULL ? signing->kid : SLICE_NONE});
    log_info(g->log, "signing_keys.loaded", LOG_INT("count", set->count));
    keyset_unref(set);
}

void signing_follow(struct gateway *g)
{
    store_watch_signing(g->control_store, on_pairs, g);
}
