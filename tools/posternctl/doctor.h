#ifndef CTL_DOCTOR_H
#define CTL_DOCTOR_H

#include "ctl.h"

/* What posternctl doctor finds: one entry a check, with the command that mends it. */
struct findings {
    json_t *list;
    size_t bad;
};

/* what and fix are printf formats' results; the texts are copied. */
void finding_add(struct findings *f, bool is_ok, const char *what, const char *fix);

/* Redis: reachable, permitted commands, client tracking, eviction, clock. */
void doctor_store(struct ctl *c, struct findings *f);
/* Modes of files, certificates and their keys. */
void doctor_files(struct ctl *c, struct findings *f);
/* The running gateway: answers, ready, descriptors. */
void doctor_gateway(struct ctl *c, struct findings *f);

#endif
