/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_JSON_TREE_H
#define FORMATS_JSON_TREE_H

/*
 * json_tree.h - a whole JSON value as a tree, for documents in which numbers
 * point back and forth (glTF, batch tables). For everything else json.h alone
 * is faster and needs no memory.
 *
 * Finding functions accept NULL and a node of another kind, and then find
 * nothing: `json_tree_find(json_tree_find(root, "asset"), "version")` is safe.
 *
 * Limits   json.h's depth; about 60 bytes of the arena per value
 */

#include "formats/base/arena.h"
#include "formats/base/bytes.h"
#include "formats/base/err.h"
#include "formats/json.h"

struct json_tree {
    enum json_kind kind;
    uint32_t child_count;
    const struct json_tree *children; /* elements or members, in order */
    struct text key;                  /* of a member, escapes resolved */
    struct text text;                 /* a string, resolved; a number as written */
    double number;                    /* 0 when it is none */
    uint64_t offset;                  /* of the value from the start of the JSON */
};

/*
 * Memory   *out lives in `arena`; numbers as written point into `bytes`
 * Errors   those of json.h, with line, column and offset; also what follows
 *          the value
 */
ERR_CHECKED bool json_tree_read(struct span bytes, struct arena *arena,
                                const struct json_tree **out, struct err *err);

/* The last member of that name, or NULL. */
const struct json_tree *json_tree_find(const struct json_tree *object, const char *key);

/* The element, or NULL when there are not so many. */
const struct json_tree *json_tree_element(const struct json_tree *array, size_t index);

static inline bool json_tree_is(const struct json_tree *value, enum json_kind kind)
{
    return value != NULL && value->kind == kind;
}

static inline bool json_tree_is_text(const struct json_tree *value, const char *text)
{
    return json_tree_is(value, JSON_STRING) && text_is(value->text, text);
}

/* A number without a fraction, 0 to UINT32_MAX - 1 (1.0 counts); false else. */
bool json_tree_index(const struct json_tree *value, uint32_t *out);

#endif
