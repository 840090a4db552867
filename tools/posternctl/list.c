#include "list.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { EVERY_MS = 1000 };

/* A pipe whose reader left reports an error; anything else is just a pause. */
bool list_wait(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};

    if (fflush(stdout) != 0 || ferror(stdout))
        return false;
    return poll(&out, 1, EVERY_MS) == 0;
}

static const char *id_of(const struct view *v, const json_t *item)
{
    return json_string_value(json_object_get(item, v->id_member));
}

/* The items by their ids. */
static json_t *index_list(const struct view *v, json_t *list)
{
    json_t *index = json_object();

    for (size_t i = 0; i < json_array_size(list); i++)
        (void)json_object_set(index, id_of(v, json_array_get(list, i)), json_array_get(list, i));
    return index;
}

static void tell_gone(const struct ctl *c, const struct view *v, const char *id)
{
    json_t *note;

    if (!output_is_data(c)) {
        ctl_say(c, "%s is gone", id);
        return;
    }
    note = json_pack("{s:s,s:b}", v->id_member, id, "deleted", 1);
    output_data(c, note);
    json_decref(note);
}

static void show_changes(const struct ctl *c, const struct view *v, json_t *before, json_t *now)
{
    json_t *old = index_list(v, before), *new = index_list(v, now), *changed = json_array(), *item;
    const char *id;

    json_object_foreach(new, id, item) if (!json_equal(json_object_get(old, id), item))(void)
        json_array_append(changed, item);
    if (json_array_size(changed) > 0)
        output_list(c, v, changed);
    json_object_foreach(old, id, item) if (json_object_get(new, id) == NULL) tell_gone(c, v, id);
    json_decref(changed);
    json_decref(old);
    json_decref(new);
}

enum outcome list_run(struct ctl *c, const struct view *v, list_fn read)
{
    json_t *before = NULL;
    enum outcome o = ctl_open_roster(c);

    if (o != OUTCOME_OK || (o = read(c, &before)) != OUTCOME_OK)
        return o;
    if (ctl_has(c, FLAG_WATCH) && output_is_data(c) && c->format != FORMAT_YAML)
        c->format = FORMAT_JSONL; /* one document would never end */
    output_list(c, v, before);
    c->has_heading = true;
    while (ctl_has(c, FLAG_WATCH) && list_wait()) {
        json_t *now = NULL;

        if ((o = read(c, &now)) != OUTCOME_OK)
            break;
        show_changes(c, v, before, now);
        json_decref(before);
        before = now;
    }
    json_decref(before);
    return o;
}
