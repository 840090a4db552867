#include "base/log.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

struct log {
    int fd;
    enum log_format format;
    enum log_level level;
};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

struct log *log_new(int fd, enum log_format format, enum log_level level)
{
    struct log *l = mem_alloc(sizeof(*l));

    *l = (struct log){fd, format, level};
    return l;
}

void log_free(struct log *l)
{
    free(l);
}

bool log_is_on(const struct log *l, enum log_level level)
{
    return l != NULL && level <= l->level;
}

static void add_value(struct buf *b, const struct log_field *f)
{
    switch (f->type) {
    case LOG_FIELD_STR:
        json_add_string(b, slice_str(f->str));
        break;
    case LOG_FIELD_SLICE:
        json_add_string(b, f->slice);
        break;
    case LOG_FIELD_INT:
        buf_printf(b, "%" PRId64, f->number);
        break;
    case LOG_FIELD_BOOL:
        buf_add(b, f->number != 0 ? SLICE("true") : SLICE("false"));
        break;
    case LOG_FIELD_ERR:
        json_add_string(b, slice_str(err_text((enum err)f->number)));
        break;
    }
}

void log_write(struct log *l, enum log_level level, const char *event,
               const struct log_field *fields, size_t count)
{
    struct buf b;
    char time[RFC3339_CHARS + 1];
    bool json;

    if (!log_is_on(l, level))
        return;
    buf_init(&b);
    clock_rfc3339(clock_wall_ms(), time);
    json = l->format == LOG_JSON;
    buf_printf(&b, json ? "{\"ts\":\"%s\",\"level\":\"%s\",\"msg\":\"%s\"" : "%s %-5s %s", time,
               level_names[level], event);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&b, json ? ",\"%s\":" : " %s=", fields[i].name);
        add_value(&b, &fields[i]);
    }
    buf_add(&b, json ? SLICE("}\n") : SLICE("\n"));
    /* A log that cannot be written must not stop the service. */
    if (write(l->fd, b.p + b.off, b.n) < 0)
        (void)0;
    buf_fini(&b);
}
