#include "base/buf.h"
#include "model/redis_client.h"

enum { LENGTH_CHARS = 1 + 20 + 2 };

/* '*' or '$', the number, CRLF. */
static char *write_length(char *p, char kind, size_t n)
{
    char digits[20];
    size_t count = 0;

    *p++ = kind;
    do
        digits[count++] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    while (count > 0)
        *p++ = digits[--count];
    *p++ = '\r';
    *p++ = '\n';
    return p;
}

void redis_write_command(struct buf *out, const struct slice *args, size_t count)
{
    size_t room = LENGTH_CHARS;
    char *start, *p;

    for (size_t i = 0; i < count; i++)
        room += LENGTH_CHARS + args[i].n + 2;
    start = buf_room(out, room);
    p = write_length(start, '*', count);
    for (size_t i = 0; i < count; i++) {
        p = write_length(p, '$', args[i].n);
        if (args[i].n > 0)
            memcpy(p, args[i].p, args[i].n);
        p += args[i].n;
        *p++ = '\r';
        *p++ = '\n';
    }
    buf_commit(out, (size_t)(p - start));
}
