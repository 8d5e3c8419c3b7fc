/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "formats/base/buf.h"
#include "formats/feature_index_internal.h"

enum { PIECE_BYTES = 1 << 20 };

static uint64_t offset_of(const struct feature_index *index, int section, uint64_t at)
{
    return (uint64_t)(index->section[section].data - index->file.data) + at;
}

static bool check_checksum(const struct feature_index *index, struct err *err)
{
    struct buf pieces;
    buf_init(&pieces, index->file.size / PIECE_BYTES * 8 + 64);
    for (size_t at = HEAD_BYTES; at < index->file.size; at += PIECE_BYTES) {
        const size_t left = index->file.size - at;
        const struct span piece = {index->file.data + at, left < PIECE_BYTES ? left : PIECE_BYTES};
        buf_add_u64le(&pieces, digest_short(piece));
    }
    bool ok = buf_finish(&pieces, err);
    if (ok && digest_short(buf_span(&pieces)) !=
                  bytes_load_u64le(index->file.data + HEAD_BODY_CHECKSUM_AT)) {
        ok = err_set_at(err, ERR_SYNTAX, HEAD_BODY_CHECKSUM_AT,
                        "features.idx: its checksum is not that of its bytes");
    }
    buf_release(&pieces);
    return ok;
}

/* ---- the tree ---- */

static float side_of(const struct feature_index *index, uint64_t block, size_t side, size_t i)
{
    float value;
    memcpy(&value,
           index->section[SECTION_BOXES].data + block * BLOCK_BYTES +
               (side * FEATURE_INDEX_NODE + i) * sizeof value,
           sizeof value);
    return value;
}

/* Box i of a block one level up is what the sixteen of block `child` span. */
static bool is_span(const struct feature_index *index, uint64_t block, size_t i, uint64_t child)
{
    for (size_t k = 0; k < 3; k++) {
        float low = INFINITY;
        float high = -INFINITY;
        for (size_t c = 0; c < FEATURE_INDEX_NODE; c++) {
            low = fminf(low, side_of(index, child, k, c));
            high = fmaxf(high, side_of(index, child, 3 + k, c));
        }
        if (low < side_of(index, block, k, i) || high > side_of(index, block, 3 + k, i)) {
            return false;
        }
    }
    return true;
}

static bool is_empty(const struct feature_index *index, uint64_t block, size_t i)
{
    return side_of(index, block, 0, i) > side_of(index, block, 3, i);
}

static bool is_box(const struct feature_index *index, uint64_t block, size_t i)
{
    for (size_t k = 0; k < 3; k++) {
        const float low = side_of(index, block, k, i);
        const float high = side_of(index, block, 3 + k, i);
        if (!isfinite(low) || !isfinite(high) || low > high) {
            return false;
        }
    }
    return true;
}

static bool check_tree(const struct feature_index *index, struct err *err)
{
    uint64_t children = index->count;
    for (uint32_t level = 0; level < index->level_count; level++) {
        const uint64_t first = index->level_blocks[level];
        const uint64_t blocks = (children + FEATURE_INDEX_NODE - 1) / FEATURE_INDEX_NODE;
        for (uint64_t at = 0; at < blocks * FEATURE_INDEX_NODE; at++) {
            const uint64_t block = first + at / FEATURE_INDEX_NODE;
            const size_t i = (size_t)(at % FEATURE_INDEX_NODE);
            const bool is_fine =
                at >= children ? is_empty(index, block, i)
                               : is_box(index, block, i) &&
                                     (level == 0 || is_span(index, block, i,
                                                            index->level_blocks[level - 1] + at));
            if (!is_fine) {
                return err_set_at(
                    err, ERR_SYNTAX, offset_of(index, SECTION_BOXES, block * BLOCK_BYTES),
                    "features.idx: box %zu of level %u does not hold what is below it", (size_t)at,
                    level);
            }
        }
        children = blocks;
    }
    return true;
}

/* ---- rows ---- */

static bool bad_row(const struct feature_index *index, uint32_t row, const char *what,
                    struct err *err)
{
    char id[64];
    snprintf(id, sizeof id, "%.*s", TEXT_ARGS(feature_index_id(index, row)));
    err_set_at(err, ERR_SYNTAX, offset_of(index, SECTION_ROWS, (uint64_t)row * ROW_BYTES),
               "features.idx: row %u: %s", row, what);
    err_in_feature(err, id);
    return false;
}

