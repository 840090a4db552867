#ifndef CTL_CONTROL_H
#define CTL_CONTROL_H

#include "ctl.h"

/*
 * One question to the running gateway over its control socket (state_dir/control.sock).
 * body is appended to. UNREACHABLE, already told, when nobody answers there.
 */
enum outcome control_ask(const struct ctl *c, const char *method, const char *target,
                         unsigned *status, struct buf *body) MUST_USE;

/* The same for an answer in JSON, which the caller json_decref()s. status may be NULL. */
enum outcome control_ask_json(const struct ctl *c, const char *method, const char *target,
                              unsigned *status, json_t **out) MUST_USE;

/* Percent-encodes everything but unreserved characters. */
void control_add_param(struct buf *target, const char *name, struct slice value);

#endif
