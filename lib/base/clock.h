#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds that never step back: for deadlines and durations. */
int64_t clock_mono_ms(void);
/* Microseconds of the same clock: for the timings in the access log. */
int64_t clock_mono_us(void);

/* Milliseconds since 1970 UTC: for records and tokens. */
int64_t clock_wall_ms(void);
static inline int64_t clock_wall_s(void)
{
    return clock_wall_ms() / 1000;
}

/* Tests only: both clocks come from these until set to NULL again. */
void clock_set_source(int64_t (*mono_us)(void), int64_t (*wall_ms)(void));

enum { RFC3339_CHARS = 24, HTTP_DATE_CHARS = 29 };

/* "2026-11-25T03:29:13.123Z" (RFC 3339). out gets a NUL too. */
void clock_rfc3339(int64_t wall_ms, char out[RFC3339_CHARS + 1]);

/* "Wed, 25 Nov 2026 03:29:13 GMT" (RFC 9110 §5.6.7). out gets a NUL too. */
void clock_http_date(int64_t wall_ms, char out[HTTP_DATE_CHARS + 1]);

#endif