static bool is_reference(uint32_t number, uint32_t count)
{
    return number == FEATURE_INDEX_NONE || number < count;
}

static bool has_footprint(const struct feature_index *index, uint32_t row, uint32_t footprint)
{
    if (footprint == FEATURE_INDEX_NONE) {
        return true;
    }
    const struct feature_footprint found = feature_index_footprint(index, footprint);
    const struct box3 box = feature_index_box(index, row);
    const double slack = index->frame.step_m * 2;
    struct feature_footprint_ring ring = {0};
    for (uint32_t r = 0; r < found.ring_count; r++) {
        feature_footprint_next(&found, r, &ring);
        if (ring.point_count < 3 || (r == 0 && ring.is_hole)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < found.point_count; i++) {
        const struct vec2 at = feature_footprint_point(index, &found, i);
        if (!(at.x >= box.min.x - slack && at.x <= box.max.x + slack && at.y >= box.min.y - slack &&
              at.y <= box.max.y + slack)) {
            return false;
        }
    }
    return found.ring_count > 0;
}

static bool check_row(const struct feature_index *index, uint32_t row, struct err *err)
{
    const uint8_t *at = index->section[SECTION_ROWS].data + (size_t)row * ROW_BYTES;
    const struct text id = feature_index_id(index, row);
    if (id.size == 0 || id.size != bytes_load_u16le(at + ROW_ID_BYTES) || !text_is_utf8(id)) {
        return bad_row(index, row, "its id is no text of the file", err);
    }
    if (!is_reference(bytes_load_u32le(at + ROW_TILE), index->tile_count) ||
        !is_reference(bytes_load_u32le(at + ROW_PARENT), index->group_count) ||
        !is_reference(bytes_load_u32le(at + ROW_MERGED), index->group_count) ||
        bytes_load_u16le(at + ROW_CLASS) >= index->class_count) {
        return bad_row(index, row, "tile, group or class that is not there", err);
    }
    if (!has_footprint(index, row, bytes_load_u32le(at + ROW_FOOTPRINT))) {
        return bad_row(index, row, "a footprint that is none, or leaves its box", err);
    }
    struct feature_index_row about;
    feature_index_row(index, row, &about);
    const uint64_t floors = (uint64_t)about.storeys_above + about.storeys_below;
    if (at[ROW_STOREYS] > STOREYS_DERIVED ||
        (about.floors != FEATURE_INDEX_NONE &&
         (about.floors + floors) * 4 > index->section[SECTION_FLOORS].bytes)) {
        return bad_row(index, row, "floors that are not there", err);
    }
    for (size_t field = ROW_BASE; field <= ROW_TOP_LOCAL; field += 4) {
        float value;
        memcpy(&value, at + field, sizeof value);
        if (!isfinite(value)) {
            return bad_row(index, row, "a height that is no number", err);
        }
    }
    if (about.base_m > about.top_m || about.base_local_m > about.top_local_m) {
        return bad_row(index, row, "its base is above its top", err);
    }
    return feature_index_find(index, id) != FEATURE_INDEX_NONE ||
           bad_row(index, row, "its id is not found in the table of ids", err);
}

/* ---- tables ---- */

static bool check_ids(const struct feature_index *index, struct err *err)
{
    const uint8_t *ids = index->section[SECTION_IDS].data;
    uint64_t last = 0;
    for (uint32_t i = 0; i < index->count; i++) {
        const uint64_t hash = bytes_load_u32le(ids + (size_t)i * ID_BYTES);
        const uint32_t row = bytes_load_u32le(ids + (size_t)i * ID_BYTES + 4);
        if (row >= index->count || hash < last) {
            return err_set_at(err, ERR_SYNTAX,
                              offset_of(index, SECTION_IDS, (uint64_t)i * ID_BYTES),
                              "features.idx: the table of ids is not sorted");
        }
        last = hash;
    }
    return true;
}

static bool check_texts(const struct feature_index *index, int section, size_t entry_bytes,
                        uint32_t count, struct err *err)
{
    const uint8_t *entries = index->section[section].data;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t offset = bytes_load_u32le(entries + i * entry_bytes);
        const uint32_t bytes = bytes_load_u32le(entries + i * entry_bytes + 4);
        const struct text text = feature_index_text(index, offset, bytes);
        if (text.size != bytes || !text_is_utf8(text)) {
            return err_set_at(err, ERR_SYNTAX, offset_of(index, section, i * entry_bytes),
                              "features.idx: a name that is no text of the file");
        }
    }
    return true;
}

