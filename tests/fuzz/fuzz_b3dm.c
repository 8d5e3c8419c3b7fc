/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every part of an accepted tile lies inside the tile, in order; every column
 * of a batch table that is read has its rows.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/b3dm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_columns(const struct property_table *table)
{
    for (size_t c = 0; c < table->column_count; c++) {
        for (uint32_t i = 0; i < table->row_count; i++) {
            (void)property_is_missing(table->schema, &table->columns[c], i);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct b3dm tile;
    struct err err;
    if (!b3dm_read((struct span){data, size}, &tile, &err)) {
        assert(err.code == ERR_SYNTAX || err.code == ERR_UNSUPPORTED);
        return 0;
    }
    const uint8_t *at = data;
    for (int i = 0; i < B3DM_PART_COUNT; i++) {
        assert(tile.part[i].data >= at);
        at = tile.part[i].data + tile.part[i].size;
        assert(at <= data + size);
    }
    struct arena arena;
    struct mesh_tile whole;
    arena_init(&arena, (size_t)1 << 22);
    if (b3dm_read_tile((struct span){data, size}, &arena, &whole, &err)) {
        if (whole.table != NULL) {
            read_columns(whole.table);
        }
    } else {
        assert(err.code != ERR_NONE);
    }
    arena_release(&arena);
    return 0;
}
