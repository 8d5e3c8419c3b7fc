/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/subtree.h"

#include <assert.h>
#include <math.h>

#include "formats/json_tree.h"

enum { HEADER_BYTES = 24, JSON_SIZE_AT = 8, BINARY_SIZE_AT = 16 };

uint64_t subtree_child_count(bool is_octree, uint32_t levels)
{
    assert(levels <= SUBTREE_LEVELS_MAX);
    return (uint64_t)1 << (is_octree ? 3 : 2) * levels;
}

uint64_t subtree_tile_count(bool is_octree, uint32_t levels)
{
    return (subtree_child_count(is_octree, levels) - 1) / (is_octree ? 7 : 3);
}

/* The JSON and binary parts; a JSON subtree has no binary part. */
static bool split(struct span bytes, struct span *json, struct span *binary, struct err *err)
{
    size_t start = 0;
    while (start < bytes.size && (bytes.data[start] == ' ' || bytes.data[start] == '\t' ||
                                  bytes.data[start] == '\r' || bytes.data[start] == '\n')) {
        start++;
    }
    if (start < bytes.size && bytes.data[start] == '{') {
        *json = bytes;
        *binary = (struct span){NULL, 0};
        return true;
    }
    if (bytes.size < HEADER_BYTES || memcmp(bytes.data, "subt", 4) != 0) {
        return err_set_at(err, ERR_SYNTAX, 0, "no subtree header in %zu bytes", bytes.size);
    }
    if (bytes_load_u32le(bytes.data + 4) != 1) {
        return err_set_at(err, ERR_UNSUPPORTED, 4, "subtree version %u",
                          bytes_load_u32le(bytes.data + 4));
    }
    const uint64_t json_size = bytes_load_u64le(bytes.data + JSON_SIZE_AT);
    const uint64_t binary_size = bytes_load_u64le(bytes.data + BINARY_SIZE_AT);
    const uint64_t room = bytes.size - HEADER_BYTES;
    if (json_size > room) {
        return err_set_at(err, ERR_SYNTAX, JSON_SIZE_AT, "JSON of %llu bytes, but %llu are here",
                          (unsigned long long)json_size, (unsigned long long)room);
    }
    if (binary_size != room - json_size) {
        return err_set_at(err, ERR_SYNTAX, BINARY_SIZE_AT,
                          "binary part of %llu bytes, but %llu are here",
                          (unsigned long long)binary_size, (unsigned long long)(room - json_size));
    }
    if (json_size % 8 != 0 || binary_size % 8 != 0) {
        return err_set_at(err, ERR_SYNTAX, json_size % 8 != 0 ? JSON_SIZE_AT : BINARY_SIZE_AT,
                          "parts of %llu and %llu bytes, not multiples of 8",
                          (unsigned long long)json_size, (unsigned long long)binary_size);
    }
    *json = (struct span){bytes.data + HEADER_BYTES, (size_t)json_size};
    *binary = (struct span){json->data + json_size, (size_t)binary_size};
    return true;
}

static double number_of(const struct json_tree *node, double otherwise)
{
    return json_tree_is(node, JSON_NUMBER) ? node->number : otherwise;
}

static bool is_count(const struct json_tree *node)
{
    return json_tree_is(node, JSON_NUMBER) && node->number >= 0 && node->number < 9e15 &&
           node->number == floor(node->number);
}

static const struct json_tree *element_of(const struct json_tree *array,
                                          const struct json_tree *index)
{
    uint32_t i = 0;
    return json_tree_index(index, &i) ? json_tree_element(array, i) : NULL;
}

/* What resolving bit streams needs. */
struct reading {
    const struct json_tree *root;
    struct span binary;
    uint64_t json_at; /* in the file */
    struct err *err;
};

static bool fail(struct reading *reading, const struct json_tree *node, enum err_code code,
                 const char *what)
{
    err_set(reading->err, code, "%s", what);
    if (node != NULL) {
        reading->err->offset = reading->json_at + node->offset;
    }
    return false;
}

static bool find_bits(struct reading *reading, const struct json_tree *index, uint64_t count,
                      const uint8_t **out)
{
    const struct json_tree *view = element_of(json_tree_find(reading->root, "bufferViews"), index);
    if (view == NULL) {
        return fail(reading, index, ERR_SCHEMA, "a bitstream that is no buffer view");
    }
    const struct json_tree *buffer =
        element_of(json_tree_find(reading->root, "buffers"), json_tree_find(view, "buffer"));
    const struct json_tree *offset = json_tree_find(view, "byteOffset");
    const struct json_tree *length = json_tree_find(view, "byteLength");
    const struct json_tree *whole = json_tree_find(buffer, "byteLength");
    if (buffer == NULL || !is_count(whole) || !is_count(length) ||
        (offset != NULL && !is_count(offset))) {
        return fail(reading, view, ERR_SCHEMA, "a buffer view without buffer, offset or length");
    }
    if (json_tree_find(buffer, "uri") != NULL) {
        return fail(reading, buffer, ERR_UNSUPPORTED, "a buffer in another file");
    }
    const double start = number_of(offset, 0);
    if (whole->number > (double)reading->binary.size || start + length->number > whole->number) {
        return fail(reading, view, ERR_SCHEMA, "a buffer view past the end of the binary part");
    }
    if (length->number < (double)((count + 7) / 8)) {
        return fail(reading, view, ERR_SCHEMA, "a bitstream that is too short for its tiles");
    }
    *out = reading->binary.data + (size_t)start;
    return true;
}

