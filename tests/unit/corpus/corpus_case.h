#ifndef TEST_CORPUS_CASE_H
#define TEST_CORPUS_CASE_H

/* One case file of tests/corpus (its README.md), as far as bytes and verdicts go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

#include <stdlib.h>
#include <yaml.h>

struct corpus_case {
    struct buf send, answer;
    unsigned status; /* of the last expected answer; 0: none, or one of several */
    bool closes;
};

/* The value of a key in a mapping, or NULL. */
static inline yaml_node_t *corpus_member(yaml_document_t *doc, yaml_node_t *map, const char *key)
{
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        yaml_node_t *name = yaml_document_get_node(doc, p->key);

        if (strcmp((const char *)name->data.scalar.value, key) == 0)
            return yaml_document_get_node(doc, p->value);
    }
    return NULL;
}

/* libyaml hands out UTF-8; a case means latin-1. */
static inline void corpus_add_latin_1(struct buf *out, const yaml_node_t *text)
{
    const unsigned char *p = text->data.scalar.value, *end = p + text->data.scalar.length;

    assert_int_equal(text->type, YAML_SCALAR_NODE);
    while (p < end) {
        if (*p < 0x80) {
            buf_add_char(out, (char)*p++);
            continue;
        }
        assert_true(end - p >= 2 && (*p == 0xc2 || *p == 0xc3));
        buf_add_char(out, (char)((*p & 3) << 6 | (p[1] & 0x3f)));
        p += 2;
    }
}

static inline void corpus_add_piece(yaml_document_t *doc, struct buf *out, yaml_node_t *piece)
{
    unsigned long times = 1;

    if (piece->type == YAML_MAPPING_NODE) {
        times =
            strtoul((const char *)corpus_member(doc, piece, "times")->data.scalar.value, NULL, 10);
        piece = corpus_member(doc, piece, "repeat");
    }
    while (times-- > 0)
        corpus_add_latin_1(out, piece);
}

static inline void corpus_add_pieces(yaml_document_t *doc, struct buf *out, yaml_node_t *list)
{
    if (list == NULL)
        return;
    for (yaml_node_item_t *i = list->data.sequence.items.start; i < list->data.sequence.items.top;
         i++)
        corpus_add_piece(doc, out, yaml_document_get_node(doc, *i));
}

static inline unsigned corpus_last_status(yaml_document_t *doc, yaml_node_t *expect)
{
    yaml_node_t *status = corpus_member(doc, expect, "status"), *list;

    if (status == NULL && (list = corpus_member(doc, expect, "statuses")) != NULL &&
        list->data.sequence.items.top > list->data.sequence.items.start)
        status = yaml_document_get_node(doc, list->data.sequence.items.top[-1]);
    if (status == NULL || status->type != YAML_SCALAR_NODE)
        return 0;
    return (unsigned)strtoul((const char *)status->data.scalar.value, NULL, 10);
}

static inline void corpus_case_open(struct corpus_case *c, const char *path)
{
    yaml_node_t *root, *expect, *closes;
    yaml_document_t doc;
    yaml_parser_t parser;
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    assert_true(yaml_parser_initialize(&parser));
    yaml_parser_set_input_file(&parser, file);
    assert_true(yaml_parser_load(&parser, &doc));
    root = yaml_document_get_root_node(&doc);
    expect = corpus_member(&doc, root, "expect");
    closes = corpus_member(&doc, expect, "closes");
    *c = (struct corpus_case){.status = corpus_last_status(&doc, expect)};
    c->closes = closes != NULL && closes->data.scalar.value[0] == 't';
    buf_init(&c->send);
    buf_init(&c->answer);
    corpus_add_pieces(&doc, &c->send, corpus_member(&doc, root, "send"));
    corpus_add_pieces(&doc, &c->answer, corpus_member(&doc, root, "answer"));
    yaml_document_delete(&doc);
    yaml_parser_delete(&parser);
    fclose(file);
}

static inline void corpus_case_close(struct corpus_case *c)
{
    buf_fini(&c->send);
    buf_fini(&c->answer);
}

#endif
