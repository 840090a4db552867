/* posternctl doctor: what is wrong, found by looking, each with the command that mends it. */
#include "doctor.h"

#include "control.h"
#include "output.h"

void finding_add(struct findings *f, bool is_ok, const char *what, const char *fix)
{
    f->bad += !is_ok;
    (void)json_array_append_new(f->list, json_pack("{s:s,s:b,s:s*}", "check", what, "ok", is_ok,
                                                   "fix", is_ok ? NULL : fix));
}

static void print_line(const struct ctl *c, const json_t *one)
{
    bool ok = json_is_true(json_object_get(one, "ok"));
    const char *color = ok ? "\033[32m" : "\033[31m";

    printf("%s%s%s %s\n", c->out_has_color ? color : "", ok ? "\u2713" : "\u2717",
           c->out_has_color ? "\033[0m" : "", json_string_value(json_object_get(one, "check")));
    if (!ok)
        printf("    %s\n", json_string_value(json_object_get(one, "fix")));
}

static void print(const struct ctl *c, const struct findings *f)
{
    if (output_is_data(c)) {
        output_data(c, f->list);
        return;
    }
    for (size_t i = 0; i < json_array_size(f->list); i++)
        print_line(c, json_array_get(f->list, i));
}

enum outcome ctl_doctor(struct ctl *c)
{
    struct findings f = {.list = json_array()};
    bool is_valid = ctl_open_conf(c) == OUTCOME_OK;

    finding_add(&f, is_valid, "the configuration is valid", "posternctl config check");
    if (is_valid) {
        doctor_store(c, &f);
        doctor_files(c, &f);
        doctor_gateway(c, &f);
    }
    print(c, &f);
    json_decref(f.list);
    return f.bad == 0 ? OUTCOME_OK : OUTCOME_FAILED;
}
