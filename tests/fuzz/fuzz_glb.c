/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read is sound (indices, materials, pictures in range, numbers
 * finite), and what is sound can be written and read again.
 *
 * The input is JSON, a zero byte, and the binary chunk: the container is put
 * around it here, since mutations of its sizes would find nothing else. An
 * input that begins with "glTF" is taken as it is.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/glb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *wrap(const uint8_t *data, size_t size, size_t *out_size)
{
    const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
    const size_t json = zero == NULL ? size : (size_t)(zero - data);
    const size_t bin = zero == NULL ? 0 : size - json - 1;
    const size_t json_padded = (json + 3) / 4 * 4;
    const size_t bin_padded = (bin + 3) / 4 * 4;
    *out_size = 28 + json_padded + bin_padded;
    uint8_t *glb = calloc(1, *out_size);
    assert(glb != NULL);
    memcpy(glb, "glTF\2\0\0\0", 8);
    bytes_store_u32le(glb + 8, (uint32_t)*out_size);
    bytes_store_u32le(glb + 12, (uint32_t)json_padded);
    memcpy(glb + 16, "JSON", 4);
    memset(glb + 20, ' ', json_padded);
    if (json > 0) {
        memcpy(glb + 20, data, json);
    }
    bytes_store_u32le(glb + 20 + json_padded, (uint32_t)bin_padded);
    memcpy(glb + 24 + json_padded, "BIN\0", 4);
    if (bin > 0) {
        memcpy(glb + 28 + json_padded, zero + 1, bin);
    }
    return glb;
}

static void check_mesh(const struct mesh_tile *tile, const struct mesh *mesh)
{
    assert(mesh->index_count % 3 == 0 && mesh->index_count > 0);
    assert(mesh->material < tile->material_count);
    for (uint32_t i = 0; i < mesh->index_count; i++) {
        assert(mesh->indices[i] < mesh->vertex_count);
    }
    for (size_t i = 0; i < (size_t)3 * mesh->vertex_count; i++) {
        assert(isfinite(mesh->positions[i]));
        assert(isfinite(mesh->normals[i]));
    }
}

static bool is_writable(const struct mesh_tile *tile)
{
    for (size_t m = 0; m < tile->mesh_count; m++) {
        const struct mesh *mesh = &tile->meshes[m];
        for (uint32_t i = 0; tile->table != NULL && i < mesh->vertex_count; i++) {
            if (mesh->rows[i] >= tile->table->row_count) {
                return false;
            }
        }
    }
    return true;
}

static void write_again(const struct mesh_tile *tile, enum glb_compression compression)
{
    const struct glb_options options = {.compression = compression};
    struct arena arena;
    struct buf out;
    struct glb_summary summary;
    struct mesh_tile again;
    struct err err;
    arena_init(&arena, (size_t)1 << 26);
    buf_init(&out, (size_t)1 << 25);
    if (glb_write(tile, &options, &arena, &out, &summary, &err)) {
        const bool ok = glb_read(buf_span(&out), &arena, &again, &err);
        assert(ok || err.code == ERR_LIMIT);
    } else {
        assert(err.code == ERR_GEOMETRY || err.code == ERR_LIMIT || err.code == ERR_LIBRARY ||
               err.code == ERR_UNSUPPORTED);
    }
    buf_release(&out);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t glb_size = size;
    uint8_t *wrapped = NULL;
    if (size < 4 || memcmp(data, "glTF", 4) != 0) {
        wrapped = wrap(data, size, &glb_size);
    }
    struct arena arena;
    struct mesh_tile tile;
    struct err err;
    arena_init(&arena, (size_t)1 << 24);
    if (glb_read((struct span){wrapped == NULL ? data : wrapped, glb_size}, &arena, &tile, &err)) {
        for (size_t i = 0; i < tile.mesh_count; i++) {
            check_mesh(&tile, &tile.meshes[i]);
        }
        for (size_t i = 0; i < tile.material_count; i++) {
            assert(tile.materials[i].image < (int32_t)tile.image_count);
        }
        if (is_writable(&tile)) {
            write_again(&tile, GLB_NONE);
            write_again(&tile, GLB_DRACO);
            write_again(&tile, GLB_MESHOPT);
        }
    } else {
        assert(err.code != ERR_NONE && err.message[0] != '\0');
    }
    arena_release(&arena);
    free(wrapped);
    return 0;
}
