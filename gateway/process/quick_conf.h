#ifndef PROCESS_QUICK_CONF_H
#define PROCESS_QUICK_CONF_H

#include <stdbool.h>

/* What `postern quick` was asked for, and where its files are. */
struct quick {
    const char *url, *listen, *user;
    char *dir, *conf, *certificate, *key;
};

/* Writes q->conf; false and errno when it cannot. */
bool quick_write_conf(const struct quick *q);

#endif
