#include "phase/phase.h"

const phase_fn pipeline_phases[] = {
#define PHASE(name, help) phase_##name,
#include "phase/phase.def"
#undef PHASE
    NULL,
};

void phase_audit(const struct exchange *x, enum audit_event event, const char *outcome,
                 struct slice detail)
{
    char ip[ADDR_TEXT_MAX + 1];

    audit(&(struct audit_entry){.event = event,
                                .outcome = outcome,
                                .request_id = x->request_id,
                                .user = x->who != NULL ? x->who->user_id : SLICE_NONE,
                                .actor = x->who != NULL ? x->who->key_id : x->auth.refused_key_id,
                                .ip = addr_write(&x->client_addr, ip),
                                .route = x->route->name,
                                .detail = detail});
}
