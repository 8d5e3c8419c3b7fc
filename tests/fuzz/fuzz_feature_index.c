/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sound index with bytes changed (offset, two bytes; new value) and maybe cut:
 * opening refuses it, or every question stays inside it. The head's checksum is
 * made right, else no change would get past it.
 */
#include <assert.h>

#include "formats/feature_index.h"
#include "formats/feature_index_internal.h"
#include "tests/formats/query_city.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool count_row(void *visitor, uint32_t row)
{
    uint32_t *count = visitor;
    assert(row != FEATURE_INDEX_NONE);
    return ++*count < 1000;
}

static void ask_rows(const struct feature_index *index)
{
    for (uint32_t i = 0; i < index->count && i < 100; i++) {
        struct feature_index_row row;
        struct feature_footprint_ring ring = {0};
        double floor_m;
        feature_index_row(index, i, &row);
        assert(row.tile == FEATURE_INDEX_NONE || row.tile < index->tile_count);
        const uint32_t found = feature_index_find(index, row.id);
        assert(found == FEATURE_INDEX_NONE || found < index->count);
        (void)feature_index_floor(index, &row, -1, &floor_m);
        const struct feature_footprint footprint = feature_index_footprint(index, row.footprint);
        for (uint32_t r = 0; r < footprint.ring_count; r++) {
            feature_footprint_next(&footprint, r, &ring);
            assert(ring.first_point + ring.point_count <= footprint.point_count);
        }
        for (uint32_t p = 0; p < footprint.point_count; p++) {
            (void)feature_footprint_point(index, &footprint, p);
        }
        bool is_group;
        (void)feature_index_tile_row(index, i);
        (void)feature_index_member(index, i, &is_group);
    }
}

static void ask_tables(const struct feature_index *index)
{
    for (uint32_t i = 0; i < index->tile_count && i < 100; i++) {
        struct feature_index_tile tile;
        feature_index_tile(index, i, &tile);
        assert(tile.count <= index->count - tile.first);
        (void)feature_index_find_tile(index, tile.name);
    }
    for (uint32_t i = 0; i < index->group_count && i < 100; i++) {
        struct feature_index_group group;
        feature_index_group(index, i, &group);
        (void)feature_index_find_group(index, group.id, group.kind);
    }
}

static void ask_places(const struct feature_index *index)
{
    uint32_t count = 0;
    const struct box3 box = {{-1e6, -1e6, -1e6}, {1e6, 1e6, 1e6}};
    feature_index_search(index, box, count_row, &count);
    struct feature_index_near near[4];
    size_t near_count;
    struct arena scratch;
    struct err err;
    arena_init(&scratch, 1 << 20);
    const struct feature_index_nearest from = {.lon_deg = 4, .lat_deg = 52, .within_m = 1e9};
    if (feature_index_find_nearest(index, &from, near, 4, &near_count, &scratch, &err)) {
        assert(near_count <= 4);
    }
    arena_release(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct query_city city; /* made once: the fuzzer calls this in a loop */
    struct feature_index index;
    struct err err;
    if (city.target.index == NULL) {
        query_city_open(&city);
    }
    const size_t whole = city.map.bytes.size;
    const size_t keep = size > 0 && data[0] == 0xff ? whole * data[size - 1] / 256 : whole;
    struct span copy = check_heap_copy(city.map.bytes.data, keep);
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy.data;
    for (size_t at = 0; at + 3 <= size && keep > 0; at += 3) {
        bytes[(size_t)(data[at] | data[at + 1] << 8) % keep] = data[at + 2];
    }
    if (keep >= HEAD_BYTES) {
        bytes_store_u64le(bytes + 16, keep);
        bytes_store_u64le(bytes + HEAD_CHECKSUM_AT, feature_index_head_checksum(bytes));
    }
    if (feature_index_open(copy, &index, &err)) {
        ask_rows(&index);
        ask_tables(&index);
        ask_places(&index);
        const bool is_sound = feature_index_check(&index, &err);
        assert(is_sound || err.code != ERR_NONE);
    }
    check_heap_free(copy);
    return 0;
}
