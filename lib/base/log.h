#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"
#include "base/slice.h"

/*
 * Events as JSON lines (or logfmt for a terminal): a stable dotted name and
 * typed values. Values are escaped, so no client can forge a line (incidents H13).
 * There is no field type for a secret. A line is one write(2); any thread.
 */
struct log;

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_JSON, LOG_TEXT };

struct log_field {
    const char *name;
    enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_BOOL, LOG_FIELD_ERR, LOG_FIELD_SLICE } type;
    union {
        const char *str;
        int64_t number;
        struct slice slice;
    };
};

#define LOG_STR(key, value)                                                                        \
    {                                                                                              \
        .name = (key), .type = LOG_FIELD_STR, .str = (value)                                       \
    }
#define LOG_SLICE(key, value)                                                                      \
    {                                                                                              \
        .name = (key), .type = LOG_FIELD_SLICE, .slice = (value)                                   \
    }
#define LOG_INT(key, value)                                                                        \
    {                                                                                              \
        .name = (key), .type = LOG_FIELD_INT, .number = (int64_t)(value)                           \
    }
#define LOG_BOOL(key, value)                                                                       \
    {                                                                                              \
        .name = (key), .type = LOG_FIELD_BOOL, .number = (value)                                   \
    }
#define LOG_ERR(key, value)                                                                        \
    {                                                                                              \
        .name = (key), .type = LOG_FIELD_ERR, .number = (value)                                    \
    }

/* fd is borrowed. */
struct log *log_new(int fd, enum log_format format, enum log_level level);
void log_free(struct log *l);
bool log_is_on(const struct log *l, enum log_level level);

void log_write(struct log *l, enum log_level level, const char *event,
               const struct log_field *fields, size_t count);

#define LOG_AT(l, level, event, ...)                                                               \
    do {                                                                                           \
        const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__};                               \
        log_write((l), (level), (event), log_fields_ + 1,                                          \
                  sizeof(log_fields_) / sizeof(log_fields_[0]) - 1);                               \
    } while (0)
#define log_error(l, event, ...) LOG_AT(l, LOG_ERROR, event, ##__VA_ARGS__)
#define log_warn(l, event, ...) LOG_AT(l, LOG_WARN, event, ##__VA_ARGS__)
#define log_info(l, event, ...) LOG_AT(l, LOG_INFO, event, ##__VA_ARGS__)
#define log_debug(l, event, ...) LOG_AT(l, LOG_DEBUG, event, ##__VA_ARGS__)

#endif
