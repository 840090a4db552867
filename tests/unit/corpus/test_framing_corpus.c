/*
 * The cases of tests/corpus/framing through the codec alone: in one piece, in every two pieces
 * and byte by byte, each look on a heap block of exactly the bytes at hand. Whatever the cuts,
 * the codec must say the same; a read past the end is the sanitizer's to see (spec: one parser in
 * use elsewhere dispatched another path at 11 of 25 cuts).
 */
#include "corpus_case.h"

#include "http/h1_body.h"
#include "http/h1_parse.h"

#include <glob.h>

enum { CUT_EVERYWHERE_BYTES = 4096 }; /* a longer case is cut at some places only */

static const struct h1_limits request_limits = {
    .head_bytes = 32 * 1024, .field_count = 100, .target_bytes = 16 * 1024};
static const struct h1_limits answer_limits = {.head_bytes = 64 * 1024, .field_count = 256};

enum where { IN_HEAD, IN_BODY, OVER };

/* One side of a connection as the daemon's codecs are used, writing down all they say. */
struct player {
    bool is_request;
    struct slice method; /* of the request that an answer is to */
    enum where where;
    bool is_last; /* nothing follows this message */
    enum h1_result verdict;
    struct h1_scan scan;
    struct h1_body body;
    struct arena arena;
    struct buf said, content;
};

static struct slice exact(struct slice s)
{
    char *p = malloc(s.n);

    assert_non_null(p);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return slice_of(p, s.n);
}

static void exact_free(struct slice s)
{
    free((void *)(uintptr_t)s.p);
}

static void say_head(struct player *p, const struct head *head, const char *facts)
{
    buf_printf(&p->said, "%s[%.*s|%.*s|%.*s|%u|%u]", facts, SLICE_FMT(head->method),
               SLICE_FMT(head->target), SLICE_FMT(head->authority), head->status,
               head->version_minor);
    for (size_t i = 0; i < head->count; i++)
        buf_printf(&p->said, "<%.*s|%.*s|%u>", SLICE_FMT(head->fields[i].name),
                   SLICE_FMT(head->fields[i].value), (unsigned)head->fields[i].id);
}

static void begin_body(struct player *p, enum h1_framing framing, uint64_t length)
{
    h1_body_init(&p->body, framing, length, &p->arena);
    p->where = framing == H1_FRAMING_NONE || (framing == H1_FRAMING_LENGTH && length == 0)
                   ? p->is_last ? OVER : IN_HEAD
                   : IN_BODY;
}

static enum h1_result take_request(struct player *p, struct slice bytes, struct head *head)
{
    struct h1_request r;
    enum h1_result verdict = h1_parse_request(bytes, &request_limits, head, &r);
    char facts[64];

    if (verdict != H1_DONE)
        return verdict;
    snprintf(facts, sizeof(facts), "%d %llu %d%d%d%d", (int)r.framing,
             (unsigned long long)r.content_length, r.keep_alive, r.expect_continue, r.expect_other,
             r.upgrade_websocket);
    say_head(p, head, facts);
    p->is_last = !r.keep_alive || head->version_minor == 0 || r.expect_other;
    begin_body(p, r.framing, r.content_length);
    return H1_DONE;
}

static enum h1_result take_answer(struct player *p, struct slice bytes, struct head *head)
{
    struct h1_response r;
    enum h1_result verdict = h1_parse_response(bytes, &answer_limits, p->method, head, &r);
    char facts[64];

    if (verdict != H1_DONE)
        return verdict;
    snprintf(facts, sizeof(facts), "%d %llu %d%d", (int)r.framing,
             (unsigned long long)r.content_length, r.keep_alive, r.is_upgrade);
    say_head(p, head, facts);
    p->is_last = head->status >= 200 || r.is_upgrade;
    begin_body(p, r.framing, r.content_length);
    return H1_DONE;
}

static void stop(struct player *p, enum h1_result verdict)
{
    p->where = OVER;
    p->verdict = verdict;
}

static size_t play_head(struct player *p, struct slice bytes)
{
    const size_t limit = p->is_request ? request_limits.head_bytes : answer_limits.head_bytes;
    size_t n = 0;
    enum h1_result r = h1_scan_head(&p->scan, bytes, limit, p->is_request, &n);
    struct slice block;
    struct head head;

    if (r == H1_MORE)
        return 0;
    p->scan = (struct h1_scan){0};
    if (r == H1_DONE) {
        block = exact(slice_to(bytes, n));
        head_init(&head, &p->arena);
        r = p->is_request ? take_request(p, block, &head) : take_answer(p, block, &head);
        exact_free(block);
    }
    if (r != H1_DONE)
        stop(p, r);
    return n;
}

static void say_trailers(struct player *p)
{
    if (p->body.trailers != NULL)
        say_head(p, p->body.trailers, "trailers");
    h1_body_fini(&p->body);
}

static size_t play_body(struct player *p, struct slice bytes)
{
    struct slice data;
    size_t used;
    enum h1_result r = h1_body_feed(&p->body, bytes, &data, &used);

    buf_add(&p->content, data);
    buf_printf(&p->said, r == H1_DONE ? "ends" : "");
    if (r == H1_DONE) {
        say_trailers(p);
        p->where = p->is_last ? OVER : IN_HEAD;
    } else if (r != H1_MORE) {
        stop(p, r);
    }
    return used;
}

