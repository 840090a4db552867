#include "conf/conf.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Of a file that is wrong in every line the first ones are enough. */
enum { COMPLAINTS_MAX = 500, TEXT_MAX = 600 };

void complaints_init(struct complaints *c)
{
    *c = (struct complaints){0};
    arena_init(&c->arena);
}

void complaints_fini(struct complaints *c)
{
    free(c->items);
    arena_fini(&c->arena);
    *c = (struct complaints){0};
}

static void add(struct complaints *c, struct complaint item)
{
    if (!item.is_warning)
        c->errors++;
    if (c->count >= COMPLAINTS_MAX)
        return;
    if (c->count == c->room) {
        c->room = c->room == 0 ? 8 : c->room * 2;
        c->items = mem_realloc(c->items, c->room * sizeof(*c->items));
    }
    if (item.place.file != NULL)
        item.place.file = arena_dup(&c->arena, slice_str(item.place.file)).p;
    item.text = arena_dup(&c->arena, item.text);
    c->items[c->count++] = item;
}

void complain(struct complaints *c, struct place at, bool is_warning, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    /* Quoted values come from a file: no terminal is to be steered by one. */
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    add(c, (struct complaint){at, is_warning, slice_str(text)});
}

void complaints_write(const struct complaints *c, struct buf *out)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct complaint *item = &c->items[i];

        if (item->place.file != NULL)
            buf_printf(out, "%s:", item->place.file);
        if (item->place.line > 0)
            buf_printf(out, "%u:%u:", item->place.line, item->place.column);
        buf_printf(out, "%s%s: %.*s\n", item->place.file != NULL ? " " : "",
                   item->is_warning ? "warning" : "error", SLICE_FMT(item->text));
    }
    if (c->count == COMPLAINTS_MAX)
        buf_printf(out, "error: there is more; the first %d are shown\n", COMPLAINTS_MAX);
}
