#include "observe/audit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

#include <stdatomic.h>
#include <unistd.h>

enum { VALUE_BYTES_MAX = 256 };

static atomic_int sink = -1;

static const char *const events[AUDIT_COUNT] = {
#define AUDIT(name, event, help) [AUDIT_##name] = event,
#include "observe/audit.def"
#undef AUDIT
};

void audit_open(int fd)
{
    atomic_store(&sink, fd);
}

/* At most VALUE_BYTES_MAX bytes, not ending inside a UTF-8 sequence. */
static struct slice cut(struct slice s)
{
    size_t n = VALUE_BYTES_MAX;

    if (s.n <= VALUE_BYTES_MAX)
        return s;
    while (n > VALUE_BYTES_MAX - 4 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    return slice_to(s, n);
}

static void add(struct buf *b, const char *name, struct slice value)
{
    if (value.n == 0)
        return;
    buf_printf(b, ",\"%s\":", name);
    json_add_string(b, cut(value));
}

void audit(const struct audit_entry *entry)
{
    int fd = atomic_load(&sink);
    char time[RFC3339_CHARS + 1];
    struct buf b;

    if (fd < 0)
        return;
    buf_init(&b);
    clock_rfc3339(clock_wall_ms(), time);
    buf_printf(&b, "{\"time\":\"%s\",\"event\":\"%s\"", time, events[entry->event]);
    add(&b, "outcome", slice_str(entry->outcome));
    add(&b, "request_id", entry->request_id);
    add(&b, "user", entry->user);
    add(&b, "actor", entry->actor);
    add(&b, "ip", entry->ip);
    add(&b, "route", entry->route);
    add(&b, "detail", entry->detail);
    buf_add(&b, SLICE("}\n"));
    /* A log that cannot be written must not stop the service. */
    if (write(fd, b.p + b.off, b.n) < 0)
        (void)0;
    buf_fini(&b);
}
