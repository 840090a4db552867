#include "conf/conf.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Any bytes as a configuration: refused with words, or read, written and read again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static char *const env[] = {"HOST=h", "EMPTY=", NULL};
    struct complaints c;
    struct conf *conf = NULL;
    struct buf out;

    /* Secrets may name files, and a fuzzer would find /dev/stdin. */
    if (memmem(data, n, "file:", 5) != NULL || memmem(data, n, "credential:", 11) != NULL)
        return 0;
    complaints_init(&c);
    buf_init(&out);
    if (conf_read_text(slice_of(data, n), "fuzz.yaml", env, &c, &conf) == ERR_OK) {
        conf_write(conf, true, &out);
        CHECK(conf_diff(conf, conf, &out) == 0);
    } else {
        CHECK(c.errors > 0 && conf == NULL);
    }
    complaints_write(&c, &out);
    buf_fini(&out);
    conf_free(conf);
    complaints_fini(&c);
    return 0;
}
