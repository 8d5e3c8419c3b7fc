/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every part of an accepted tile lies inside the tile, in order; every column
 * of a batch table that is read has its rows.
 *
 * An input that does not begin with "b3dm" is a batch table: JSON, a zero byte,
 * the binary part. The rest of a tile of two features is put around it here.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

static void read_tile(struct span bytes)
{
    struct b3dm tile;
    struct err err;
    if (!b3dm_read(bytes, &tile, &err)) {
        assert(err.code == ERR_SYNTAX || err.code == ERR_UNSUPPORTED);
        return;
    }
    const uint8_t *at = bytes.data;
    for (int i = 0; i < B3DM_PART_COUNT; i++) {
        assert(tile.part[i].data >= at);
        at = tile.part[i].data + tile.part[i].size;
        assert(at <= bytes.data + bytes.size);
    }
    struct arena arena;
    struct mesh_tile whole;
    arena_init(&arena, (size_t)1 << 22);
    if (b3dm_read_tile(bytes, &arena, &whole, &err)) {
        if (whole.table != NULL) {
            read_columns(whole.table);
        }
    } else {
        assert(err.code != ERR_NONE);
    }
    arena_release(&arena);
}

static void read_table(const uint8_t *data, size_t size)
{
    static const char feature[] = "{\"BATCH_LENGTH\":2}";
    static const uint8_t glb[] = "glTF\2\0\0\0\x30\0\0\0\x1c\0\0\0JSON"
                                 "{\"asset\":{\"version\":\"2.0\"}} ";
    enum { HEADER = 28, FEATURE = sizeof feature - 1, GLB = 48 };
    const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
    const size_t json = zero == NULL ? size : (size_t)(zero - data);
    const size_t binary = zero == NULL ? 0 : size - json - 1;
    const size_t whole = HEADER + FEATURE + json + binary + GLB;
    uint8_t *tile = calloc(1, whole);
    assert(tile != NULL);
    memcpy(tile, "b3dm\1\0\0\0", 8);
    bytes_store_u32le(tile + 8, (uint32_t)whole);
    bytes_store_u32le(tile + 12, FEATURE);
    bytes_store_u32le(tile + 20, (uint32_t)json);
    bytes_store_u32le(tile + 24, (uint32_t)binary);
    memcpy(tile + HEADER, feature, FEATURE);
    if (size > 0) {
        memcpy(tile + HEADER + FEATURE, data, json);
        memcpy(tile + HEADER + FEATURE + json, data + size - binary, binary);
    }
    memcpy(tile + whole - GLB, glb, GLB);
    read_tile((struct span){tile, whole});
    free(tile);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 4 && memcmp(data, "b3dm", 4) == 0) {
        read_tile((struct span){data, size});
    } else {
        read_table(data, size);
    }
    return 0;
}
