#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t (*mono_source)(void);
static int64_t (*wall_source)(void);

int64_t clock_mono_us(void)
{
    struct timespec t;

    if (mono_source != NULL)
        return mono_source();
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

int64_t clock_wall_ms(void)
{
    struct timespec t;

    if (wall_source != NULL)
        return wall_source();
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void clock_set_source(int64_t (*mono_us)(void), int64_t (*wall_ms)(void))
{
    mono_source = mono_us;
    wall_source = wall_ms;
}

static struct tm split(int64_t wall_ms)
{
    time_t s = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&s, &tm);
    return tm;
}

void clock_rfc3339(int64_t wall_ms, char out[RFC3339_CHARS + 1])
{
    struct tm tm = split(wall_ms);
    char text[64];

    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(wall_ms % 1000));
    memcpy(out, text, RFC3339_CHARS);
    out[RFC3339_CHARS] = '\0';
}

void clock_http_date(int64_t wall_ms, char out[HTTP_DATE_CHARS + 1])
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm = split(wall_ms);
    char text[64];

    snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
             tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    memcpy(out, text, HTTP_DATE_CHARS);
    out[HTTP_DATE_CHARS] = '\0';
}