static bool check_tiles(const struct feature_index *index, struct err *err)
{
    struct text last = {NULL, 0};
    for (uint32_t i = 0; i < index->tile_count; i++) {
        struct feature_index_tile tile;
        feature_index_tile(index, i, &tile);
        const uint8_t *at = index->section[SECTION_TILES].data + (size_t)i * TILE_BYTES;
        if (!is_reference(bytes_load_u32le(at + 16), index->tile_count) ||
            tile.first != bytes_load_u32le(at + 8) || tile.count != bytes_load_u32le(at + 12) ||
            (i > 0 && text_compare(last, tile.name) > 0)) {
            return err_set_at(err, ERR_SYNTAX,
                              offset_of(index, SECTION_TILES, (uint64_t)i * TILE_BYTES),
                              "features.idx: tile %u is out of order or past the end", i);
        }
        last = tile.name;
    }
    return true;
}

/* A row lies among those of its tile. */
static bool check_tile_rows(const struct feature_index *index, struct err *err)
{
    for (uint32_t at = 0; at < index->count; at++) {
        const uint32_t word =
            bytes_load_u32le(index->section[SECTION_TILE_ROWS].data + (size_t)at * 4);
        if (word == FEATURE_INDEX_NONE) {
            continue;
        }
        struct feature_index_row row;
        struct feature_index_tile tile;
        if (word < index->count) {
            feature_index_row(index, word, &row);
        }
        if (word < index->count && row.tile != FEATURE_INDEX_NONE) {
            feature_index_tile(index, row.tile, &tile);
            if (at >= tile.first && at - tile.first < tile.count) {
                continue;
            }
        }
        return err_set_at(err, ERR_SYNTAX, offset_of(index, SECTION_TILE_ROWS, (uint64_t)at * 4),
                          "features.idx: a row that is not in the tile it is listed with");
    }
    return true;
}

static bool check_groups(const struct feature_index *index, struct err *err)
{
    struct feature_index_group last = {.id = {NULL, 0}};
    for (uint32_t i = 0; i < index->group_count; i++) {
        struct feature_index_group group;
        feature_index_group(index, i, &group);
        const uint8_t *at = index->section[SECTION_GROUPS].data + (size_t)i * GROUP_BYTES;
        const bool is_fine =
            group.first == bytes_load_u32le(at + 12) && group.count == bytes_load_u32le(at + 16) &&
            is_reference(bytes_load_u32le(at + 20), index->count) &&
            bytes_load_u32le(at + 8) <= FEATURE_GROUP_MERGED &&
            (i == 0 || feature_index_compare_groups(last.id, last.kind, group.id, group.kind) < 0);
        if (!is_fine) {
            return err_set_at(err, ERR_SYNTAX,
                              offset_of(index, SECTION_GROUPS, (uint64_t)i * GROUP_BYTES),
                              "features.idx: group %u is out of order or past the end", i);
        }
        last = group;
    }
    for (uint32_t i = 0; i < index->section[SECTION_MEMBERS].bytes / 4; i++) {
        bool is_group;
        if (feature_index_member(index, i, &is_group) == FEATURE_INDEX_NONE) {
            return err_set_at(err, ERR_SYNTAX, offset_of(index, SECTION_MEMBERS, (uint64_t)i * 4),
                              "features.idx: a member that is not there");
        }
    }
    return true;
}

bool feature_index_check(const struct feature_index *index, struct err *err)
{
    if (!check_checksum(index, err) || !check_tree(index, err) || !check_ids(index, err) ||
        !check_texts(index, SECTION_CLASSES, CLASS_BYTES, index->class_count, err) ||
        !check_texts(index, SECTION_TILES, TILE_BYTES, index->tile_count, err) ||
        !check_texts(index, SECTION_GROUPS, GROUP_BYTES, index->group_count, err) ||
        !check_tiles(index, err) || !check_tile_rows(index, err) || !check_groups(index, err)) {
        return false;
    }
    for (uint32_t row = 0; row < index->count; row++) {
        if (!check_row(index, row, err)) {
            return false;
        }
    }
    return true;
}
