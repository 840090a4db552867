#ifndef CONF_UNIT_H
#define CONF_UNIT_H

#include "conf/conf.h"

/*
 * One grammar for amounts: a whole number and its unit, nothing between.
 *
 *   durations  500ms 30s 5m 2h 7d    (a bare 0 too)
 *   sizes      10B 32KiB 5MiB 2GiB 1TiB, or bytes without a unit
 *   rates      60/min 1000/h 5/s 10000/d 10/15m
 *
 * On ERR_SYNTAX proposal holds what was probably meant ("5MiB" for "5m"), or "".
 */
enum { UNIT_TEXT_MAX = 48 };

enum err unit_parse_count(struct slice s, uint64_t *out, char proposal[UNIT_TEXT_MAX]) MUST_USE;
enum err unit_parse_duration(struct slice s, int64_t *out_ms,
                             char proposal[UNIT_TEXT_MAX]) MUST_USE;
enum err unit_parse_bytes(struct slice s, uint64_t *out, char proposal[UNIT_TEXT_MAX]) MUST_USE;
enum err unit_parse_rate(struct slice s, struct rate *out, char proposal[UNIT_TEXT_MAX]) MUST_USE;
enum err unit_parse_bool(struct slice s, bool *out, char proposal[UNIT_TEXT_MAX]) MUST_USE;

/* With the largest unit that divides the value. */
void unit_write_duration(int64_t ms, char out[UNIT_TEXT_MAX]);
void unit_write_bytes(uint64_t bytes, char out[UNIT_TEXT_MAX]);
void unit_write_rate(const struct rate *rate, char out[UNIT_TEXT_MAX]);

#endif
