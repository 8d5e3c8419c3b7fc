/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/query_asking.h"

enum { TAKEN_DEPTH_MAX = 32 };

uint8_t *query_rows_new(struct query_asking *a)
{
    uint8_t *bits = arena_array(a->request, uint8_t, (size_t)a->index->count / 8 + 1);
    if (bits == NULL) {
        arena_full(a->request, a->err);
    }
    return bits;
}

static bool prepare_ids(struct query_asking *a)
{
    if (a->query->ids == NULL) {
        return true;
    }
    uint8_t *bits = query_rows_new(a);
    if (bits == NULL) {
        return false;
    }
    for (size_t i = 0; i < a->query->id_count; i++) {
        const uint32_t row = feature_index_find(a->index, a->query->ids[i]);
        if (row != FEATURE_INDEX_NONE) {
            query_rows_set(bits, row);
        }
    }
    a->sets[a->set_count++] = bits;
    return true;
}

/* Members of a group, and of the groups and features that are members. `deep`:
 * parts of parts, too. */
static void set_members(struct query_asking *a, uint8_t *bits, uint32_t group_number, bool deep,
                        int depth)
{
    struct feature_index_group group;
    if (depth > TAKEN_DEPTH_MAX || group_number == FEATURE_INDEX_NONE) {
        return;
    }
    feature_index_group(a->index, group_number, &group);
    for (uint32_t i = 0; i < group.count; i++) {
        bool is_group;
        const uint32_t member = feature_index_member(a->index, group.first + i, &is_group);
        if (member == FEATURE_INDEX_NONE) {
            continue;
        }
        if (is_group) {
            set_members(a, bits, member, deep, depth + 1);
            continue;
        }
        if (query_rows_has(bits, member)) {
            continue; /* and its parts; also what ends a circle */
        }
        query_rows_set(bits, member);
        if (deep && group.kind == FEATURE_GROUP_PARENT) {
            set_members(a, bits,
                        feature_index_find_group(a->index, feature_index_id(a->index, member),
                                                 FEATURE_GROUP_PARENT),
                        deep, depth + 1);
        }
    }
}

static bool prepare_groups(struct query_asking *a)
{
    if (a->query->parent_count > 0) {
        uint8_t *bits = query_rows_new(a);
        if (bits == NULL) {
            return false;
        }
        for (size_t i = 0; i < a->query->parent_count; i++) {
            set_members(
                a, bits,
                feature_index_find_group(a->index, a->query->parents[i], FEATURE_GROUP_PARENT),
                false, 0);
        }
        a->sets[a->set_count++] = bits;
    }
    if (a->query->group.size > 0) {
        uint8_t *bits = query_rows_new(a);
        if (bits == NULL) {
            return false;
        }
        for (int kind = FEATURE_GROUP_PARENT; kind <= FEATURE_GROUP_MERGED; kind++) {
            set_members(
                a, bits,
                feature_index_find_group(a->index, a->query->group, (enum feature_group_kind)kind),
                true, 0);
        }
        a->sets[a->set_count++] = bits;
    }
    return true;
}

static bool prepare_tile(struct query_asking *a)
{
    if (a->query->tile.size == 0) {
        return true;
    }
    uint8_t *bits = query_rows_new(a);
    if (bits == NULL) {
        return false;
    }
    const uint32_t number = feature_index_find_tile(a->index, a->query->tile);
    if (number != FEATURE_INDEX_NONE) {
        struct feature_index_tile tile;
        feature_index_tile(a->index, number, &tile);
        for (uint32_t i = 0; i < tile.count; i++) {
            const uint32_t row = feature_index_tile_row(a->index, tile.first + i);
            if (row != FEATURE_INDEX_NONE) {
                query_rows_set(bits, row);
            }
        }
    }
    a->sets[a->set_count++] = bits;
    return true;
}

static bool prepare_classes(struct query_asking *a)
{
    if (a->query->class_count == 0) {
        return true;
    }
    uint8_t *wanted = arena_array(a->request, uint8_t, (size_t)a->index->class_count + 1);
    if (wanted == NULL) {
        return arena_full(a->request, a->err);
    }
    for (uint32_t i = 0; i < a->index->class_count; i++) {
        for (size_t c = 0; c < a->query->class_count; c++) {
            wanted[i] |= text_equals(feature_index_class(a->index, i), a->query->classes[c]);
        }
    }
    a->wanted_classes = wanted;
    return true;
}

bool query_rows_prepare(struct query_asking *a)
{
    return prepare_ids(a) && prepare_groups(a) && prepare_tile(a) && prepare_classes(a);
}

bool query_rows_meet(const struct query_asking *a, uint32_t row)
{
    for (size_t i = 0; i < a->set_count; i++) {
        if (!query_rows_has(a->sets[i], row)) {
            return false;
        }
    }
    if (a->wanted_classes == NULL) {
        return true;
    }
    const uint8_t *at = a->index->section[SECTION_ROWS].data + (size_t)row * ROW_BYTES;
    const uint16_t number = bytes_load_u16le(at + ROW_CLASS);
    return number < a->index->class_count && a->wanted_classes[number] != 0;
}
