#ifndef CONF_READ_H
#define CONF_READ_H

#include "conf/node.h"
#include "conf/option.h"

/* From the tree, then from the environment, into struct conf. Within this room only. */
struct reader {
    struct conf *conf;
    struct arena *scratch; /* of the tree */
    struct complaints *complaints;
    char *const *env;
    bool is_broken; /* a file could not be parsed: what is missing may stand there */
    bool needs_address, checks_files,
        is_reader; /* is_reader: of the files, as the daemon will be */
};

void read_defaults(struct reader *r);
void read_tree(struct reader *r, const struct node *root);
void read_environment(struct reader *r);

/* What is wrong between the values: required ones, references, pairs. */
void check_conf(const struct conf *conf, struct complaints *c);
void check_routes(const struct conf *conf, struct complaints *c);
void check_issuers(const struct conf *conf, struct complaints *c);
void check_upstreams(const struct conf *conf, struct complaints *c);
void check_limits(const struct conf *conf, struct complaints *c);
/* is_reader: a file that we may not read is an error; else the daemon may, and it is a warning. */
void check_files(const struct conf *conf, bool is_reader, struct complaints *c);
void check_cors(const struct conf *conf, const struct conf_cors *cors, struct complaints *c);

#endif
