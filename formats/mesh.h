/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_MESH_H
#define FORMATS_MESH_H

/*
 * mesh.h - the hub for output: indexed triangles, streams, materials.
 *
 * A tile is a few meshes, each one draw call: one material, all features
 * together, told apart by a row number of the tile's property table.
 *
 * Frame    the tile's own: metres, x east, y north, z up at the tile's origin.
 *          Writers of formats that are y-up turn it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/base/bytes.h"
#include "formats/base/vec.h"

/* The row of a vertex that belongs to no feature; readers meet it, writers are
 * not given it. */
#define MESH_NO_ROW UINT32_MAX

enum mesh_alpha { MESH_OPAQUE, MESH_MASK, MESH_BLEND };
enum mesh_wrap { MESH_CLAMP, MESH_REPEAT, MESH_MIRROR };

struct mesh_material {
    float base_color[4]; /* linear; multiplies vertex colour and texture */
    float emissive[3];   /* linear */
    float metallic;
    float roughness;
    enum mesh_alpha alpha;
    bool is_double_sided;
    int32_t image; /* index into the tile's images, or -1 */
    enum mesh_wrap wrap;
    bool is_unlit; /* shown as it is, whatever the light */
};

struct mesh_image {
    const char *media_type; /* "image/jpeg", "image/png", "image/webp" */
    struct span bytes;      /* encoded */
};

struct mesh {
    uint32_t vertex_count;
    uint32_t index_count; /* a multiple of 3 */
    float *positions;     /* vertex_count x 3 */
    float *normals;       /* vertex_count x 3, unit */
    uint16_t *colors;     /* vertex_count x 4, linear, 65535 is 1; or NULL */
    float *uvs;           /* vertex_count x 2, v grows downward (glTF); or NULL */
    uint32_t *rows;       /* vertex_count, row of the property table */
    uint32_t *indices;    /* index_count, anticlockwise from outside */
    uint32_t material;    /* index into the tile's materials */
};

struct property_table;

struct mesh_tile {
    const struct mesh *meshes;
    size_t mesh_count; /* may be 0 */
    const struct mesh_material *materials;
    size_t material_count;
    const struct mesh_image *images;
    size_t image_count;
    const struct property_table *table; /* NULL: no features */
};

#endif
