#include "process/quick_conf.h"

#include "conf/value.h"

#include <stdio.h>
#include <stdlib.h>

static void add(struct buf *out, const char *before, const char *text, const char *after)
{
    buf_add(out, slice_str(before));
    value_write_text(slice_str(text), out); /* quoted where YAML needs it */
    buf_add(out, slice_str(after));
}

static void compose(const struct quick *q, struct buf *out)
{
    char *url, *access_log, *audit_log;

    CHECK(asprintf(&url, "https://%s", q->listen) >= 0 &&
          asprintf(&access_log, "%s/access.log", q->dir) >= 0 &&
          asprintf(&audit_log, "%s/audit.log", q->dir) >= 0);
    buf_add(out,
            SLICE("# Written by `postern quick`, anew at each run. Copy it, change the copy, and "
                  "run: postern -c COPY\n"));
    add(out, "server:\n  public_url: ", url, "\n");
    add(out, "  state_dir: ", q->dir, "\n");
    add(out, "listen:\n  - address: ", q->listen, "\n");
    add(out, "    tls:\n      certificate: ", q->certificate, "\n");
    add(out, "      key: ", q->key, "\n");
    add(out, "admin: {address: 'off'}\nlog:\n  access: ", access_log, "\n");
    add(out, "  audit: ", audit_log, "\n  format: text\n  level: warn\n");
    add(out,
        "limits:\n  default: {key: principal, rate: [600/min]}\n"
        "upstreams:\n  service:\n    servers: [",
        q->url, "]\n");
    buf_add(out, SLICE("routes:\n  - {path: /**, auth: required, upstream: service}\n"));
    free(url);
    free(access_log);
    free(audit_log);
}

bool quick_write_conf(const struct quick *q)
{
    FILE *f = fopen(q->conf, "we");
    struct buf text;
    bool is_done;

    if (f == NULL)
        return false;
    buf_init(&text);
    compose(q, &text);
    is_done = fputs(buf_cstr(&text), f) >= 0;
    buf_fini(&text);
    return fclose(f) == 0 && is_done;
}
