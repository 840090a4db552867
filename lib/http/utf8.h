#ifndef HTTP_UTF8_H
#define HTTP_UTF8_H

#include "base/slice.h"

/* Bytes of the UTF-8 character at s.p[at]; 0 when it is overlong, a surrogate or none (RFC 3629
 * §4). */
size_t utf8_length(struct slice s, size_t at);

#endif
