#ifndef MODEL_MASTER_H
#define MODEL_MASTER_H

#include "base/secret.h"

/*
 * The master key of an installation: 32 bytes, in state_dir/master.key (0600,
 * base64url) or given by auth.master_key. All gateways on one Redis share it. Each
 * purpose has a key of its own derived from it (incidents K3).
 */
struct master {
    struct secret *pepper;   /* keyed hash of API keys and opaque tokens */
    struct secret *seal_key; /* signing keys at rest */
};

enum err master_from_text(struct slice base64url, struct master **out) MUST_USE;
/* Reads the file; makes it when absent and make is true. ERR_DENIED: others may read it. */
enum err master_open(const char *path, bool make, struct master **out) MUST_USE;
void master_free(struct master *m);

#endif
