#include "conf/value.h"

#include "base/json.h"
#include "conf/unit.h"

#include <inttypes.h>

/* Characters that mean nothing to YAML wherever they stand. */
static bool is_plain_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '/' || c == '.' || c == '-' || c == '+' || c == ':';
}

static bool is_plain(struct slice s)
{
    static const char *const read_as_others[] = {"true", "false", "yes", "no", "on",
                                                 "off",  "null",  "y",   "n"};

    if (s.n == 0 || s.p[0] == '-' || s.p[0] == ':' || s.p[0] == '.' || s.p[0] == '+' ||
        s.p[s.n - 1] == ':' || (s.p[0] >= '0' && s.p[0] <= '9'))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_plain_char(s.p[i]))
            return false;
    for (size_t i = 0; i < sizeof(read_as_others) / sizeof(read_as_others[0]); i++)
        if (slice_eq_ci(s, slice_str(read_as_others[i])))
            return false;
    return true;
}

void value_write_text(struct slice text, struct buf *out)
{
    struct buf quoted;

    if (is_plain(text)) {
        buf_add(out, text);
        return;
    }
    /* A JSON string is a YAML scalar; only ${ would be read as a variable. */
    buf_init(&quoted);
    json_add_string(&quoted, text);
    for (size_t i = 0; i < quoted.n; i++) {
        if (slice_starts(slice_from(buf_slice(&quoted), i), SLICE("${")))
            buf_add_char(out, '$');
        buf_add_char(out, quoted.p[quoted.off + i]);
    }
    buf_fini(&quoted);
}

static void write_addr(const struct cidr *c, struct buf *out)
{
    char text[ADDR_TEXT_MAX + 1];
    struct slice s = addr_write(&c->base, text);
    bool is_v4 = memchr(s.p, ':', s.n) == NULL;

    if (c->bits == 128)
        buf_printf(out, "\"%.*s\"", SLICE_FMT(s));
    else
        buf_printf(out, "\"%.*s/%u\"", SLICE_FMT(s), is_v4 ? c->bits - 96u : c->bits);
}

size_t value_item_count(const struct option *o, const void *base)
{
    struct texts list; /* the three kinds of list have the same shape */

    memcpy(&list, (const char *)base + o->offset, sizeof(list));
    return list.count;
}

void value_write_item(const struct option *o, const void *base, size_t i, struct buf *out)
{
    const char *field = (const char *)base + o->offset;
    char text[UNIT_TEXT_MAX];
    struct texts texts;
    struct rates rates;
    struct addrs addrs;

    if (o->type == OPTION_TEXTS) {
        memcpy(&texts, field, sizeof(texts));
        value_write_text(texts.items[i], out);
    } else if (o->type == OPTION_ADDRS) {
        memcpy(&addrs, field, sizeof(addrs));
        write_addr(&addrs.items[i], out);
    } else {
        memcpy(&rates, field, sizeof(rates));
        unit_write_rate(&rates.items[i], text);
        buf_add(out, slice_str(text));
    }
}

static void write_list(const struct option *o, const void *base, struct buf *out)
{
    size_t count = value_item_count(o, base);

    buf_add_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add(out, SLICE(", "));
        value_write_item(o, base, i, out);
    }
    buf_add_char(out, ']');
}

void value_write(const struct option *o, const void *base, struct buf *out)
{
    const char *field = (const char *)base + o->offset;
    char text[UNIT_TEXT_MAX];
    union {
        bool flag;
        uint64_t number;
        int64_t ms;
        struct slice text;
        struct secret *secret;
        enum word word;
    } v;

    switch (o->type) {
    case OPTION_BOOL:
        memcpy(&v.flag, field, sizeof(v.flag));
        buf_add(out, v.flag ? SLICE("true") : SLICE("false"));
        break;
    case OPTION_COUNT:
        memcpy(&v.number, field, sizeof(v.number));
        buf_printf(out, "%" PRIu64, v.number);
        break;
    case OPTION_DURATION:
        memcpy(&v.ms, field, sizeof(v.ms));
        unit_write_duration(v.ms, text);
        buf_add(out, slice_str(text));
        break;
    case OPTION_BYTES:
        memcpy(&v.number, field, sizeof(v.number));
        unit_write_bytes(v.number, text);
        buf_add(out, slice_str(text));
        break;
    case OPTION_SECRET:
        memcpy(&v.secret, field, sizeof(v.secret));
        buf_add(out, v.secret != NULL ? SLICE("\"********\"") : SLICE("\"\""));
        break;
    case OPTION_ENUM:
        memcpy(&v.word, field, sizeof(v.word));
        value_write_text(slice_str(word_text(v.word)), out);
        break;
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_URL:
        memcpy(&v.text, field, sizeof(v.text));
        value_write_text(v.text, out);
        break;
    default:
        write_list(o, base, out);
    }
}

bool value_equal(const struct option *o, const void *a, const void *b)
{
    struct buf x, y;
    bool is_equal;

    if (o->type == OPTION_SECRET) {
        const struct secret *s, *t;

        memcpy(&s, (const char *)a + o->offset, sizeof(s));
        memcpy(&t, (const char *)b + o->offset, sizeof(t));
        if (s == NULL || t == NULL)
            return s == t;
        return secret_equal(secret_slice(s), secret_slice(t));
    }
    buf_init(&x);
    buf_init(&y);
    value_write(o, a, &x);
    value_write(o, b, &y);
    is_equal = slice_eq(buf_slice(&x), buf_slice(&y));
    buf_fini(&x);
    buf_fini(&y);
    return is_equal;
}
