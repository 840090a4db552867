#ifndef OBSERVE_AUDIT_H
#define OBSERVE_AUDIT_H

#include "base/slice.h"

enum audit_event {
#define AUDIT(name, event, help) AUDIT_##name,
#include "observe/audit.def"
#undef AUDIT
    AUDIT_COUNT
};

/* Slices may be empty; values are cut at 256 bytes. Never a secret: key ids, not keys. */
struct audit_entry {
    enum audit_event event;
    const char *outcome; /* "refused", "ok" ... */
    struct slice request_id, user, actor, ip, route, detail;
};

/* The sink is the process's: opened once, one write(2) a line, any thread. fd is borrowed. */
void audit_open(int fd);
void audit(const struct audit_entry *entry);

#endif
