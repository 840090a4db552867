#ifndef PROCESS_TLS_SETUP_H
#define PROCESS_TLS_SETUP_H

#include "conf/conf.h"
#include "net/tls.h"

/* A TLS server for each listen entry (NULL: plain). out has conf->listen_count places. why: free().
 */
enum err tls_setup(const struct conf *conf, struct tls_server **out, char **why) MUST_USE;

#endif
