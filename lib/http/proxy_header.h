#ifndef HTTP_PROXY_HEADER_H
#define HTTP_PROXY_HEADER_H

#include "http/addr.h"

/* A version 2 header may claim 64 KiB; none in use needs more than this. */
enum { PROXY_HEADER_BYTES_MAX = 4096 };

/*
 * The PROXY protocol, versions 1 and 2, as a load balancer sends it before the
 * first byte of the client. Only from listed peers (incidents F12). TLVs are
 * skipped after their total length is checked.
 *
 * bytes    all bytes of the connection so far
 * used     set on ERR_OK: length of the header
 * is_local set on ERR_OK: a health check of the balancer itself (LOCAL, UNKNOWN);
 *          client is then untouched
 * returns  ERR_OK, ERR_AGAIN (more bytes needed), ERR_SYNTAX (close)
 */
enum err proxy_header_parse(struct slice bytes, struct addr *client, bool *is_local,
                            size_t *used) MUST_USE;

#endif
