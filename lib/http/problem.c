#include "http/problem.h"

#include "base/err.h"
#include "base/json.h"

struct row {
    unsigned status;
    const char *code, *type, *title;
};

static const struct row rows[PROBLEM_COUNT] = {
#define PROBLEM(name, status, code, type, title) [PROBLEM_##name] = {status, code, type, title},
#include "http/problem.def"
#undef PROBLEM
};

unsigned problem_status(enum problem p)
{
    CHECK((unsigned)p < PROBLEM_COUNT);
    return rows[p].status;
}

const char *problem_code(enum problem p)
{
    CHECK((unsigned)p < PROBLEM_COUNT);
    return rows[p].code;
}

const char *problem_title(enum problem p)
{
    CHECK((unsigned)p < PROBLEM_COUNT);
    return rows[p].title;
}

/* lead: what stands before the value, such as ",\"detail\":". */
static void add_text(struct buf *b, const char *lead, struct slice value)
{
    buf_add(b, slice_str(lead));
    json_add_string(b, value);
}

static void add_request_id(struct buf *b, struct slice request_id)
{
    if (request_id.n > 0)
        add_text(b, ",\"request_id\":", request_id);
}

/* One body that RFC 9457, FastAPI and OpenAI readers all understand (D17). */
static void write_gateway(struct buf *b, const struct row *row, struct slice detail,
                          struct slice request_id)
{
    buf_printf(b, "{\"type\":\"urn:postern:problem:%s\"", row->code);
    add_text(b, ",\"title\":", slice_str(row->title));
    buf_printf(b, ",\"status\":%u", row->status);
    add_text(b, ",\"detail\":", detail);
    add_request_id(b, request_id);
    add_text(b, ",\"error\":{\"message\":", detail);
    add_text(b, ",\"type\":", slice_str(row->type));
    add_text(b, ",\"param\":null,\"code\":", slice_str(row->code));
    add_request_id(b, request_id);
    buf_add(b, SLICE("}}"));
}

static void write_anthropic(struct buf *b, const struct row *row, struct slice detail,
                            struct slice request_id)
{
    add_text(b, "{\"type\":\"error\",\"error\":{\"type\":", slice_str(row->type));
    add_text(b, ",\"message\":", detail);
    buf_add_char(b, '}');
    add_request_id(b, request_id);
    buf_add_char(b, '}');
}

static void write_success(struct buf *b, const struct row *row, struct slice detail)
{
    add_text(b, "{\"success\":false,\"message\":", detail);
    add_text(b, ",\"error\":", slice_str(row->code));
    add_text(b, ",\"detail\":", detail);
    buf_add_char(b, '}');
}

/* The words image2model's clients match on where they differ from ours (api S3). */
static const char *coded_name(enum problem p)
{
    switch (p) {
    case PROBLEM_UNAUTHENTICATED:
        return "AUTHENTICATION_REQUIRED";
    case PROBLEM_FORBIDDEN:
        return "INSUFFICIENT_PERMISSIONS";
    case PROBLEM_RATE_LIMITED:
        return "RATE_LIMIT_EXCEEDED";
    case PROBLEM_UNPROCESSABLE:
        return "VALIDATION_ERROR";
    default:
        return NULL;
    }
}

static void write_coded(struct buf *b, enum problem p, struct slice detail)
{
    const char *name = coded_name(p);

    buf_add(b, SLICE("{\"error\":true,\"error_code\":\""));
    if (name != NULL)
        buf_add(b, slice_str(name));
    else
        for (const char *c = rows[p].code; *c != '\0'; c++)
            buf_add_char(b, *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c);
    add_text(b, "\",\"message\":", detail);
    buf_printf(b, ",\"status_code\":%u,\"details\":{}}", rows[p].status);
}

void problem_write(struct buf *out, enum problem p, enum problem_style style, struct slice detail,
                   struct slice request_id)
{
    const struct row *row;

    CHECK((unsigned)p < PROBLEM_COUNT);
    row = &rows[p];
    if (detail.p == NULL)
        detail = slice_str(row->title);
    switch (style) {
    case PROBLEM_STYLE_GATEWAY:
        write_gateway(out, row, detail, request_id);
        break;
    case PROBLEM_STYLE_ANTHROPIC:
        write_anthropic(out, row, detail, request_id);
        break;
    case PROBLEM_STYLE_DETAIL:
        add_text(out, "{\"detail\":", detail);
        buf_add_char(out, '}');
        break;
    case PROBLEM_STYLE_SUCCESS:
        write_success(out, row, detail);
        break;
    case PROBLEM_STYLE_CODED:
        write_coded(out, p, detail);
        break;
    }
}
