#include "../conf/conf_fixture.h"

#include "conf/pattern.h"
#include "policy/policy.h"

/*
 * The tree against the plainest matcher there is: every route tried in turn, the most
 * specific kept by comparing segment by segment (incidents P6: one meaning, however fast).
 */

static uint32_t seed = 20261125;

static unsigned draw(unsigned below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static const char *const words[] = {"a", "b", "admin", "x:y", "{n}", "{n}"};
static const char *const methods[] = {"GET", "HEAD", "POST", "PUT"};
static const char *const hosts[] = {"h1", "h2"};

static void write_pattern(struct buf *b)
{
    unsigned depth = draw(4);

    for (unsigned i = 0; i < depth; i++) {
        const char *word = words[draw(6)];

        /* Names must differ within one pattern. */
        if (word[0] == '{')
            buf_printf(b, "/{n%u}", i);
        else
            buf_printf(b, "/%s", word);
    }
    if (draw(3) == 0)
        buf_add(b, SLICE("/**"));
    else if (depth == 0 || draw(5) == 0)
        buf_add_char(b, '/');
}

static void write_routes(struct buf *b, unsigned count)
{
    buf_add(b, SLICE("upstreams: {u: {servers: [http://127.0.0.1:1]}}\nroutes:\n"));
    for (unsigned i = 0; i < count; i++) {
        buf_printf(b, "  - {upstream: u, name: r%u, path: \"", i);
        write_pattern(b);
        buf_add_char(b, '"');
        if (draw(2) == 0)
            buf_printf(b, ", methods: [%s]", methods[draw(4)]);
        if (draw(4) == 0)
            buf_printf(b, ", hosts: [%s]", hosts[draw(2)]);
        buf_add(b, SLICE("}\n"));
    }
}

/* Routes are drawn until a set has no two that match the same requests. */
static struct policy *draw_policy(void)
{
    for (;;) {
        struct buf yaml;
        struct reading r;
        struct conf *conf;

        buf_init(&yaml);
        write_routes(&yaml, 1 + draw(9));
        r = read_yaml(buf_cstr(&yaml));
        conf = r.conf;
        r.conf = NULL;
        reading_fini(&r);
        buf_fini(&yaml);
        if (conf != NULL)
            return policy_new(conf);
    }
}

static void write_path(struct buf *b)
{
    static const char *const segments[] = {"a", "b", "admin", "x:y", "x%3Ay", "c", "A", "ad"};
    unsigned depth = draw(5);

    for (unsigned i = 0; i < depth; i++)
        buf_printf(b, "/%s", segments[draw(8)]);
    if (depth == 0 || draw(4) == 0)
        buf_add_char(b, '/');
}

/* One character for each segment: '3' literal, '2' name, '1' rest, '4' end; larger is more
 * specific. */
static bool naive_path(const struct route *r, struct slice path, char rank[40])
{
    struct arena arena;
    struct pattern p;
    struct slice why, segment;
    size_t i = 0, n = 0;
    bool is_match = true;

    arena_init(&arena);
    assert_int_equal(pattern_parse(r->pattern, &arena, &p, &why), ERR_OK);
    while (is_match && path_next(&path, &segment) && segment.n > 0) {
        struct slice plain;

        assert_int_equal(percent_decode(segment, false, &arena, &plain), ERR_OK);
        if (i == p.count) {
            is_match = p.has_rest;
            break;
        }
        is_match = p.segments[i].is_name || slice_eq(p.segments[i].text, plain);
        rank[n++] = p.segments[i++].is_name ? '2' : '3';
    }
    is_match = is_match && i == p.count;
    rank[n++] = p.has_rest ? '1' : '4';
    rank[n] = '\0';
    arena_fini(&arena);
    return is_match;
}

static bool has(const struct texts *t, const char *text)
{
    for (size_t i = 0; i < t->count; i++)
        if (slice_eq(t->items[i], slice_str(text)))
            return true;
    return false;
}

static const struct route *naive_match(const struct policy *p, const char *host, const char *method,
                                       struct slice path)
{
    const struct route *best = NULL;
    char best_rank[48] = "";

    for (size_t i = 0; i < p->route_count; i++) {
        const struct conf_route *c = p->routes[i].conf;
        char rank[48];
        size_t n;

        if (!naive_path(&p->routes[i], path, rank))
            continue;
        if (c->hosts.count > 0 && !has(&c->hosts, host))
            continue;
        n = strlen(rank);
        rank[n] = c->hosts.count > 0 ? '2' : '1';
        if (c->methods.count == 0)
            rank[n + 1] = '1';
        else if (has(&c->methods, method))
            rank[n + 1] = '3';
        else if (strcmp(method, "HEAD") == 0 && has(&c->methods, "GET"))
            rank[n + 1] = '2';
        else
            continue;
        rank[n + 2] = '\0';
        if (strcmp(rank, best_rank) > 0) {
            strcpy(best_rank, rank);
            best = &p->routes[i];
        }
    }
    return best;
}

static void p6_the_tree_and_a_naive_matcher_agree(void **state)
{
    unsigned matched = 0;

    (void)state;
    for (unsigned round = 0; round < 1500; round++) {
        struct policy *p = draw_policy();

        for (unsigned i = 0; i < 30; i++) {
            const char *host = hosts[draw(2)], *method = methods[draw(4)];
            const struct route *expected;
            struct route_match m;
            struct buf path;

            buf_init(&path);
            write_path(&path);
            expected = naive_match(p, host, method, buf_slice(&path));
            policy_match(p, slice_str(host), slice_str(method), buf_slice(&path), &m);
            if (m.route != expected)
                fail_msg("%s %s on %s: %s, naively %s", method, buf_cstr(&path), host,
                         m.route != NULL ? m.route->pattern.p : "none",
                         expected != NULL ? expected->pattern.p : "none");
            matched += expected != NULL;
            buf_fini(&path);
        }
        policy_unref(p);
    }
    assert_true(matched > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(p6_the_tree_and_a_naive_matcher_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
