#ifndef PROCESS_QUICK_TLS_H
#define PROCESS_QUICK_TLS_H

#include "base/err.h"

/* A P-256 key and a certificate for localhost, 127.0.0.1 and ::1 that it signs itself; kept if both
 * files exist. */
enum err quick_certificate(const char *certificate_path, const char *key_path) MUST_USE;

#endif