static bool read_availability(struct reading *reading, const struct json_tree *node, uint64_t count,
                              struct subtree_availability *out)
{
    const struct json_tree *constant = json_tree_find(node, "constant");
    const struct json_tree *bitstream = json_tree_find(node, "bitstream");
    const struct json_tree *available = json_tree_find(node, "availableCount");
    if (!json_tree_is(node, JSON_OBJECT)) {
        return fail(reading, node, ERR_SCHEMA, "an availability that is no object");
    }
    if ((constant == NULL) == (bitstream == NULL)) {
        return fail(reading, node, ERR_SCHEMA, "an availability needs bitstream or constant");
    }
    if (available != NULL && !is_count(available)) {
        return fail(reading, available, ERR_SCHEMA, "an availableCount that is no count");
    }
    struct subtree_availability found = {.count = count, .available_count = -1};
    if (available != NULL) {
        found.available_count = (int64_t)available->number;
    }
    if (constant != NULL) {
        const double value = number_of(constant, -1);
        if (value < 0 || value > 1 || (value > 0 && value < 1)) {
            return fail(reading, constant, ERR_SCHEMA, "a constant that is neither 0 nor 1");
        }
        found.is_constant = true;
        found.constant = value > 0;
    } else if (!find_bits(reading, bitstream, count, &found.bits)) {
        return false;
    }
    *out = found;
    return true;
}

static bool read_contents(struct reading *reading, uint64_t count, struct subtree *subtree)
{
    const struct json_tree *list = json_tree_find(reading->root, "contentAvailability");
    if (list == NULL) {
        return true;
    }
    if (list->kind != JSON_ARRAY || list->child_count == 0) {
        return fail(reading, list, ERR_SCHEMA, "contentAvailability must be an array");
    }
    if (list->child_count > SUBTREE_CONTENTS_MAX) {
        return fail(reading, list, ERR_LIMIT, "too many contents in a tile");
    }
    for (size_t i = 0; i < list->child_count; i++) {
        if (!read_availability(reading, &list->children[i], count, &subtree->contents[i])) {
            return false;
        }
    }
    subtree->content_count = list->child_count;
    return true;
}

static bool read_all(struct span bytes, bool is_octree, uint32_t levels, struct arena *scratch,
                     struct subtree *out, struct err *err)
{
    struct reading reading = {.err = err};
    struct span json;
    const struct json_tree *root = NULL;
    if (!split(bytes, &json, &reading.binary, err) || !json_tree_read(json, scratch, &root, err)) {
        return false;
    }
    if (root->kind != JSON_OBJECT) {
        return fail(&reading, root, ERR_SCHEMA, "a subtree must be an object");
    }
    reading.root = root;
    reading.json_at = (uint64_t)(json.data - bytes.data);
    const struct json_tree *tiles = json_tree_find(root, "tileAvailability");
    const struct json_tree *children = json_tree_find(root, "childSubtreeAvailability");
    if (tiles == NULL || children == NULL) {
        return fail(&reading, root, ERR_SCHEMA,
                    "a subtree needs tileAvailability and childSubtreeAvailability");
    }
    struct subtree subtree = {.content_count = 0};
    const uint64_t tile_count = subtree_tile_count(is_octree, levels);
    if (!read_availability(&reading, tiles, tile_count, &subtree.tiles) ||
        !read_contents(&reading, tile_count, &subtree) ||
        !read_availability(&reading, children, subtree_child_count(is_octree, levels),
                           &subtree.children)) {
        return false;
    }
    *out = subtree;
    return true;
}

bool subtree_read(struct span bytes, bool is_octree, uint32_t levels, struct arena *scratch,
                  struct subtree *out, struct err *err)
{
    if (levels == 0 || levels > SUBTREE_LEVELS_MAX) {
        return err_set(err, ERR_LIMIT, "subtrees of %u levels, at most %d", levels,
                       SUBTREE_LEVELS_MAX);
    }
    const struct arena_mark mark = arena_mark(scratch);
    const bool ok = read_all(bytes, is_octree, levels, scratch, out, err);
    arena_reset(scratch, mark);
    return ok;
}

bool subtree_is_available(const struct subtree_availability *availability, uint64_t i)
{
    assert(i < availability->count);
    return availability->is_constant ? availability->constant
                                     : (availability->bits[i / 8] >> (i % 8) & 1) != 0;
}

uint64_t subtree_count_available(const struct subtree_availability *availability)
{
    if (availability->is_constant) {
        return availability->constant ? availability->count : 0;
    }
    uint64_t count = 0;
    for (uint64_t i = 0; i < availability->count; i++) {
        count += subtree_is_available(availability, i) ? 1 : 0;
    }
    return count;
}
