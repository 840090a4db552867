#include "process/tls_setup.h"

#include "base/alloc.h"

#include <stdlib.h>

static const char *text_or_null(struct slice s)
{
    return s.n > 0 ? s.p : NULL;
}

static enum err set_up_one(const struct conf_listen *l, struct tls_server **out, char **why)
{
    struct tls_files *files = mem_zalloc((l->certificate_count + 1) * sizeof(*files));
    enum err e;

    files[0] = (struct tls_files){l->certificate.p, l->key.p};
    for (size_t i = 0; i < l->certificate_count; i++)
        files[i + 1] =
            (struct tls_files){l->certificates[i].certificate.p, l->certificates[i].key.p};
    e = tls_server_new(
        &(struct tls_server_conf){
            .files = files,
            .file_count = l->certificate_count + 1,
            .client_ca = l->client_certificate == CONF_client_certificate_NONE
                             ? NULL
                             : text_or_null(l->client_ca),
            .client_required = l->client_certificate == CONF_client_certificate_REQUIRED,
            .only_1_3 = l->min_version == CONF_tls_version_1_3,
            .context_id = l->address,
        },
        out, why);
    free(files);
    return e;
}

enum err tls_setup(const struct conf *conf, struct tls_server **out, char **why)
{
    for (size_t i = 0; i < conf->listen_count; i++) {
        enum err e;

        out[i] = NULL;
        if (conf->listen[i].certificate.n == 0)
            continue;
        e = set_up_one(&conf->listen[i], &out[i], why);
        if (e != ERR_OK) {
            while (i-- > 0)
                tls_server_unref(out[i]);
            return e;
        }
    }
    return ERR_OK;
}