/* All of bytes has come, from its byte taken on it was not understood yet. */
static size_t play_arrival(struct player *p, struct slice bytes, size_t taken)
{
    size_t used = 1;

    while (used > 0 && taken < bytes.n && p->where != OVER) {
        struct slice block = exact(slice_from(bytes, taken));

        used = p->where == IN_HEAD ? play_head(p, block) : play_body(p, block);
        exact_free(block);
        taken += used;
    }
    return taken;
}

/* Bytes arrive: the first of them, then step by step. */
static void play(struct player *p, struct slice bytes, size_t first, size_t step)
{
    size_t taken = 0;

    p->where = IN_HEAD;
    p->verdict = H1_MORE;
    p->scan = (struct h1_scan){0};
    arena_init(&p->arena);
    buf_init(&p->said);
    buf_init(&p->content);
    h1_body_init(&p->body, H1_FRAMING_NONE, 0, NULL);
    for (size_t n = first; p->where != OVER; n += step) {
        taken = play_arrival(p, slice_to(bytes, n), taken);
        if (n >= bytes.n)
            break;
    }
    if (p->where == IN_BODY)
        buf_printf(&p->said, "cut %d", (int)h1_body_eof(&p->body));
    buf_printf(&p->said, "verdict %d, %zu left over, content: ", (int)p->verdict,
               p->where == OVER && p->verdict == H1_MORE ? bytes.n - taken : 0);
    buf_add(&p->said, buf_slice(&p->content));
    h1_body_fini(&p->body);
    buf_fini(&p->content);
    arena_fini(&p->arena);
}

static void assert_same(const char *name, struct player *p, const struct player *whole,
                        size_t first, size_t step)
{
    if (!slice_eq(buf_slice(&p->said), buf_slice(&whole->said)))
        fail_msg("%s, cut at %zu and then every %zu:\n%s\nin one piece:\n%s", name, first, step,
                 buf_cstr(&p->said), buf_slice(&whole->said).p);
    buf_fini(&p->said);
}

/* Plays it in all ways; leaves what was said of it whole in *whole. */
static void play_all(const char *name, struct slice bytes, struct player *whole)
{
    const size_t stride = bytes.n <= CUT_EVERYWHERE_BYTES ? 1 : bytes.n / 53 + 1;
    struct player p = *whole;

    play(whole, bytes, bytes.n, 1);
    for (size_t cut = 1; cut < bytes.n; cut += stride) {
        play(&p, bytes, cut, bytes.n);
        assert_same(name, &p, whole, cut, bytes.n);
    }
    play(&p, bytes, 1, stride);
    assert_same(name, &p, whole, 1, stride);
}

static unsigned status_of(enum h1_result verdict)
{
    switch (verdict) {
    case H1_BAD:
    case H1_DUPLICATE:
        return 400;
    case H1_VERSION:
        return 505;
    case H1_TOO_LARGE:
        return 431;
    case H1_URI_TOO_LONG:
        return 414;
    default:
        return 0;
    }
}

/* A refusal by grammar is the codec's; one by a later stop leaves the connection open. */
static void assert_verdict(const char *name, const struct corpus_case *c, enum h1_result verdict)
{
    const unsigned said = status_of(verdict);
    const bool is_grammar =
        c->closes && (c->status == 400 || c->status == 414 || c->status == 431 || c->status == 505);

    if (is_grammar && said != c->status)
        fail_msg("%s: the codec says %u, expected %u", name, said, c->status);
    if (said != 0 && !c->closes)
        fail_msg("%s: the codec says %u, but the connection is to go on", name, said);
}

static void request_case(const char *path)
{
    struct player whole = {.is_request = true};
    struct corpus_case c;

    corpus_case_open(&c, path);
    play_all(path, buf_slice(&c.send), &whole);
    assert_verdict(path, &c, whole.verdict);
    buf_fini(&whole.said);
    corpus_case_close(&c);
}

static void answer_case(const char *path)
{
    struct player whole = {.method = SLICE("GET")};
    struct corpus_case c;

    corpus_case_open(&c, path);
    if (slice_starts(buf_slice(&c.send), SLICE("HEAD ")))
        whole.method = SLICE("HEAD");
    play_all(path, buf_slice(&c.answer), &whole);
    /* A malformed head becomes a 502; behind a head that has gone out, the connection breaks. */
    if (whole.verdict != H1_MORE && c.status != 502 && !c.closes)
        fail_msg("%s: refused by the codec, but to be delivered", path);
    buf_fini(&whole.said);
    corpus_case_close(&c);
}

static void each_file(const char *pattern, void (*visit)(const char *path), size_t least)
{
    glob_t found;

    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= least);
    for (size_t i = 0; i < found.gl_pathc; i++)
        visit(found.gl_pathv[i]);
    globfree(&found);
}

static void every_cut_of_every_request_gives_the_same(void **state)
{
    (void)state;
    each_file(TESTS_DIR "/corpus/framing/request/*.yaml", request_case, 130);
}

static void every_cut_of_every_answer_gives_the_same(void **state)
{
    (void)state;
    each_file(TESTS_DIR "/corpus/framing/answer/*.yaml", answer_case, 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_of_every_request_gives_the_same),
        cmocka_unit_test(every_cut_of_every_answer_gives_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
