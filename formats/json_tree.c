/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/json_tree.h"

#include <assert.h>

/* While a container is open its values hang in a list; when it closes they are
 * copied next to each other. */
struct building {
    struct json_tree value;
    struct building *next;
};

struct open_container {
    struct building *holder; /* the value that the container is */
    struct building *first, *last;
};

struct builder {
    struct json *json;
    struct arena *arena;
    struct open_container *open; /* JSON_DEPTH_MAX of them */
    size_t depth;
};

static bool close_container(struct builder *b, struct err *err)
{
    struct open_container *top = &b->open[b->depth - 1];
    struct json_tree *holder = &top->holder->value;
    if (holder->child_count > 0) {
        struct json_tree *children = arena_array(b->arena, struct json_tree, holder->child_count);
        if (children == NULL) {
            return arena_full(b->arena, err);
        }
        size_t n = 0;
        for (const struct building *at = top->first; at != NULL; at = at->next) {
            children[n++] = at->value;
        }
        holder->children = children;
    }
    b->depth--;
    return true;
}

static bool take_scalar(struct builder *b, struct json_tree *value, struct err *err)
{
    if (value->kind == JSON_STRING) {
        struct json_string string;
        return json_string(b->json, &string, err) &&
               json_string_text(string, b->arena, &value->text, err);
    }
    if (value->kind == JSON_NUMBER) {
        struct json_number number;
        if (!json_number(b->json, &number, err)) {
            return false;
        }
        value->text = number.raw;
        if (!json_number_real(number, &value->number)) {
            return json_fail(b->json, err, ERR_SCHEMA, "number '%.*s' is too large",
                             (int)(number.raw.size < 40 ? number.raw.size : 40), number.raw.data);
        }
        return true;
    }
    return json_skip(b->json, err);
}

/* Takes the value that comes next into `into`; a container is left open. */
static bool take_value(struct builder *b, struct building *into, struct err *err)
{
    struct json_tree *value = &into->value;
    value->kind = json_peek(b->json);
    value->offset = json_offset(b->json);
    if (value->kind != JSON_OBJECT && value->kind != JSON_ARRAY) {
        return take_scalar(b, value, err);
    }
    if (!json_enter(b->json, value->kind, err)) {
        return false;
    }
    assert(b->depth < JSON_DEPTH_MAX); /* json_enter() saw to it */
    b->open[b->depth++] = (struct open_container){.holder = into};
    return true;
}

static bool take_child(struct builder *b, struct text key, struct err *err)
{
    struct building *child = arena_array(b->arena, struct building, 1);
    if (child == NULL) {
        return arena_full(b->arena, err);
    }
    child->value.key = key;
    struct open_container *top = &b->open[b->depth - 1];
    if (top->last == NULL) {
        top->first = child;
    } else {
        top->last->next = child;
    }
    top->last = child;
    top->holder->value.child_count++;
    return take_value(b, child, err);
}

static bool take_all(struct builder *b, struct building *root, struct err *err)
{
    if (!take_value(b, root, err)) {
        return false;
    }
    while (b->depth > 0) {
        const enum json_kind kind = b->open[b->depth - 1].holder->value.kind;
        bool is_end;
        struct text key = {NULL, 0};
        if (kind == JSON_OBJECT) {
            struct json_string name;
            if (!json_next_member(b->json, &name, &is_end, err) ||
                (!is_end && !json_string_text(name, b->arena, &key, err))) {
                return false;
            }
        } else if (!json_next_element(b->json, &is_end, err)) {
            return false;
        }
        if (is_end ? !close_container(b, err) : !take_child(b, key, err)) {
            return false;
        }
    }
    return json_end(b->json, err);
}

bool json_tree_read(struct span bytes, struct arena *arena, const struct json_tree **out,
                    struct err *err)
{
    struct json json;
    json_init(&json, bytes, NULL);
    struct builder builder = {.json = &json, .arena = arena};
    builder.open = arena_array(arena, struct open_container, JSON_DEPTH_MAX);
    struct building *root = arena_array(arena, struct building, 1);
    if (builder.open == NULL || root == NULL) {
        return arena_full(arena, err);
    }
    if (!take_all(&builder, root, err)) {
        return false;
    }
    *out = &root->value;
    return true;
}

const struct json_tree *json_tree_find(const struct json_tree *object, const char *key)
{
    if (!json_tree_is(object, JSON_OBJECT)) {
        return NULL;
    }
    for (size_t i = object->child_count; i > 0; i--) {
        if (text_is(object->children[i - 1].key, key)) {
            return &object->children[i - 1];
        }
    }
    return NULL;
}

const struct json_tree *json_tree_element(const struct json_tree *array, size_t index)
{
    return json_tree_is(array, JSON_ARRAY) && index < array->child_count ? &array->children[index]
                                                                         : NULL;
}

bool json_tree_index(const struct json_tree *value, uint32_t *out)
{
    if (!json_tree_is(value, JSON_NUMBER) || !(value->number >= 0) || value->number >= UINT32_MAX ||
        value->number != (double)(uint32_t)value->number) {
        return false;
    }
    *out = (uint32_t)value->number;
    return true;
}
